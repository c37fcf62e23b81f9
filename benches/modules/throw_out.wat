;;! operation = "a continuation made, resumed, and left by an exception with a number, which is caught"
;;! size = 5000
;;! micro = true
;; Exceptions out of continuations: one after another is made, throws, and is gone; a `try_table` around its resume
;; catches what it threw.
;;
;; `run n` adds up what they throw, 2 i + 1 for i below n: n * n.
(module
  (type $ft (func (param i64))) (type $ct (cont $ft))
  (tag $failed (param i64))

  (func $fail (type $ft) (param $i i64)
    (throw $failed (i64.add (i64.mul (local.get $i) (i64.const 2)) (i64.const 1))))
  (elem declare func $fail)

  (func (export "run") (param $n i32) (result i64)
    (local $i i64) (local $sum i64)
    (loop $next
      (if (i64.lt_u (local.get $i) (i64.extend_i32_u (local.get $n)))
        (then
          (block $caught (result i64)
            (try_table (catch $failed $caught)
              (resume $ct (local.get $i) (cont.new $ct (ref.func $fail))))
            ;; None returns.
            (unreachable))
          (local.set $sum (i64.add (local.get $sum)))
          (local.set $i (i64.add (local.get $i) (i64.const 1)))
          (br $next))))
    (local.get $sum))

  (func (export "expected") (param $n i32) (result i64)
    (i64.mul (i64.extend_i32_u (local.get $n)) (i64.extend_i32_u (local.get $n)))))
