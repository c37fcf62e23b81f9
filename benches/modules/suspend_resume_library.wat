;;! operation = "a value from a generator and back, by functions of a library that several loops call"
;;! size = 500000
;;! micro = true
;;! place = 2
;; As `suspend_resume`, in the shape of a language's library: `resume` and `suspend` stand each in one function, which a second
;; function calls, and two producers and two consumers share these. So the returns between a switch and the program are many.
;;
;; `run n`: each producer yields the numbers up to n / 2, and its consumer adds them up, in turn with the other pair.
(module
  (type $ft (func (param i64) (result i64)))
  (type $ct (cont $ft))
  (tag $yield (param i64) (result i64))
  (table $fibers 2 (ref null $ct))
  ;; What is suspended: 1, or what has returned: 0.
  (global $waits (mut i32) (i32.const 0))

  (func $raw-yield (param $value i64) (result i64)
    (suspend $yield (local.get $value)))
  (func $raw-resume (param $fiber i32) (param $value i64) (result i64)
    (local $rest (ref null $ct))
    (block $yielded (result i64 (ref $ct))
      (resume $ct (on $yield $yielded) (local.get $value) (table.get $fibers (local.get $fiber)))
      (global.set $waits (i32.const 0))
      (return))
    (local.set $rest)
    (table.set $fibers (local.get $fiber) (local.get $rest))
    (global.set $waits (i32.const 1)))

  ;; What a program calls.
  (func $yield (param $value i64) (result i64)
    (call $raw-yield (i64.add (local.get $value) (i64.const 1))))
  (func $resume (param $fiber i32) (param $value i64) (result i64)
    (i64.sub (call $raw-resume (local.get $fiber) (local.get $value)) (i64.const 1)))

  ;; Yields 1, 2, ..., n.
  (func $up (type $ft) (param $n i64) (result i64)
    (local $i i64)
    (loop $next
      (local.set $i (i64.add (local.get $i) (i64.const 1)))
      (drop (call $yield (local.get $i)))
      (br_if $next (i64.lt_u (local.get $i) (local.get $n))))
    (i64.const 0))
  ;; Yields n, n - 1, ..., 1.
  (func $down (type $ft) (param $n i64) (result i64)
    (loop $next
      (drop (call $yield (local.get $n)))
      (local.set $n (i64.sub (local.get $n) (i64.const 1)))
      (br_if $next (i64.ne (local.get $n) (i64.const 0))))
    (i64.const 0))
  (elem declare func $up $down)

  (func (export "run") (param $n i32) (result i64)
    (local $half i64) (local $sum i64) (local $value i64)
    (local.set $half (i64.extend_i32_u (i32.shr_u (local.get $n) (i32.const 1))))
    (table.set $fibers (i32.const 0) (cont.new $ct (ref.func $up)))
    (table.set $fibers (i32.const 1) (cont.new $ct (ref.func $down)))
    (loop $next
      (local.set $value (call $resume (i32.const 0) (local.get $half)))
      (if (global.get $waits)
        (then
          (local.set $sum (i64.add (local.get $sum) (local.get $value)))
          (local.set $sum (i64.add (local.get $sum) (call $resume (i32.const 1) (local.get $half))))
          (br $next))))
    ;; The other one returns too.
    (drop (call $resume (i32.const 1) (i64.const 0)))
    (local.get $sum))

  (func (export "expected") (param $n i32) (result i64)
    (local $half i64)
    (local.set $half (i64.extend_i32_u (i32.shr_u (local.get $n) (i32.const 1))))
    (i64.mul (local.get $half) (i64.add (local.get $half) (i64.const 1)))))
