;;! operation = "a round trip: resume and suspend, nothing passed"
;;! size = 500000
;;! floor = "round trip"
;;! talk = 5.97
;;! micro = true
;; A continuation that suspends, and is resumed, again and again. Nothing is passed.
;;
;; `run n` makes n round trips, and returns how many there were. n is 1 at least.
(module
  (type $ft (func)) (type $ct (cont $ft)) (tag $t)
  (func $f (loop $l (suspend $t) (br $l)))
  (elem declare func $f)

  (func (export "run") (param $n i32) (result i64)
    (local $c (ref $ct)) (local $i i32)
    (local.set $c (cont.new $ct (ref.func $f)))
    (loop $l
      (block $h (result (ref $ct))
        (resume $ct (on $t $h) (local.get $c))
        (return (i64.const -1)))
      (local.set $c)
      (br_if $l (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (local.get $n))))
    (i64.extend_i32_u (local.get $i)))

  (func (export "expected") (param $n i32) (result i64)
    (i64.extend_i32_u (local.get $n))))
