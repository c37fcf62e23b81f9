;;! operation = "a value that a generator yields"
;;! size = 300000
;;! floor = "round trip"
;;! micro = true
;;! place = 1
;; A generator of numbers, and a consumer that adds them up.
;;
;; `run n` has the generator count from 1 to n and end; the result must be n (n + 1) / 2.
(module
  (type $ft (func (param i64))) (type $ct (cont $ft))
  (type $rf (func))             (type $rest (cont $rf))
  (tag $value (param i64))

  (func $count (type $ft) (param $n i64)
    (local $i i64)
    (loop $next
      (if (i64.lt_u (local.get $i) (local.get $n))
        (then
          (local.set $i (i64.add (local.get $i) (i64.const 1)))
          (suspend $value (local.get $i))
          (br $next)))))
  (elem declare func $count)

  (func (export "run") (param $n i32) (result i64)
    (local $numbers (ref $rest)) (local $sum i64)
    (local.set $numbers
      (cont.bind $ct $rest (i64.extend_i32_u (local.get $n)) (cont.new $ct (ref.func $count))))
    (loop $next
      (block $on_value (result i64 (ref $rest))
        (resume $rest (on $value $on_value) (local.get $numbers))
        (return (local.get $sum)))
      (local.set $numbers)
      (local.set $sum (i64.add (local.get $sum)))
      (br $next))
    (unreachable))

  (func (export "expected") (param $n i32) (result i64)
    (local $m i64)
    (local.set $m (i64.extend_i32_u (local.get $n)))
    (i64.div_u (i64.mul (local.get $m) (i64.add (local.get $m) (i64.const 1))) (i64.const 2))))
