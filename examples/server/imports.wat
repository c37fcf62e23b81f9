;; What the guest imports as `read` and `write`. Each calls `try`, and suspends to `waits` if the socket is not ready. The number with
;; which the host resumes is the result.
(module
  ;; As the guest's `read` and `write`, but returns -2 if the socket is not ready.
  (import "net" "try"
    (func $try (param $conn i32) (param $wait i32) (param $at i32) (param $len i32) (result i32)))
  ;; What a connection waits for: 1 a request, 2 more of one, 3 room for a response, with an address and a length; 4 so many
  ;; milliseconds.
  (tag $waits (export "waits") (param i32 i32 i32) (result i32))

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
      (then (return (suspend $waits (local.get $wait) (local.get $at) (local.get $len)))))
    (local.get $n))
)
