;; Semantics, instruction table: `resume_throw $ct $e hdl* : [te* (ref null $ct)] -> [t2*]` for
;; `$e : [te*] -> []`, broken in each way, clauses included.

;; The operands are those of the tag, not those of the continuation.
(assert_invalid
  (module (type $f (func (param i32 f64) (result i64 f32))) (type $c (cont $f)) (tag $e (param i32 f64))
    (tag $x)
    (func (param (ref $c)) (result i64 f32) (resume_throw $c $x (i32.const 1) (f64.const 2) (local.get 0))))
  "type mismatch")
(assert_invalid
  (module (type $f (func (param i32 f64) (result i64 f32))) (type $c (cont $f)) (tag $e (param i32 f64))
    (func (param (ref $c)) (result i64 f32) (resume_throw $c $e (local.get 0))))
  "type mismatch")
(assert_invalid
  (module (type $f (func (param i32 f64) (result i64 f32))) (type $c (cont $f)) (tag $e (param i32 f64))
    (func (param (ref $c)) (result i64 f32) (resume_throw $c $e (f64.const 2) (local.get 0))))
  "type mismatch")
(assert_invalid
  (module (type $f (func (param i32 f64) (result i64 f32))) (type $c (cont $f)) (tag $e (param i32 f64))
    (func (param (ref $c)) (result i64 f32) (resume_throw $c $e (f64.const 2) (i32.const 1) (local.get 0))))
  "type mismatch")
(assert_invalid
  (module (type $f (func (param i32 f64) (result i64 f32))) (type $c (cont $f)) (tag $e (param i32 f64))
    (func (param (ref $c)) (result i64 f32) (resume_throw $c $e (local.get 0) (i32.const 1) (f64.const 2))))
  "type mismatch")
(assert_invalid
  (module (type $f (func (param i32 f64) (result i64 f32))) (type $c (cont $f)) (tag $e (param i32 f64))
    (func (param contref) (result i64 f32) (resume_throw $c $e (i32.const 1) (f64.const 2) (local.get 0))))
  "type mismatch")
(assert_invalid
  (module (type $f (func (param i32 f64) (result i64 f32))) (type $c (cont $f)) (tag $e (param i32 f64))
    (func (param (ref $f)) (result i64 f32) (resume_throw $c $e (i32.const 1) (f64.const 2) (local.get 0))))
  "type mismatch")
;; The results.
(assert_invalid
  (module (type $f (func (param i32 f64) (result i64 f32))) (type $c (cont $f)) (tag $e (param i32 f64))
    (func (param (ref $c)) (resume_throw $c $e (i32.const 1) (f64.const 2) (local.get 0))))
  "type mismatch")
(assert_invalid
  (module (type $f (func (param i32 f64) (result i64 f32))) (type $c (cont $f)) (tag $e (param i32 f64))
    (func (param (ref $c)) (result f32 i64) (resume_throw $c $e (i32.const 1) (f64.const 2) (local.get 0))))
  "type mismatch")
;; The tag of an exception has no results.
(assert_invalid
  (module (type $f (func (param i32 f64) (result i64 f32))) (type $c (cont $f)) (tag $e (result i32))
    (func (unreachable) (resume_throw $c $e) (unreachable)))
  "non-empty tag result type")
(assert_invalid
  (module (type $f (func (param i32 f64) (result i64 f32))) (type $c (cont $f))
    (tag $e (param i32) (result i32)) (func (unreachable) (resume_throw $c $e) (unreachable)))
  "non-empty tag result type")
;; The indices.
(assert_invalid
  (module (type $f (func (param i32 f64) (result i64 f32))) (type $c (cont $f)) (tag $e (param i32 f64))
    (func (unreachable) (resume_throw $f $e) (unreachable)))
  "non-continuation type")
(assert_invalid
  (module (type $f (func (param i32 f64) (result i64 f32))) (type $c (cont $f)) (tag $e (param i32 f64))
    (func (unreachable) (resume_throw 8 $e) (unreachable)))
  "unknown type")
(assert_invalid
  (module (type $f (func (param i32 f64) (result i64 f32))) (type $c (cont $f)) (tag $e (param i32 f64))
    (func (unreachable) (resume_throw $c 8) (unreachable)))
  "unknown tag")
;; The label of `(on $t $label)`: the parameters of the tag, then the continuation.
(assert_invalid
  (module (type $f (func (result f32))) (type $c (cont $f)) (type $fa (func (param i64) (result f32)))
    (type $ca (cont $fa)) (tag $t (param i32) (result i64)) (tag $e)
    (func (result f32) (block $l (result (ref $ca))
      (unreachable) (resume_throw $c $e (on $t $l)) (return)) (unreachable)))
  "tag type and label type")
(assert_invalid
  (module (type $f (func (result f32))) (type $c (cont $f)) (type $fa (func (param i64) (result f32)))
    (type $ca (cont $fa)) (tag $t (param i32) (result i64)) (tag $e)
    (func (result f32) (block $l (result i32)
      (unreachable) (resume_throw $c $e (on $t $l)) (return)) (unreachable)))
  "type mismatch")
(assert_invalid
  (module (type $f (func (result f32))) (type $c (cont $f)) (type $fa (func (param i64) (result f32)))
    (type $ca (cont $fa)) (tag $t (param i32) (result i64)) (tag $e)
    (func (result f32) (block $l (unreachable) (resume_throw $c $e (on $t $l)) (return)) (unreachable)))
  "type mismatch")
(assert_invalid
  (module (type $f (func (result f32))) (type $c (cont $f)) (type $fa (func (param i64) (result f32)))
    (type $ca (cont $fa)) (tag $t (param i32) (result i64)) (tag $e)
    (func (result f32) (block $l (result (ref $ca) i32)
      (unreachable) (resume_throw $c $e (on $t $l)) (return)) (unreachable)))
  "type mismatch")
(assert_invalid
  (module (type $f (func (result f32))) (type $c (cont $f)) (type $fa (func (param i64) (result f32)))
    (type $ca (cont $fa)) (tag $t (param i32) (result i64)) (tag $e)
    (func (result f32) (block $l (result i64 (ref $ca))
      (unreachable) (resume_throw $c $e (on $t $l)) (return)) (unreachable)))
  "tag type and label type")
(assert_invalid
  (module (type $f (func (result f32))) (type $c (cont $f)) (type $fa (func (param i64) (result f32)))
    (type $ca (cont $fa)) (tag $t (param i32) (result i64)) (tag $e)
    (func (result f32) (block $l (result i32 i32 (ref $ca))
      (unreachable) (resume_throw $c $e (on $t $l)) (return)) (unreachable)))
  "tag type and label type")
(assert_invalid
  (module (type $f (func (result f32))) (type $c (cont $f)) (type $fa (func (param i64) (result f32)))
    (type $ca (cont $fa)) (tag $t (param i32) (result i64)) (tag $e)
    (func (result f32) (block $l (result i32 contref)
      (unreachable) (resume_throw $c $e (on $t $l)) (return)) (unreachable)))
  "type mismatch")
(assert_invalid
  (module (type $f (func (result f32))) (type $c (cont $f)) (type $fa (func (param i64) (result f32)))
    (type $ca (cont $fa)) (tag $t (param i32) (result i64)) (tag $e)
    (func (result f32) (block $l (result i32 (ref $f))
      (unreachable) (resume_throw $c $e (on $t $l)) (return)) (unreachable)))
  "non-continuation type")
;; The continuation: it takes the results of the tag and has the results of the resumed one.
(assert_invalid
  (module (type $f (func (result f32))) (type $c (cont $f)) (type $fa (func (param i64) (result f32)))
    (type $ca (cont $fa)) (tag $t (param i32) (result i64)) (tag $e)
    (func (result f32) (block $l (result i32 (ref $c))
      (unreachable) (resume_throw $c $e (on $t $l)) (return)) (unreachable)))
  "continuation type")
(assert_invalid
  (module (type $f (func (result f32))) (type $c (cont $f)) (type $fa (func (param i64) (result f32)))
    (type $ca (cont $fa)) (tag $t (param i32) (result i64)) (tag $e)
    (type $fb (func (param i32) (result f32))) (type $cb (cont $fb))
    (func (result f32) (block $l (result i32 (ref $cb))
      (unreachable) (resume_throw $c $e (on $t $l)) (return)) (unreachable)))
  "continuation type")
(assert_invalid
  (module (type $f (func (result f32))) (type $c (cont $f)) (type $fa (func (param i64) (result f32)))
    (type $ca (cont $fa)) (tag $t (param i32) (result i64)) (tag $e)
    (type $fb (func (param i64 i64) (result f32))) (type $cb (cont $fb))
    (func (result f32) (block $l (result i32 (ref $cb))
      (unreachable) (resume_throw $c $e (on $t $l)) (return)) (unreachable)))
  "continuation type")
(assert_invalid
  (module (type $f (func (result f32))) (type $c (cont $f)) (type $fa (func (param i64) (result f32)))
    (type $ca (cont $fa)) (tag $t (param i32) (result i64)) (tag $e)
    (type $fb (func (param i64) (result f64))) (type $cb (cont $fb))
    (func (result f32) (block $l (result i32 (ref $cb))
      (unreachable) (resume_throw $c $e (on $t $l)) (return)) (unreachable)))
  "continuation type")
(assert_invalid
  (module (type $f (func (result f32))) (type $c (cont $f)) (type $fa (func (param i64) (result f32)))
    (type $ca (cont $fa)) (tag $t (param i32) (result i64)) (tag $e) (type $fb (func (param i64)))
    (type $cb (cont $fb))
    (func (result f32) (block $l (result i32 (ref $cb))
      (unreachable) (resume_throw $c $e (on $t $l)) (return)) (unreachable)))
  "continuation type")
;; Tags and labels out of range.
(assert_invalid
  (module (type $f (func (result f32))) (type $c (cont $f)) (type $fa (func (param i64) (result f32)))
    (type $ca (cont $fa)) (tag $t (param i32) (result i64)) (tag $e)
    (func (result f32) (block $l (result i32 (ref $ca))
      (unreachable) (resume_throw $c $e (on 7 $l)) (return)) (unreachable)))
  "unknown tag")
(assert_invalid
  (module (type $f (func (result f32))) (type $c (cont $f)) (type $fa (func (param i64) (result f32)))
    (type $ca (cont $fa)) (tag $t (param i32) (result i64)) (tag $e)
    (func (result f32) (block $l (result i32 (ref $ca))
      (unreachable) (resume_throw $c $e (on $t 7)) (return)) (unreachable)))
  "unknown label")
(assert_invalid
  (module (type $f (func (result f32))) (type $c (cont $f)) (type $fa (func (param i64) (result f32)))
    (type $ca (cont $fa)) (tag $t (param i32) (result i64)) (tag $e)
    (func (result f32) (block $l (result i32 (ref $ca))
      (unreachable) (resume_throw $c $e (on 7 switch)) (return)) (unreachable)))
  "unknown tag")
;; `(on $t switch)`: no parameters, and the results of the continuation.
(assert_invalid
  (module (type $f (func (result f32))) (type $c (cont $f)) (type $fa (func (param i64) (result f32)))
    (type $ca (cont $fa)) (tag $t (param i32) (result i64)) (tag $e)
    (func (result f32) (block $l (result i32 (ref $ca))
      (unreachable) (resume_throw $c $e (on $t switch)) (return)) (unreachable)))
  "switch tag")
(assert_invalid
  (module (type $f (func (result f32))) (type $c (cont $f)) (type $fa (func (param i64) (result f32)))
    (type $ca (cont $fa)) (tag $t (param i32) (result i64)) (tag $e) (tag $s (param i32) (result f32))
    (func (result f32) (block $l (result i32 (ref $ca))
      (unreachable) (resume_throw $c $e (on $s switch)) (return)) (unreachable)))
  "switch tag")
(assert_invalid
  (module (type $f (func (result f32))) (type $c (cont $f)) (type $fa (func (param i64) (result f32)))
    (type $ca (cont $fa)) (tag $t (param i32) (result i64)) (tag $e) (tag $s (result f64))
    (func (result f32) (block $l (result i32 (ref $ca))
      (unreachable) (resume_throw $c $e (on $s switch)) (return)) (unreachable)))
  "switch tag")
(assert_invalid
  (module (type $f (func (result f32))) (type $c (cont $f)) (type $fa (func (param i64) (result f32)))
    (type $ca (cont $fa)) (tag $t (param i32) (result i64)) (tag $e) (tag $s (result f32 f32))
    (func (result f32) (block $l (result i32 (ref $ca))
      (unreachable) (resume_throw $c $e (on $s switch)) (return)) (unreachable)))
  "switch tag")
(assert_invalid
  (module (type $f (func (result f32))) (type $c (cont $f)) (type $fa (func (param i64) (result f32)))
    (type $ca (cont $fa)) (tag $t (param i32) (result i64)) (tag $e) (tag $s)
    (func (result f32) (block $l (result i32 (ref $ca))
      (unreachable) (resume_throw $c $e (on $s switch)) (return)) (unreachable)))
  "switch tag")
;; One bad clause among good ones.
(assert_invalid
  (module (type $f (func (result f32))) (type $c (cont $f)) (type $fa (func (param i64) (result f32)))
    (type $ca (cont $fa)) (tag $t (param i32) (result i64)) (tag $e)
    (func (result f32) (block $l (result i32 (ref $ca))
      (unreachable) (resume_throw $c $e (on $t $l) (on $t 1) (on $t $l)) (return)) (unreachable)))
  "type mismatch")
