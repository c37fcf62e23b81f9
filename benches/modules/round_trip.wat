;; A continuation that suspends, and is resumed, again and again. Nothing is passed.
(module
  (type $ft (func)) (type $ct (cont $ft)) (tag $t)
  (func $f (loop $l (suspend $t) (br $l)))
  (elem declare func $f)
  ;; Makes n round trips, and returns how many there were.
  (func (export "run") (param $n i32) (result i32)
    (local $c (ref $ct)) (local $i i32)
    (local.set $c (cont.new $ct (ref.func $f)))
    (loop $l
      (block $h (result (ref $ct))
        (resume $ct (on $t $h) (local.get $c))
        (return (i32.const -1)))
      (local.set $c)
      (br_if $l (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (local.get $n))))
    (local.get $i)))
