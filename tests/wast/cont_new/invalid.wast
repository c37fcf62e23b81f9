;; Semantics, instruction table: `cont.new $ct : [(ref null $ft)] -> [(ref $ct)]`, broken in each way.

;; A reference that may be null, one that is not, and a null of the bottom type.
(module
  (type $f (func (param i32) (result i64))) (type $c (cont $f))
  (func (param (ref null $f)) (result (ref $c)) (cont.new $c (local.get 0)))
  (func (param (ref $f)) (result (ref $c)) (cont.new $c (local.get 0)))
  (func (result (ref $c)) (cont.new $c (ref.null nofunc)))
  (func (result contref) (cont.new $c (unreachable))))
;; A subtype of the function type is as good.
(module
  (type $sup (sub (func (result funcref)))) (type $sub (sub $sup (func (result (ref func)))))
  (type $c (cont $sup))
  (func (param (ref $sub)) (result (ref $c)) (cont.new $c (local.get 0))))

;; The operand.
(assert_invalid
  (module (type $f (func (param i32) (result i64))) (type $c (cont $f)) (func (cont.new $c) (drop)))
  "type mismatch")
(assert_invalid
  (module (type $f (func (param i32) (result i64))) (type $c (cont $f))
    (func (cont.new $c (i32.const 0)) (drop)))
  "type mismatch")
(assert_invalid
  (module (type $f (func (param i32) (result i64))) (type $c (cont $f))
    (func (param funcref) (drop (cont.new $c (local.get 0)))))
  "type mismatch")
(assert_invalid
  (module (type $f (func (param i32) (result i64))) (type $c (cont $f))
    (func (param (ref func)) (drop (cont.new $c (local.get 0)))))
  "type mismatch")
(assert_invalid
  (module (type $f (func (param i32) (result i64))) (type $c (cont $f))
    (func (param (ref $c)) (drop (cont.new $c (local.get 0)))))
  "type mismatch")
(assert_invalid
  (module (type $f (func (param i32) (result i64))) (type $c (cont $f)) (type $g (func))
    (func (param (ref $g)) (drop (cont.new $c (local.get 0)))))
  "type mismatch")
;; A supertype of the function type is not enough.
(assert_invalid
  (module (type $sup (sub (func (result funcref)))) (type $sub (sub $sup (func (result (ref func)))))
    (type $c (cont $sub)) (func (param (ref $sup)) (drop (cont.new $c (local.get 0)))))
  "type mismatch")
;; The type.
(assert_invalid
  (module (type $f (func (param i32) (result i64))) (type $c (cont $f))
    (func (param (ref $f)) (drop (cont.new $f (local.get 0)))))
  "non-continuation type")
(assert_invalid (module (type $s (struct)) (func (unreachable) (cont.new $s) (drop))) "non-continuation type")
(assert_invalid
  (module (type $f (func (param i32) (result i64))) (type $c (cont $f))
    (func (param (ref $f)) (drop (cont.new 7 (local.get 0)))))
  "unknown type")
;; The result.
(assert_invalid
  (module (type $f (func (param i32) (result i64))) (type $c (cont $f))
    (func (param (ref $f)) (result (ref $f)) (cont.new $c (local.get 0))))
  "type mismatch")
(assert_invalid
  (module (type $f (func (param i32) (result i64))) (type $c (cont $f)) (type $g (func))
    (type $d (cont $g)) (func (param (ref $f)) (result (ref $d)) (cont.new $c (local.get 0))))
  "type mismatch")
(assert_invalid
  (module (type $f (func (param i32) (result i64))) (type $c (cont $f))
    (func (param (ref $f)) (cont.new $c (local.get 0))))
  "type mismatch")
;; A function must be declared before it is taken as a reference.
(assert_invalid
  (module (type $f (func)) (type $c (cont $f)) (func $x) (func (drop (cont.new $c (ref.func $x)))))
  "undeclared function reference")
