;;! operation = "a resume_throw of an exception with a number, its catch, and a suspend with the number"
;;! # Fewer than a collection comes after: as published the collector panics when a continuation waits.
;;! size = 1000
;;! micro = true
;; Exceptions into a continuation: it waits in a `try_table`, is resumed with an exception, catches that, and suspends
;; again with what the exception carried.
;;
;; `run n` throws 1 to n, and adds up what comes back: n (n + 1) / 2.
(module
  (type $ft (func)) (type $ct (cont $ft))
  (tag $answer (param i64))
  (tag $interrupt (param i64))

  (func $patient
    (local $got i64)
    (loop $again
      (block $caught (result i64)
        (try_table (catch $interrupt $caught) (suspend $answer (local.get $got)))
        ;; It is resumed with exceptions alone.
        (unreachable))
      (local.set $got)
      (br $again)))
  (elem declare func $patient)

  (func (export "run") (param $n i32) (result i64)
    (local $c (ref null $ct)) (local $i i64) (local $sum i64)
    ;; Until it waits.
    (block $on_answer (result i64 (ref $ct))
      (resume $ct (on $answer $on_answer) (cont.new $ct (ref.func $patient)))
      (unreachable))
    (local.set $c)
    (local.set $sum)
    (loop $next
      (if (i64.lt_u (local.get $i) (i64.extend_i32_u (local.get $n)))
        (then
          (local.set $i (i64.add (local.get $i) (i64.const 1)))
          (block $on_answer (result i64 (ref $ct))
            (resume_throw $ct $interrupt (on $answer $on_answer) (local.get $i) (local.get $c))
            ;; It never ends.
            (unreachable))
          (local.set $c)
          (local.set $sum (i64.add (local.get $sum)))
          (br $next))))
    (local.get $sum))

  (func (export "expected") (param $n i32) (result i64)
    (local $m i64)
    (local.set $m (i64.extend_i32_u (local.get $n)))
    (i64.div_u (i64.mul (local.get $m) (i64.add (local.get $m) (i64.const 1))) (i64.const 2))))
