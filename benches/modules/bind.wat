;;! operation = "a cont.bind of one value to a suspended continuation, and a round trip that brings it back"
;;! size = 300000
;;! micro = true
;; Binding: what a suspended continuation waits for is bound to it, and it is resumed with nothing.
;;
;; `run n` binds 1 to n, and adds up what comes back: n (n + 1) / 2.
(module
  (type $wf (func (param i64))) (type $waiting (cont $wf))
  (type $bf (func))             (type $bound (cont $bf))
  (tag $swap (param i64) (result i64))

  (func $echo (type $wf) (param $value i64)
    (loop $again
      (local.set $value (suspend $swap (local.get $value)))
      (br $again)))
  (elem declare func $echo)

  (func (export "run") (param $n i32) (result i64)
    (local $c (ref $waiting)) (local $i i64) (local $sum i64)
    (local.set $c (cont.new $waiting (ref.func $echo)))
    (loop $next
      (if (i64.lt_u (local.get $i) (i64.extend_i32_u (local.get $n)))
        (then
          (local.set $i (i64.add (local.get $i) (i64.const 1)))
          (block $on_swap (result i64 (ref $waiting))
            (resume $bound (on $swap $on_swap)
              (cont.bind $waiting $bound (local.get $i) (local.get $c)))
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
