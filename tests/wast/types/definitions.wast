;; Semantics, types: `(cont $ft)` is a composite type over a function type, and stands in recursion groups
;; and subtype declarations like any other.

(module
  (type $ft (func (param i32) (result i64)))
  (type $ct (cont $ft))
  ;; Recursive with its function type, in either order.
  (rec (type $f1 (func (param (ref null $c1)))) (type $c1 (cont $f1)))
  (rec (type $c2 (cont $f2)) (type $f2 (func (result (ref null $c2)))))
  ;; Mutually recursive continuations.
  (rec
    (type $fa (func (param (ref null $cb)))) (type $ca (cont $fa))
    (type $fb (func (param (ref null $ca)))) (type $cb (cont $fb)))
  ;; Declared subtypes follow those of the functions.
  (type $fsup (sub (func (result (ref null func)))))
  (type $fsub (sub $fsup (func (result (ref func)))))
  (type $csup (sub (cont $fsup)))
  (type $csub (sub final $csup (cont $fsub)))
  (func (param (ref $csub)) (result (ref $csup)) (local.get 0))
  (func (param (ref null $csub)) (result (ref null $csup)) (local.get 0))

  (func (export "abbreviations") (result i32)
    (local $a contref) (local $b (ref null cont)) (local $c nullcontref) (local $d (ref null nocont))
    (local.set $a (local.get $b))
    (local.set $b (local.get $a))
    (local.set $c (local.get $d))
    (local.set $d (local.get $c))
    (local.set $a (local.get $c))
    (i32.add (ref.is_null (local.get $a)) (i32.mul (i32.const 10) (ref.is_null (local.get $d))))))

(assert_return (invoke "abbreviations") (i32.const 11))

;; The type of two definitions with the same structure is one type.
(module
  (type $f1 (func (param i32))) (type $c1 (cont $f1))
  (type $f2 (func (param i32))) (type $c2 (cont $f2))
  (func (param (ref $c1)) (result (ref $c2)) (local.get 0))
  (func (param (ref $c2)) (result (ref $c1)) (local.get 0)))

;; Only a function type has continuations.
(assert_invalid (module (type $s (struct)) (type (cont $s))) "non-function type")
(assert_invalid (module (type $a (array i8)) (type (cont $a))) "non-function type")
(assert_invalid (module (type $f (func)) (type $c (cont $f)) (type (cont $c))) "non-function type")
(assert_invalid (module (type (cont 5))) "unknown type")
(assert_invalid (module (rec (type $c (cont $c)))) "non-function type")
;; A later definition is out of sight without a recursion group.
(assert_invalid (module (type (cont 1)) (type (func))) "unknown type")

;; Declared subtypes must follow those of the functions.
(assert_invalid
  (module
    (type $f1 (func)) (type $f2 (func (param i32)))
    (type $c1 (sub (cont $f1))) (type (sub $c1 (cont $f2))))
  "must match super type")
(assert_invalid
  (module
    (type $fsup (sub (func (result (ref null func)))))
    (type $fsub (sub $fsup (func (result (ref func)))))
    (type $csub (sub (cont $fsub))) (type (sub $csub (cont $fsup))))
  "must match super type")
(assert_invalid
  (module (type $f (func)) (type $s (sub (struct))) (type (sub $s (cont $f))))
  "must match super type")
(assert_invalid
  (module (type $f (func)) (type $c (sub (cont $f))) (type (sub $c (func))))
  "must match super type")
;; A continuation type is final unless it says otherwise.
(assert_invalid
  (module (type $f (func)) (type $c (cont $f)) (type (sub $c (cont $f))))
  "sub type cannot have a final super type")
;; It is no type of a function, of a block or of a tag.
(assert_invalid (module (type $f (func)) (type $c (cont $f)) (func (type $c))) "not a function")
(assert_invalid (module (type $f (func)) (type $c (cont $f)) (tag (type $c))) "not a function type")
(assert_invalid (module (type $f (func)) (type $c (cont $f)) (func (block (type $c)))) "expected func type")
(assert_invalid
  (module (type $f (func)) (type $c (cont $f)) (table 1 funcref)
    (func (call_indirect (type $c) (i32.const 0))))
  "expected func type")
