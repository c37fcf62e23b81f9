;; Semantics, instruction table: the type of `resume_throw_ref`, as far as it stretches.

(module
  (type $f (func (param i32) (result i64 (ref func)))) (type $c (cont $f))
  (func (param exnref (ref null $c)) (result i64 funcref) (resume_throw_ref $c (local.get 0) (local.get 1)))
  (func (param (ref exn) (ref $c)) (result i64 funcref) (resume_throw_ref $c (local.get 0) (local.get 1)))
  (func (result i64 funcref) (resume_throw_ref $c (ref.null noexn) (ref.null nocont)))
  (func (result i64 funcref) (unreachable) (resume_throw_ref $c)))
;; Clauses: the continuation may be nullable and of a supertype, the parameters may be supertypes; duplicates.
(module
  (type $f (func (result (ref func)))) (type $c (cont $f)) (type $fa (func (param i64) (result funcref)))
  (type $ca (cont $fa)) (tag $t (param (ref func)) (result i64)) (tag $s (result (ref func)))
  (func (result funcref)
    (block $l (result funcref (ref null $ca))
      (unreachable)
      (resume_throw_ref $c (on $t $l) (on $s switch) (on $t $l) (on $s switch))
      (return))
    (unreachable)))
;; A clause may branch out of the function, and to a loop.
(module
  (type $f (func (result i32))) (type $c (cont $f)) (tag $t) (tag $u)
  (func (result (ref $c)) (unreachable) (resume_throw_ref $c (on $t 0)) (drop) (unreachable))
  (func (param (ref $c)) (result i32)
    (local.get 0)
    (loop $l (param (ref $c)) (result i32) (drop) (unreachable) (resume_throw_ref $c (on $t $l)))))
