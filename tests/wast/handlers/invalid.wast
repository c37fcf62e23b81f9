;; Semantics, instructions: the label of `(on $t $label)` receives the tag's params, then the captured
;; continuation; `(on $t switch)` takes a tag without params, whose results are the continuation's. Rule 3:
;; duplicate tags are valid.

;; Clauses: the continuation may be nullable and of a supertype, the parameters may be supertypes; duplicates.
(module
  (type $f (func (result (ref func)))) (type $c (cont $f)) (type $fa (func (param i64) (result funcref)))
  (type $ca (cont $fa)) (tag $t (param (ref func)) (result i64)) (tag $s (result (ref func)))
  (func (result funcref)
    (block $l (result funcref (ref null $ca))
      (unreachable)
      (resume $c (on $t $l) (on $s switch) (on $t $l) (on $s switch))
      (return))
    (unreachable)))
;; A clause may branch out of the function, and to a loop.
(module
  (type $f (func (result i32))) (type $c (cont $f)) (tag $t) (tag $u)
  (func (result (ref $c)) (unreachable) (resume $c (on $t 0)) (drop) (unreachable))
  (func (param (ref $c)) (result i32)
    (local.get 0)
    (loop $l (param (ref $c)) (result i32) (drop) (unreachable) (resume $c (on $t $l)))))

;; The label of `(on $t $label)`: the parameters of the tag, then the continuation.
(assert_invalid
  (module (type $f (func (result f32))) (type $c (cont $f)) (type $fa (func (param i64) (result f32)))
    (type $ca (cont $fa)) (tag $t (param i32) (result i64))
    (func (result f32) (block $l (result (ref $ca))
      (unreachable) (resume $c (on $t $l)) (return)) (unreachable)))
  "tag type and label type")
(assert_invalid
  (module (type $f (func (result f32))) (type $c (cont $f)) (type $fa (func (param i64) (result f32)))
    (type $ca (cont $fa)) (tag $t (param i32) (result i64))
    (func (result f32) (block $l (result i32) (unreachable) (resume $c (on $t $l)) (return)) (unreachable)))
  "type mismatch")
(assert_invalid
  (module (type $f (func (result f32))) (type $c (cont $f)) (type $fa (func (param i64) (result f32)))
    (type $ca (cont $fa)) (tag $t (param i32) (result i64))
    (func (result f32) (block $l (unreachable) (resume $c (on $t $l)) (return)) (unreachable)))
  "type mismatch")
(assert_invalid
  (module (type $f (func (result f32))) (type $c (cont $f)) (type $fa (func (param i64) (result f32)))
    (type $ca (cont $fa)) (tag $t (param i32) (result i64))
    (func (result f32) (block $l (result (ref $ca) i32)
      (unreachable) (resume $c (on $t $l)) (return)) (unreachable)))
  "type mismatch")
(assert_invalid
  (module (type $f (func (result f32))) (type $c (cont $f)) (type $fa (func (param i64) (result f32)))
    (type $ca (cont $fa)) (tag $t (param i32) (result i64))
    (func (result f32) (block $l (result i64 (ref $ca))
      (unreachable) (resume $c (on $t $l)) (return)) (unreachable)))
  "tag type and label type")
(assert_invalid
  (module (type $f (func (result f32))) (type $c (cont $f)) (type $fa (func (param i64) (result f32)))
    (type $ca (cont $fa)) (tag $t (param i32) (result i64))
    (func (result f32) (block $l (result i32 i32 (ref $ca))
      (unreachable) (resume $c (on $t $l)) (return)) (unreachable)))
  "tag type and label type")
(assert_invalid
  (module (type $f (func (result f32))) (type $c (cont $f)) (type $fa (func (param i64) (result f32)))
    (type $ca (cont $fa)) (tag $t (param i32) (result i64))
    (func (result f32) (block $l (result i32 contref)
      (unreachable) (resume $c (on $t $l)) (return)) (unreachable)))
  "type mismatch")
(assert_invalid
  (module (type $f (func (result f32))) (type $c (cont $f)) (type $fa (func (param i64) (result f32)))
    (type $ca (cont $fa)) (tag $t (param i32) (result i64))
    (func (result f32) (block $l (result i32 (ref $f))
      (unreachable) (resume $c (on $t $l)) (return)) (unreachable)))
  "non-continuation type")
;; The continuation: it takes the results of the tag and has the results of the resumed one.
(assert_invalid
  (module (type $f (func (result f32))) (type $c (cont $f)) (type $fa (func (param i64) (result f32)))
    (type $ca (cont $fa)) (tag $t (param i32) (result i64))
    (func (result f32) (block $l (result i32 (ref $c))
      (unreachable) (resume $c (on $t $l)) (return)) (unreachable)))
  "continuation type")
(assert_invalid
  (module (type $f (func (result f32))) (type $c (cont $f)) (type $fa (func (param i64) (result f32)))
    (type $ca (cont $fa)) (tag $t (param i32) (result i64)) (type $fb (func (param i32) (result f32)))
    (type $cb (cont $fb))
    (func (result f32) (block $l (result i32 (ref $cb))
      (unreachable) (resume $c (on $t $l)) (return)) (unreachable)))
  "continuation type")
(assert_invalid
  (module (type $f (func (result f32))) (type $c (cont $f)) (type $fa (func (param i64) (result f32)))
    (type $ca (cont $fa)) (tag $t (param i32) (result i64))
    (type $fb (func (param i64 i64) (result f32))) (type $cb (cont $fb))
    (func (result f32) (block $l (result i32 (ref $cb))
      (unreachable) (resume $c (on $t $l)) (return)) (unreachable)))
  "continuation type")
(assert_invalid
  (module (type $f (func (result f32))) (type $c (cont $f)) (type $fa (func (param i64) (result f32)))
    (type $ca (cont $fa)) (tag $t (param i32) (result i64)) (type $fb (func (param i64) (result f64)))
    (type $cb (cont $fb))
    (func (result f32) (block $l (result i32 (ref $cb))
      (unreachable) (resume $c (on $t $l)) (return)) (unreachable)))
  "continuation type")
(assert_invalid
  (module (type $f (func (result f32))) (type $c (cont $f)) (type $fa (func (param i64) (result f32)))
    (type $ca (cont $fa)) (tag $t (param i32) (result i64)) (type $fb (func (param i64)))
    (type $cb (cont $fb))
    (func (result f32) (block $l (result i32 (ref $cb))
      (unreachable) (resume $c (on $t $l)) (return)) (unreachable)))
  "continuation type")
;; Tags and labels out of range.
(assert_invalid
  (module (type $f (func (result f32))) (type $c (cont $f)) (type $fa (func (param i64) (result f32)))
    (type $ca (cont $fa)) (tag $t (param i32) (result i64))
    (func (result f32) (block $l (result i32 (ref $ca))
      (unreachable) (resume $c (on 7 $l)) (return)) (unreachable)))
  "unknown tag")
(assert_invalid
  (module (type $f (func (result f32))) (type $c (cont $f)) (type $fa (func (param i64) (result f32)))
    (type $ca (cont $fa)) (tag $t (param i32) (result i64))
    (func (result f32) (block $l (result i32 (ref $ca))
      (unreachable) (resume $c (on $t 7)) (return)) (unreachable)))
  "unknown label")
(assert_invalid
  (module (type $f (func (result f32))) (type $c (cont $f)) (type $fa (func (param i64) (result f32)))
    (type $ca (cont $fa)) (tag $t (param i32) (result i64))
    (func (result f32) (block $l (result i32 (ref $ca))
      (unreachable) (resume $c (on 7 switch)) (return)) (unreachable)))
  "unknown tag")
;; `(on $t switch)`: no parameters, and the results of the continuation.
(assert_invalid
  (module (type $f (func (result f32))) (type $c (cont $f)) (type $fa (func (param i64) (result f32)))
    (type $ca (cont $fa)) (tag $t (param i32) (result i64))
    (func (result f32) (block $l (result i32 (ref $ca))
      (unreachable) (resume $c (on $t switch)) (return)) (unreachable)))
  "switch tag")
(assert_invalid
  (module (type $f (func (result f32))) (type $c (cont $f)) (type $fa (func (param i64) (result f32)))
    (type $ca (cont $fa)) (tag $t (param i32) (result i64)) (tag $s (param i32) (result f32))
    (func (result f32) (block $l (result i32 (ref $ca))
      (unreachable) (resume $c (on $s switch)) (return)) (unreachable)))
  "switch tag")
(assert_invalid
  (module (type $f (func (result f32))) (type $c (cont $f)) (type $fa (func (param i64) (result f32)))
    (type $ca (cont $fa)) (tag $t (param i32) (result i64)) (tag $s (result f64))
    (func (result f32) (block $l (result i32 (ref $ca))
      (unreachable) (resume $c (on $s switch)) (return)) (unreachable)))
  "switch tag")
(assert_invalid
  (module (type $f (func (result f32))) (type $c (cont $f)) (type $fa (func (param i64) (result f32)))
    (type $ca (cont $fa)) (tag $t (param i32) (result i64)) (tag $s (result f32 f32))
    (func (result f32) (block $l (result i32 (ref $ca))
      (unreachable) (resume $c (on $s switch)) (return)) (unreachable)))
  "switch tag")
(assert_invalid
  (module (type $f (func (result f32))) (type $c (cont $f)) (type $fa (func (param i64) (result f32)))
    (type $ca (cont $fa)) (tag $t (param i32) (result i64)) (tag $s)
    (func (result f32) (block $l (result i32 (ref $ca))
      (unreachable) (resume $c (on $s switch)) (return)) (unreachable)))
  "switch tag")
;; One bad clause among good ones.
(assert_invalid
  (module (type $f (func (result f32))) (type $c (cont $f)) (type $fa (func (param i64) (result f32)))
    (type $ca (cont $fa)) (tag $t (param i32) (result i64))
    (func (result f32) (block $l (result i32 (ref $ca))
      (unreachable) (resume $c (on $t $l) (on $t 1) (on $t $l)) (return)) (unreachable)))
  "type mismatch")
