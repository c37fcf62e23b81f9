;; Semantics, types: `cont` and `nocont` are the top and the bottom of a hierarchy of their own, disjoint from
;; `any`, `func`, `extern` and `exn`.

(module
  (type $ft (func)) (type $ct (cont $ft))
  (type $gt (func (param i32))) (type $dt (cont $gt))
  (func (param (ref $ct)) (result (ref null $ct)) (local.get 0))
  (func (param (ref $ct)) (result (ref cont)) (local.get 0))
  (func (param (ref $ct)) (result contref) (local.get 0))
  (func (param (ref null $dt)) (result contref) (local.get 0))
  (func (param (ref nocont)) (result (ref $ct)) (local.get 0))
  (func (param (ref nocont)) (result (ref cont)) (local.get 0))
  (func (param nullcontref) (result (ref null $ct)) (local.get 0))
  (func (param nullcontref) (result (ref null $dt)) (local.get 0))
  (func (param nullcontref) (result contref) (local.get 0))
  (func (result (ref null $ct)) (ref.null nocont))
  (func (result contref) (ref.null $ct))
  (func (result contref) (ref.null cont)))

;; Not upwards, not sideways.
(assert_invalid (module (type $f (func)) (type $c (cont $f))
  (func (param contref) (result (ref null $c)) (local.get 0))) "type mismatch")
(assert_invalid (module (type $f (func)) (type $c (cont $f))
  (func (param (ref null $c)) (result (ref $c)) (local.get 0))) "type mismatch")
(assert_invalid (module (type $f (func)) (type $c (cont $f))
  (func (param (ref null $c)) (result nullcontref) (local.get 0))) "type mismatch")
(assert_invalid (module (func (param contref) (result (ref cont)) (local.get 0))) "type mismatch")
(assert_invalid (module (func (param contref) (result nullcontref) (local.get 0))) "type mismatch")
(assert_invalid (module
  (type $f (func)) (type $c (cont $f)) (type $g (func (param i32))) (type $d (cont $g))
  (func (param (ref $c)) (result (ref $d)) (local.get 0))) "type mismatch")
;; Undeclared subtyping of the functions does not make subtypes of the continuations.
(assert_invalid (module
  (type $f (func (result funcref))) (type $c (cont $f))
  (type $g (func (result (ref func)))) (type $d (cont $g))
  (func (param (ref $d)) (result (ref $c)) (local.get 0))) "type mismatch")
;; A continuation is not its function.
(assert_invalid (module (type $f (func)) (type $c (cont $f))
  (func (param (ref $c)) (result (ref $f)) (local.get 0))) "type mismatch")
(assert_invalid (module (type $f (func)) (type $c (cont $f))
  (func (param (ref $f)) (result (ref $c)) (local.get 0))) "type mismatch")

;; Disjoint from the other hierarchies, at the top and at the bottom.
(assert_invalid (module (func (param contref) (result anyref) (local.get 0))) "type mismatch")
(assert_invalid (module (func (param contref) (result eqref) (local.get 0))) "type mismatch")
(assert_invalid (module (func (param contref) (result funcref) (local.get 0))) "type mismatch")
(assert_invalid (module (func (param contref) (result externref) (local.get 0))) "type mismatch")
(assert_invalid (module (func (param contref) (result exnref) (local.get 0))) "type mismatch")
(assert_invalid (module (func (param anyref) (result contref) (local.get 0))) "type mismatch")
(assert_invalid (module (func (param funcref) (result contref) (local.get 0))) "type mismatch")
(assert_invalid (module (func (param externref) (result contref) (local.get 0))) "type mismatch")
(assert_invalid (module (func (param exnref) (result contref) (local.get 0))) "type mismatch")
(assert_invalid (module (func (param nullcontref) (result anyref) (local.get 0))) "type mismatch")
(assert_invalid (module (func (param nullcontref) (result funcref) (local.get 0))) "type mismatch")
(assert_invalid (module (func (param nullcontref) (result externref) (local.get 0))) "type mismatch")
(assert_invalid (module (func (param nullcontref) (result exnref) (local.get 0))) "type mismatch")
(assert_invalid (module (func (param nullref) (result contref) (local.get 0))) "type mismatch")
(assert_invalid (module (func (param nullfuncref) (result contref) (local.get 0))) "type mismatch")
(assert_invalid (module (func (param nullexternref) (result contref) (local.get 0))) "type mismatch")
(assert_invalid (module (func (param nullexnref) (result contref) (local.get 0))) "type mismatch")
(assert_invalid (module (func (param i32) (result contref) (local.get 0))) "type mismatch")
;; No conversion leads there, and continuations have no identity to compare.
(assert_invalid (module (func (param contref) (result externref) (extern.convert_any (local.get 0))))
  "type mismatch")
(assert_invalid (module (func (param contref contref) (result i32) (ref.eq (local.get 0) (local.get 1))))
  "type mismatch")
(assert_invalid (module (type $f (func)) (type $c (cont $f))
  (func (param (ref $c)) (call_ref $f (local.get 0)))) "type mismatch")
;; A local that is not nullable has no default.
(assert_invalid (module (type $f (func)) (type $c (cont $f))
  (func (local (ref $c)) (drop (local.get 0)))) "uninitialized local")
(assert_invalid (module (table 1 (ref cont))) "type mismatch")
