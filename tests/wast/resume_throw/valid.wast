;; Semantics, instruction table: the type of `resume_throw`, as far as it stretches.

(module
  (type $f (func (param i32) (result i64 (ref func)))) (type $c (cont $f))
  (tag $e (param i32 f64)) (tag $none) (tag $ref (param funcref))
  (func (param (ref null $c)) (result i64 funcref)
    (resume_throw $c $e (i32.const 1) (f64.const 2) (local.get 0)))
  (func (param (ref null $c)) (result i64 funcref) (resume_throw $c $none (local.get 0)))
  (func (param (ref null $c) (ref func)) (result i64 funcref) (resume_throw $c $ref (local.get 1) (local.get 0)))
  (func (result i64 funcref) (resume_throw $c $none (ref.null nocont)))
  (func (result i64 funcref) (unreachable) (resume_throw $c $e)))
;; Clauses: the continuation may be nullable and of a supertype, the parameters may be supertypes; duplicates.
(module
  (type $f (func (result (ref func)))) (type $c (cont $f)) (type $fa (func (param i64) (result funcref)))
  (type $ca (cont $fa)) (tag $t (param (ref func)) (result i64)) (tag $s (result (ref func))) (tag $e)
  (func (result funcref)
    (block $l (result funcref (ref null $ca))
      (unreachable)
      (resume_throw $c $e (on $t $l) (on $s switch) (on $t $l) (on $s switch))
      (return))
    (unreachable)))
;; A clause may branch out of the function, and to a loop.
(module
  (type $f (func (result i32))) (type $c (cont $f)) (tag $t) (tag $u) (tag $e)
  (func (result (ref $c)) (unreachable) (resume_throw $c $e (on $t 0)) (drop) (unreachable))
  (func (param (ref $c)) (result i32)
    (local.get 0)
    (loop $l (param (ref $c)) (result i32) (drop) (unreachable) (resume_throw $c $e (on $t $l)))))
