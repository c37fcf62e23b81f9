;; Semantics, rule 3: tags are compared by identity. Each instance of a module has tags of its own; an imported
;; tag equals the one that it was imported from, by whatever way and under whatever names it came.

(module definition $gen
  (type $f (func (result i32))) (type $c (cont $f))
  (type $kf (func (param i32) (result i32))) (type $k (cont $kf))
  (tag $t (export "t") (result i32))
  (func $ask (type $f) (suspend $t))
  (elem declare func $ask)
  (func (export "make") (result (ref $c)) (cont.new $c (ref.func $ask)))
  (func (export "handle") (param (ref $c)) (result i32)
    (block $on (result (ref $k)) (return (resume $c (on $t $on) (local.get 0))))
    (drop) (i32.const 10)))
(module instance $one $gen)
(module instance $two $gen)
(register "one" $one)
(register "two" $two)

;; Hands both on, one of them under two names.
(module
  (import "one" "t" (tag $a (result i32)))
  (import "two" "t" (tag $b (result i32)))
  (export "b" (tag $b)) (export "a" (tag $a)) (export "a-again" (tag $a)))
(register "names")

(module
  (type $f (func (result i32))) (type $c (cont $f))
  (type $kf (func (param i32) (result i32))) (type $k (cont $kf))
  (import "one" "make" (func $make1 (result (ref $c))))
  (import "two" "make" (func $make2 (result (ref $c))))
  (import "one" "handle" (func $handle1 (param (ref $c)) (result i32)))
  (import "two" "handle" (func $handle2 (param (ref $c)) (result i32)))
  (import "names" "b" (tag $b (result i32)))
  (import "names" "a" (tag $a (result i32)))
  (import "names" "a-again" (tag $a2 (result i32)))

  (func (export "own1") (result i32) (call $handle1 (call $make1)))
  (func (export "own2") (result i32) (call $handle2 (call $make2)))
  (func (export "crossed12") (result i32) (call $handle1 (call $make2)))
  (func (export "crossed21") (result i32) (call $handle2 (call $make1)))
  (func $here (param (ref $c)) (result i32)
    (block $on_a (result (ref $k)) (block $on_a2 (result (ref $k)) (block $on_b (result (ref $k))
      (return (resume $c (on $b $on_b) (on $a2 $on_a2) (on $a $on_a) (local.get 0))))
      (drop) (return (i32.const 20)))
      (drop) (return (i32.const 30)))
    (drop) (i32.const 40))
  (func (export "here1") (result i32) (call $here (call $make1)))
  (func (export "here2") (result i32) (call $here (call $make2)))
  ;; A handler of instance two lies between the suspend in one and the handler here.
  (func $through2 (type $f) (call $handle2 (call $make1)))
  (elem declare func $through2)
  (func (export "through") (result i32) (call $here (cont.new $c (ref.func $through2)))))

(assert_return (invoke "own1") (i32.const 10))
(assert_return (invoke "own2") (i32.const 10))
(assert_trap (invoke "crossed12") "unhandled tag")
(assert_trap (invoke "crossed21") "unhandled tag")
(assert_return (invoke "here1") (i32.const 30))
(assert_return (invoke "here2") (i32.const 20))
(assert_return (invoke "through") (i32.const 30))
