;; Semantics, instruction table: `switch $ct1 $t : [t1* (ref null $ct1)] -> [t2*]` for `$t : [] -> [t*]`, where
;; `$ct1` takes t1* and a continuation `$ct2`, and `$ct2` takes t2*; broken in each way.

(module
  (type $f2 (func (param i64 f64) (result f32))) (type $c2 (cont $f2))
  (type $f1 (func (param i32 (ref null $c2)) (result f32))) (type $c1 (cont $f1))
  (type $g1 (func (param i32 (ref $c2)) (result f32))) (type $d1 (cont $g1))
  (tag $t (result f32))
  ;; The parameter for the captured continuation may be nullable or not.
  (func (param (ref null $c1)) (result i64 f64) (switch $c1 $t (i32.const 1) (local.get 0)))
  (func (param (ref null $d1)) (result i64 f64) (switch $d1 $t (i32.const 1) (local.get 0)))
  (func (result i64 f64) (switch $c1 $t (i32.const 1) (ref.null nocont)))
  (func (result i64 f64) (unreachable) (switch $c1 $t)))
;; No values but the continuation; results up to subtyping.
(module
  (type $f2 (func (result funcref))) (type $c2 (cont $f2))
  (type $f1 (func (param (ref null $c2)) (result (ref func)))) (type $c1 (cont $f1))
  (tag $t (result (ref func))) (tag $u (result funcref))
  (func (param (ref $c1)) (switch $c1 $t (local.get 0))))

;; The operands.
(assert_invalid
  (module (rec (type $f (func (param i32 (ref null $c)) (result f32))) (type $c (cont $f)))
    (tag $t (result f32)) (func (param (ref $c)) (switch $c $t (local.get 0)) (unreachable)))
  "type mismatch")
(assert_invalid
  (module (rec (type $f (func (param i32 (ref null $c)) (result f32))) (type $c (cont $f)))
    (tag $t (result f32))
    (func (param (ref $c)) (switch $c $t (i64.const 1) (local.get 0)) (unreachable)))
  "type mismatch")
(assert_invalid
  (module (rec (type $f (func (param i32 (ref null $c)) (result f32))) (type $c (cont $f)))
    (tag $t (result f32))
    (func (param (ref $c)) (switch $c $t (local.get 0) (i32.const 1)) (unreachable)))
  "type mismatch")
(assert_invalid
  (module (rec (type $f (func (param i32 (ref null $c)) (result f32))) (type $c (cont $f)))
    (tag $t (result f32))
    (func (param (ref $c)) (switch $c $t (local.get 0) (local.get 0)) (unreachable)))
  "type mismatch")
(assert_invalid
  (module (rec (type $f (func (param i32 (ref null $c)) (result f32))) (type $c (cont $f)))
    (tag $t (result f32))
    (func (param contref) (switch $c $t (i32.const 1) (local.get 0)) (unreachable)))
  "type mismatch")
(assert_invalid
  (module (rec (type $f (func (param i32 (ref null $c)) (result f32))) (type $c (cont $f)))
    (tag $t (result f32))
    (func (param (ref $f)) (switch $c $t (i32.const 1) (local.get 0)) (unreachable)))
  "type mismatch")
;; The results are the parameters of the second continuation.
(assert_invalid
  (module (rec (type $f (func (param i32 (ref null $c)) (result f32))) (type $c (cont $f)))
    (tag $t (result f32)) (func (param (ref $c)) (switch $c $t (i32.const 1) (local.get 0))))
  "type mismatch")
(assert_invalid
  (module (rec (type $f (func (param i32 (ref null $c)) (result f32))) (type $c (cont $f)))
    (tag $t (result f32))
    (func (param (ref $c)) (result (ref null $c) i32) (switch $c $t (i32.const 1) (local.get 0))))
  "type mismatch")
(assert_invalid
  (module (rec (type $f (func (param i32 (ref null $c)) (result f32))) (type $c (cont $f)))
    (tag $t (result f32))
    (func (param (ref $c)) (result i32) (switch $c $t (i32.const 1) (local.get 0))))
  "type mismatch")
(assert_invalid
  (module (rec (type $f (func (param i32 (ref null $c)) (result f32))) (type $c (cont $f)))
    (tag $t (result f32))
    (func (param (ref $c)) (result f32) (switch $c $t (i32.const 1) (local.get 0))))
  "type mismatch")
;; The tag has no parameters, and the results of both continuations.
(assert_invalid
  (module (rec (type $f (func (param i32 (ref null $c)) (result f32))) (type $c (cont $f)))
    (tag $t (result f32)) (tag $s (param i32) (result f32))
    (func (unreachable) (switch $c $s) (unreachable)))
  "non-empty tag parameter type")
(assert_invalid
  (module (rec (type $f (func (param i32 (ref null $c)) (result f32))) (type $c (cont $f)))
    (tag $t (result f32)) (tag $s (result f64)) (func (unreachable) (switch $c $s) (unreachable)))
  "continuation types")
(assert_invalid
  (module (rec (type $f (func (param i32 (ref null $c)) (result f32))) (type $c (cont $f)))
    (tag $t (result f32)) (tag $s) (func (unreachable) (switch $c $s) (unreachable)))
  "continuation types")
(assert_invalid
  (module (type $f2 (func (result f64))) (type $c2 (cont $f2))
    (type $f1 (func (param (ref $c2)) (result f32))) (type $c1 (cont $f1)) (tag $t (result f32))
    (func (unreachable) (switch $c1 $t) (unreachable)))
  "continuation types")
(assert_invalid
  (module (type $f2 (func (result f32))) (type $c2 (cont $f2))
    (type $f1 (func (param (ref $c2)) (result f64))) (type $c1 (cont $f1)) (tag $t (result f32))
    (func (unreachable) (switch $c1 $t) (unreachable)))
  "continuation types")
;; The last parameter of the target is a continuation of a defined type.
(assert_invalid
  (module (type $f (func)) (type $c (cont $f)) (tag $t) (func (unreachable) (switch $c $t)))
  "type mismatch")
(assert_invalid
  (module (type $f (func (param i32))) (type $c (cont $f)) (tag $t) (func (unreachable) (switch $c $t)))
  "type mismatch")
(assert_invalid
  (module (type $f (func (param contref))) (type $c (cont $f)) (tag $t)
    (func (unreachable) (switch $c $t)))
  "type mismatch")
(assert_invalid
  (module (type $g (func)) (type $f (func (param (ref $g)))) (type $c (cont $f)) (tag $t)
    (func (unreachable) (switch $c $t)))
  "non-continuation type")
(assert_invalid
  (module (type $g (func)) (type $d (cont $g)) (type $f (func (param (ref $d) i32))) (type $c (cont $f))
    (tag $t) (func (unreachable) (switch $c $t)))
  "type mismatch")
;; The indices.
(assert_invalid
  (module (rec (type $f (func (param i32 (ref null $c)) (result f32))) (type $c (cont $f)))
    (tag $t (result f32)) (func (unreachable) (switch $f $t) (unreachable)))
  "non-continuation type")
(assert_invalid
  (module (rec (type $f (func (param i32 (ref null $c)) (result f32))) (type $c (cont $f)))
    (tag $t (result f32)) (func (unreachable) (switch 9 $t) (unreachable)))
  "unknown type")
(assert_invalid
  (module (rec (type $f (func (param i32 (ref null $c)) (result f32))) (type $c (cont $f)))
    (tag $t (result f32)) (func (unreachable) (switch $c 9) (unreachable)))
  "unknown tag")
