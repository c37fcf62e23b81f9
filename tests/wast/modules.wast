;; Tags are compared by identity across modules and instances; continuations go between them.

(module $tags
  (tag (export "a") (result i32))
  (tag (export "b") (result i32)))
(register "tags" $tags)

(module $gen
  (type $ft (func (result i32)))
  (type $ct (cont $ft))
  (import "tags" "a" (tag $mine (result i32)))
  (import "tags" "b" (tag $theirs (result i32)))
  (tag $local (result i32))
  (func $use_a (type $ft) (suspend $mine))
  (func $use_b (type $ft) (suspend $theirs))
  (func $use_local (type $ft) (suspend $local))
  (elem declare func $use_a $use_b $use_local)
  (func (export "make-a") (result (ref $ct)) (cont.new $ct (ref.func $use_a)))
  (func (export "make-b") (result (ref $ct)) (cont.new $ct (ref.func $use_b)))
  (func (export "make-local") (result (ref $ct)) (cont.new $ct (ref.func $use_local))))
(register "gen" $gen)

(module
  ;; Other types first, so that indices differ between the modules.
  (type $other (func (param f64 f64)))
  (type $other_ct (cont $other))
  (type $ft (func (result i32)))
  (type $ct (cont $ft))
  (type $af (func (param i32) (result i32)))
  (type $ac (cont $af))
  (import "tags" "b" (tag $x (result i32)))
  (import "tags" "a" (tag $y (result i32)))
  (import "gen" "make-a" (func $make_a (result (ref $ct))))
  (import "gen" "make-b" (func $make_b (result (ref $ct))))
  (import "gen" "make-local" (func $make_local (result (ref $ct))))
  (tag $same_type (result i32))

  (func $run (param $c (ref $ct)) (result i32)
    (block $on_same (result (ref $ac))
      (block $on_x (result (ref $ac))
        (block $on_y (result (ref $ac))
          (return (resume $ct (on $same_type $on_same) (on $x $on_x) (on $y $on_y) (local.get $c))))
        (drop) (return (i32.const 100)))
      (drop) (return (i32.const 200)))
    (drop) (i32.const 300))
  (func (export "a") (result i32) (call $run (call $make_a)))
  (func (export "b") (result i32) (call $run (call $make_b)))
  (func (export "local") (result i32) (call $run (call $make_local))))

(assert_return (invoke "a") (i32.const 100))
(assert_return (invoke "b") (i32.const 200))
(assert_trap (invoke "local") "unhandled tag")
