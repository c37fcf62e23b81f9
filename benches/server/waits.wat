;; What the guest of a fiber imports as `read` and `write`. As `imports.wat` of the example, but calls the host to wait, which suspends
;; the fiber.
(module
  (import "net" "try"
    (func $try (param $conn i32) (param $wait i32) (param $at i32) (param $len i32) (result i32)))
  (import "net" "wait" (func $wait (param $wait i32) (param $at i32) (param $len i32) (result i32)))

  (func (export "read") (param $conn i32) (param $at i32) (param $len i32) (param $first i32) (result i32)
    (call $io
      (local.get $conn)
      (select (i32.const 1) (i32.const 2) (local.get $first))
      (local.get $at)
      (local.get $len)))

  (func (export "write") (param $conn i32) (param $at i32) (param $len i32) (result i32)
    (call $io (local.get $conn) (i32.const 3) (local.get $at) (local.get $len)))

  (func $io (param $conn i32) (param $wait i32) (param $at i32) (param $len i32) (result i32) (local $n i32)
    (local.set $n (call $try (local.get $conn) (local.get $wait) (local.get $at) (local.get $len)))
    (if (i32.eq (local.get $n) (i32.const -2))
      (then (return (call $wait (local.get $wait) (local.get $at) (local.get $len)))))
    (local.get $n))
)
