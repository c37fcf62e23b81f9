;; First-class continuations that are used once, by two operators. `$reset` runs a computation. In the computation, `$shift` takes
;; the rest up to that `$reset` as a value, and calls a function with it. That function may drop the rest, use it, or keep it.
;;
;; The function runs outside of the `$reset`; Scheme's libraries name that operator `shift0`.
;;
;; Source feature: first-class continuations, one-shot. Instructions: cont.new, resume, suspend.
;; Run: cargo xtask wasmtime run -W stack-switching examples/continuations.wat
(module
  (import "wasi_snapshot_preview1" "fd_write"
    (func $fd_write (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)

  ;; Writes the `$len` bytes at `$ptr`.
  (func $write (param $ptr i32) (param $len i32)
    (i32.store (i32.const 0) (local.get $ptr))
    (i32.store (i32.const 4) (local.get $len))
    (drop (call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8))))
  ;; Writes `$n` in decimal digits, which end at 32.
  (func $number (param $n i32)
    (local $p i32)
    (local.set $p (i32.const 32))
    (loop $digits
      (local.set $p (i32.sub (local.get $p) (i32.const 1)))
      (i32.store8 (local.get $p) (i32.add (i32.const 48) (i32.rem_u (local.get $n) (i32.const 10))))
      (br_if $digits (local.tee $n (i32.div_u (local.get $n) (i32.const 10)))))
    (call $write (local.get $p) (i32.sub (i32.const 32) (local.get $p))))
  ;; Writes the `$len` bytes at `$ptr`, `$n`, and the end of the line.
  (func $line (param $ptr i32) (param $len i32) (param $n i32)
    (call $write (local.get $ptr) (local.get $len))
    (call $number (local.get $n))
    (call $write (i32.const 64) (i32.const 1)))

  (data (i32.const 64) "\nescaped with used: kept: later: ")

  ;; A computation, and the rest of one that waits for a number.
  (type $cf (func (result i32)))             (type $computation (cont $cf))
  (type $kf (func (param i32) (result i32))) (type $rest (cont $kf))
  ;; What `$shift` calls.
  (type $body (func (param (ref $rest)) (result i32)))
  (tag $shift (param (ref $body)) (result i32))

  (func $reset (param $c (ref $computation)) (result i32)
    (local $body (ref null $body)) (local $k (ref null $rest))
    (block $on_shift (result (ref $body) (ref $rest))
      (return (resume $computation (on $shift $on_shift) (local.get $c))))
    (local.set $k)
    (local.set $body)
    (call_ref $body (ref.as_non_null (local.get $k)) (local.get $body)))

  ;; Goes on with `$k`, in a `$reset` of its own. A second use of the same `$k` would trap.
  (func $go_on (param $k (ref $rest)) (param $n i32) (result i32)
    (local $body (ref null $body))
    (block $on_shift (result (ref $body) (ref $rest))
      (return (resume $rest (on $shift $on_shift) (local.get $n) (local.get $k))))
    (local.set $k)
    (local.set $body)
    (call_ref $body (local.get $k) (local.get $body)))

  ;; Drops the rest: an early exit.
  (func $escape (type $body) (param $k (ref $rest)) (result i32) (i32.const 0))
  ;; Uses the rest as a function.
  (func $tenfold (type $body) (param $k (ref $rest)) (result i32)
    (i32.mul (i32.const 10) (call $go_on (local.get $k) (i32.const 2))))
  ;; Keeps the rest.
  (global $kept (mut (ref null $rest)) (ref.null $rest))
  (func $keep (type $body) (param $k (ref $rest)) (result i32)
    (global.set $kept (local.get $k))
    (i32.const 0))

  ;; Multiplies numbers from `$n` down. At 3 it knows that the product does not matter.
  (func $multiply (param $n i32) (result i32)
    (if (i32.eq (local.get $n) (i32.const 3)) (then (return (suspend $shift (ref.func $escape)))))
    (i32.mul (local.get $n) (call $multiply (i32.sub (local.get $n) (i32.const 1)))))
  (func $product (type $cf) (call $multiply (i32.const 9)))
  (func $one_more (type $cf) (i32.add (i32.const 1) (suspend $shift (ref.func $tenfold))))
  (func $two_more (type $cf) (i32.add (i32.const 2) (suspend $shift (ref.func $keep))))
  (elem declare func $escape $tenfold $keep $product $one_more $two_more)

  (func (export "_start")
    (call $line (i32.const 65) (i32.const 13) (call $reset (cont.new $computation (ref.func $product))))
    (call $line (i32.const 78) (i32.const 6) (call $reset (cont.new $computation (ref.func $one_more))))
    (call $line (i32.const 84) (i32.const 6) (call $reset (cont.new $computation (ref.func $two_more))))
    (call $line (i32.const 90) (i32.const 7) (call $go_on (ref.as_non_null (global.get $kept)) (i32.const 40)))))

;;> escaped with 0
;;> used: 30
;;> kept: 0
;;> later: 42
