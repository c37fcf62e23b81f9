;; Semantics, rule 15: continuation references in globals: immutable and mutable, imported and exported, of a
;; defined type and of the top and bottom types, initialised by null or by another global.

(module $lib
  (type $f (func (param i32) (result i32))) (type $c (cont $f))
  (tag $t (export "t") (param i32) (result i32))
  (func $asks (type $f) (i32.add (local.get 0) (suspend $t (local.get 0))))
  (elem declare func $asks)
  (global $mut (export "mut") (mut (ref null $c)) (ref.null $c))
  (global (export "const") (ref null $c) (ref.null nocont))
  (global (export "top") (mut contref) (ref.null cont))
  (global (export "bottom") nullcontref (ref.null nocont))
  (func (export "fill") (global.set $mut (cont.new $c (ref.func $asks))))
  (func (export "null") (result i32) (ref.is_null (global.get $mut))))
(register "lib" $lib)

(module
  (type $pad (func)) (type $padc (cont $pad))
  (type $f (func (param i32) (result i32))) (type $c (cont $f))
  (import "lib" "t" (tag $t (param i32) (result i32)))
  (import "lib" "mut" (global $mut (mut (ref null $c))))
  (import "lib" "const" (global $const (ref null $c)))
  (import "lib" "top" (global $top (mut contref)))
  (import "lib" "bottom" (global $bottom nullcontref))
  (import "lib" "fill" (func $fill))
  ;; A subtype where the import says so.
  (import "lib" "const" (global $wider contref))
  (import "lib" "bottom" (global $wider-still (ref null $c)))
  (global $copy (ref null $c) (global.get $const))
  (global $copied (mut contref) (global.get $bottom))

  (func (export "nulls") (result i32)
    (i32.add (ref.is_null (global.get $const)) (i32.add (ref.is_null (global.get $top))
      (i32.add (ref.is_null (global.get $bottom)) (i32.add (ref.is_null (global.get $wider))
        (i32.add (ref.is_null (global.get $wider-still)) (i32.add (ref.is_null (global.get $copy))
          (ref.is_null (global.get $copied)))))))))
  ;; Filled there, suspended here, and kept by the global in between.
  (func (export "start") (result i32)
    (call $fill)
    (block $on (result i32 (ref $c))
      (return (resume $c (on $t $on) (i32.const 7) (global.get $mut))))
    (global.set $mut)
    (global.set $top (global.get $mut)))
  (func (export "finish") (result i32) (resume $c (i32.const 30) (global.get $mut)))
  (func (export "top-null") (result i32) (ref.is_null (global.get $top)))
  (func (export "clear") (global.set $mut (ref.null nocont)))
  (func (export "trap") (result i32) (resume $c (i32.const 1) (global.get $const))))

(assert_return (invoke "nulls") (i32.const 7))
(assert_return (invoke "start") (i32.const 7))
(assert_return (invoke "top-null") (i32.const 0))
(assert_return (invoke "finish") (i32.const 37))
(assert_trap (invoke "finish") "continuation already consumed")
;; The reference that was consumed is still not null.
(assert_return (invoke $lib "null") (i32.const 0))
(assert_return (invoke "clear"))
(assert_return (invoke $lib "null") (i32.const 1))
(assert_trap (invoke "finish") "null reference")
(assert_trap (invoke "trap") "null reference")

;; Types of imports are checked.
(assert_unlinkable
  (module (type $f (func)) (type $c (cont $f)) (import "lib" "mut" (global (mut (ref null $c)))))
  "incompatible import type")
(assert_unlinkable (module (import "lib" "mut" (global (mut contref)))) "incompatible import type")
(assert_unlinkable (module (import "lib" "const" (global nullcontref))) "incompatible import type")
(assert_unlinkable (module (import "lib" "const" (global (mut contref)))) "incompatible import type")
(assert_unlinkable (module (import "lib" "top" (global (mut anyref)))) "incompatible import type")
;; No constant expression makes a continuation, and a global that is not nullable needs one.
(assert_invalid
  (module (type $f (func)) (type $c (cont $f)) (func $g) (elem declare func $g)
    (global (ref $c) (cont.new $c (ref.func $g))))
  "constant expression required")
(assert_invalid
  (module (type $f (func)) (type $c (cont $f)) (global (ref $c) (ref.null $c)))
  "type mismatch")
(assert_invalid (module (global contref (ref.null any))) "type mismatch")
