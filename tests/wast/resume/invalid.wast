;; Semantics, instruction table: `resume $ct hdl* : [t1* (ref null $ct)] -> [t2*]`, broken in each way.

(module
  (type $f (func (param i32 funcref) (result i64 (ref func)))) (type $c (cont $f))
  (func (param (ref null $c) (ref func)) (result i64 funcref)
    (resume $c (i32.const 1) (local.get 1) (local.get 0)))
  (func (result i64 funcref) (resume $c (i32.const 1) (ref.null func) (ref.null nocont)))
  (func (result i64 funcref) (unreachable) (resume $c)))

;; The operands.
(assert_invalid
  (module (type $f (func (param i32 f64) (result i64 f32))) (type $c (cont $f))
    (func (param (ref $c)) (result i64 f32) (resume $c (local.get 0))))
  "type mismatch")
(assert_invalid
  (module (type $f (func (param i32 f64) (result i64 f32))) (type $c (cont $f))
    (func (param (ref $c)) (result i64 f32) (resume $c (f64.const 1) (local.get 0))))
  "type mismatch")
(assert_invalid
  (module (type $f (func (param i32 f64) (result i64 f32))) (type $c (cont $f))
    (func (param (ref $c)) (result i64 f32) (resume $c (f64.const 1) (i32.const 2) (local.get 0))))
  "type mismatch")
(assert_invalid
  (module (type $f (func (param i32 f64) (result i64 f32))) (type $c (cont $f))
    (func (param (ref $c)) (result i64 f32) (resume $c (local.get 0) (i32.const 2) (f64.const 1))))
  "type mismatch")
(assert_invalid
  (module (type $f (func (param i32 f64) (result i64 f32))) (type $c (cont $f))
    (func (param contref) (result i64 f32) (resume $c (i32.const 2) (f64.const 1) (local.get 0))))
  "type mismatch")
(assert_invalid
  (module (type $f (func (param i32 f64) (result i64 f32))) (type $c (cont $f))
    (func (param (ref $f)) (result i64 f32) (resume $c (i32.const 2) (f64.const 1) (local.get 0))))
  "type mismatch")
(assert_invalid
  (module (type $f (func (param i32 f64) (result i64 f32))) (type $c (cont $f)) (type $g (func))
    (type $d (cont $g))
    (func (param (ref $d)) (result i64 f32) (resume $c (i32.const 2) (f64.const 1) (local.get 0))))
  "type mismatch")
(assert_invalid
  (module (type $f (func (param (ref func)))) (type $c (cont $f))
    (func (param (ref $c)) (resume $c (ref.null func) (local.get 0))))
  "type mismatch")
;; The results.
(assert_invalid
  (module (type $f (func (param i32 f64) (result i64 f32))) (type $c (cont $f))
    (func (param (ref $c)) (resume $c (i32.const 2) (f64.const 1) (local.get 0))))
  "type mismatch")
(assert_invalid
  (module (type $f (func (param i32 f64) (result i64 f32))) (type $c (cont $f))
    (func (param (ref $c)) (result f32 i64) (resume $c (i32.const 2) (f64.const 1) (local.get 0))))
  "type mismatch")
(assert_invalid
  (module (type $f (func (param i32 f64) (result i64 f32))) (type $c (cont $f))
    (func (param (ref $c)) (result i64 f32 f32) (resume $c (i32.const 2) (f64.const 1) (local.get 0))))
  "type mismatch")
(assert_invalid
  (module (type $f (func (result funcref))) (type $c (cont $f))
    (func (param (ref $c)) (result (ref func)) (resume $c (local.get 0))))
  "type mismatch")
;; The type.
(assert_invalid
  (module (type $f (func (param i32 f64) (result i64 f32))) (type $c (cont $f))
    (func (unreachable) (resume $f)))
  "non-continuation type")
(assert_invalid
  (module (type $f (func (param i32 f64) (result i64 f32))) (type $c (cont $f))
    (func (unreachable) (resume 8)))
  "unknown type")
