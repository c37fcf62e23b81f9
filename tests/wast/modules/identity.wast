;; Semantics, rule 3: tags are compared by identity across modules and instances, not by type. Rule 15:
;; continuations go between modules, each of which has its own indices for their types.

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

;; A switch between modules whose types have different indices: the target's type counts, in its own module.
(module $lib
  (type $pad0 (func (param f32))) (type $pad1 (func (param f64 f64))) (type $pad2 (func (result f32)))
  (rec (type $f (func (param i64 i32 (ref null $c)) (result i32))) (type $c (cont $f)))
  (import "tags" "b" (tag $unused (result i32)))
  (tag $e (export "e") (result i32))
  (func $answer (type $f)
    ;; Hands back what it got, to whoever switched here.
    (switch $c $e (i64.add (local.get 0) (i64.const 1)) (i32.add (local.get 1) (i32.const 1)) (local.get 2))
    (drop) (drop) (drop)
    (i32.const -1))
  (elem declare func $answer)
  (func (export "make") (result (ref $c)) (cont.new $c (ref.func $answer))))
(register "lib" $lib)
(module
  (rec (type $f (func (param i64 i32 (ref null $c)) (result i32))) (type $c (cont $f)))
  (import "lib" "make" (func $make (result (ref $c))))
  (import "lib" "e" (tag $e (result i32)))
  (type $sf (func (result i32))) (type $s (cont $sf))
  (func $start (type $sf)
    (local $n i32) (local $big i64)
    (switch $c $e (i64.const 0x100000000) (i32.const 40) (call $make))
    (drop) (local.set $n) (local.set $big)
    (i32.add (local.get $n) (i32.wrap_i64 (i64.shr_u (local.get $big) (i64.const 32)))))
  (elem declare func $start)
  (func (export "across") (result i32)
    (resume $s (on $e switch) (cont.new $s (ref.func $start)))))

(assert_return (invoke "across") (i32.const 42))
