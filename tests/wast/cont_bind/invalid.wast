;; Semantics, instruction table: `cont.bind $ct $ct' : [t3* (ref null $ct)] -> [(ref $ct')]`, where `$ct` takes
;; t3* t1* and `$ct'` takes t1*, with the same results, up to subtyping; broken in each way.

(module
  (type $f2 (func (param i32 i64) (result f64))) (type $c2 (cont $f2))
  (type $f1 (func (param i64) (result f64))) (type $c1 (cont $f1))
  (type $f0 (func (result f64))) (type $c0 (cont $f0))
  (func (param (ref null $c2)) (result (ref $c1)) (cont.bind $c2 $c1 (i32.const 1) (local.get 0)))
  (func (param (ref $c2)) (result (ref $c0)) (cont.bind $c2 $c0 (i32.const 1) (i64.const 2) (local.get 0)))
  (func (param (ref $c2)) (result (ref $c2)) (cont.bind $c2 $c2 (local.get 0)))
  (func (result (ref $c1)) (cont.bind $c2 $c1 (i32.const 1) (ref.null nocont)))
  (func (result contref) (unreachable) (cont.bind $c2 $c1)))
;; Up to subtyping: parameters may get narrower, results wider.
(module
  (type $f (func (param i32 funcref) (result (ref func)))) (type $c (cont $f))
  (type $g (func (param (ref func)) (result funcref))) (type $d (cont $g))
  (func (param (ref $c)) (result (ref $d)) (cont.bind $c $d (i32.const 1) (local.get 0))))

;; The operands.
(assert_invalid
  (module (type $f3 (func (param i32 i64 f32) (result f64))) (type $c3 (cont $f3))
    (type $f1 (func (param f32) (result f64))) (type $c1 (cont $f1)) (func (drop (cont.bind $c3 $c1))))
  "type mismatch")
(assert_invalid
  (module (type $f3 (func (param i32 i64 f32) (result f64))) (type $c3 (cont $f3))
    (type $f1 (func (param f32) (result f64))) (type $c1 (cont $f1))
    (func (param (ref $c3)) (drop (cont.bind $c3 $c1 (local.get 0)))))
  "type mismatch")
(assert_invalid
  (module (type $f3 (func (param i32 i64 f32) (result f64))) (type $c3 (cont $f3))
    (type $f1 (func (param f32) (result f64))) (type $c1 (cont $f1))
    (func (param (ref $c3)) (drop (cont.bind $c3 $c1 (i64.const 2) (local.get 0)))))
  "type mismatch")
(assert_invalid
  (module (type $f3 (func (param i32 i64 f32) (result f64))) (type $c3 (cont $f3))
    (type $f1 (func (param f32) (result f64))) (type $c1 (cont $f1))
    (func (param (ref $c3)) (drop (cont.bind $c3 $c1 (i64.const 2) (i32.const 1) (local.get 0)))))
  "type mismatch")
(assert_invalid
  (module (type $f3 (func (param i32 i64 f32) (result f64))) (type $c3 (cont $f3))
    (type $f1 (func (param f32) (result f64))) (type $c1 (cont $f1))
    (func (param (ref $c3)) (drop (cont.bind $c3 $c1 (i32.const 1) (f32.const 2) (local.get 0)))))
  "type mismatch")
(assert_invalid
  (module (type $f3 (func (param i32 i64 f32) (result f64))) (type $c3 (cont $f3))
    (type $f1 (func (param f32) (result f64))) (type $c1 (cont $f1))
    (func (param (ref $c3)) (drop (cont.bind $c3 $c1 (local.get 0) (i32.const 1) (i64.const 2)))))
  "type mismatch")
(assert_invalid
  (module (type $f3 (func (param i32 i64 f32) (result f64))) (type $c3 (cont $f3))
    (type $f1 (func (param f32) (result f64))) (type $c1 (cont $f1))
    (func (param (ref $c1)) (drop (cont.bind $c3 $c1 (i32.const 1) (i64.const 2) (local.get 0)))))
  "type mismatch")
(assert_invalid
  (module (type $f3 (func (param i32 i64 f32) (result f64))) (type $c3 (cont $f3))
    (type $f1 (func (param f32) (result f64))) (type $c1 (cont $f1))
    (func (param contref) (drop (cont.bind $c3 $c1 (i32.const 1) (i64.const 2) (local.get 0)))))
  "type mismatch")
(assert_invalid
  (module (type $f3 (func (param i32 i64 f32) (result f64))) (type $c3 (cont $f3))
    (type $f1 (func (param f32) (result f64))) (type $c1 (cont $f1))
    (func (param (ref $f3)) (drop (cont.bind $c3 $c1 (i32.const 1) (i64.const 2) (local.get 0)))))
  "type mismatch")
;; The two types: more parameters than before, others, or a prefix instead of a suffix.
(assert_invalid
  (module (type $f3 (func (param i32 i64 f32) (result f64))) (type $c3 (cont $f3))
    (type $f1 (func (param f32) (result f64))) (type $c1 (cont $f1))
    (func (param (ref $c1)) (drop (cont.bind $c1 $c3 (local.get 0)))))
  "continuation arguments")
(assert_invalid
  (module (type $f3 (func (param i32 i64 f32) (result f64))) (type $c3 (cont $f3))
    (type $f1 (func (param f32) (result f64))) (type $c1 (cont $f1))
    (type $g (func (param i64) (result f64))) (type $d (cont $g))
    (func (unreachable) (drop (cont.bind $c3 $d))))
  "continuation types")
(assert_invalid
  (module (type $f3 (func (param i32 i64 f32) (result f64))) (type $c3 (cont $f3))
    (type $f1 (func (param f32) (result f64))) (type $c1 (cont $f1))
    (type $g (func (param i32 i64) (result f64))) (type $d (cont $g))
    (func (unreachable) (drop (cont.bind $c3 $d))))
  "continuation types")
;; Other results, more or fewer.
(assert_invalid
  (module (type $f3 (func (param i32 i64 f32) (result f64))) (type $c3 (cont $f3))
    (type $f1 (func (param f32) (result f64))) (type $c1 (cont $f1))
    (type $g (func (param f32) (result i64))) (type $d (cont $g))
    (func (unreachable) (drop (cont.bind $c3 $d))))
  "continuation types")
(assert_invalid
  (module (type $f3 (func (param i32 i64 f32) (result f64))) (type $c3 (cont $f3))
    (type $f1 (func (param f32) (result f64))) (type $c1 (cont $f1))
    (type $g (func (param f32) (result f64 f64))) (type $d (cont $g))
    (func (unreachable) (drop (cont.bind $c3 $d))))
  "continuation types")
(assert_invalid
  (module (type $f3 (func (param i32 i64 f32) (result f64))) (type $c3 (cont $f3))
    (type $f1 (func (param f32) (result f64))) (type $c1 (cont $f1)) (type $g (func (param f32)))
    (type $d (cont $g)) (func (unreachable) (drop (cont.bind $c3 $d))))
  "continuation types")
;; Subtyping the wrong way round.
(assert_invalid
  (module (type $f (func (param (ref func)))) (type $c (cont $f)) (type $g (func (param funcref)))
    (type $d (cont $g)) (func (unreachable) (drop (cont.bind $c $d))))
  "continuation types")
(assert_invalid
  (module (type $f (func (result funcref))) (type $c (cont $f)) (type $g (func (result (ref func))))
    (type $d (cont $g)) (func (unreachable) (drop (cont.bind $c $d))))
  "continuation types")
;; No continuation types.
(assert_invalid
  (module (type $f3 (func (param i32 i64 f32) (result f64))) (type $c3 (cont $f3))
    (type $f1 (func (param f32) (result f64))) (type $c1 (cont $f1))
    (func (unreachable) (drop (cont.bind $f3 $c1))))
  "non-continuation type")
(assert_invalid
  (module (type $f3 (func (param i32 i64 f32) (result f64))) (type $c3 (cont $f3))
    (type $f1 (func (param f32) (result f64))) (type $c1 (cont $f1))
    (func (unreachable) (drop (cont.bind $c3 $f1))))
  "non-continuation type")
(assert_invalid
  (module (type $f3 (func (param i32 i64 f32) (result f64))) (type $c3 (cont $f3))
    (type $f1 (func (param f32) (result f64))) (type $c1 (cont $f1))
    (func (unreachable) (drop (cont.bind 9 $c1))))
  "unknown type")
(assert_invalid
  (module (type $f3 (func (param i32 i64 f32) (result f64))) (type $c3 (cont $f3))
    (type $f1 (func (param f32) (result f64))) (type $c1 (cont $f1))
    (func (unreachable) (drop (cont.bind $c3 9))))
  "unknown type")
;; The result.
(assert_invalid
  (module (type $f3 (func (param i32 i64 f32) (result f64))) (type $c3 (cont $f3))
    (type $f1 (func (param f32) (result f64))) (type $c1 (cont $f1))
    (func (param (ref $c3)) (result (ref $c3)) (cont.bind $c3 $c1 (i32.const 1) (i64.const 2) (local.get 0))))
  "type mismatch")
