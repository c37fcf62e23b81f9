;; Semantics, instruction table: `suspend $t : [t1*] -> [t2*]` for `$t : [t1*] -> [t2*]`, broken in each way.

(module
  (tag $t (param i32 f64) (result i64 f32)) (tag $none) (tag $ref (param funcref) (result (ref null func)))
  (func (result i64 f32) (suspend $t (i32.const 1) (f64.const 2)))
  (func (result i64 f32) (unreachable) (suspend $t))
  (func (suspend $none))
  ;; A subtype of the parameter; the result as a supertype.
  (func (param (ref func)) (result funcref) (suspend $ref (local.get 0))))

;; Parameters: missing, swapped, of another type, a supertype.
(assert_invalid
  (module (tag $t (param i32 f64) (result i64 f32)) (func (result i64 f32) (suspend $t)))
  "type mismatch")
(assert_invalid
  (module (tag $t (param i32 f64) (result i64 f32)) (func (result i64 f32) (suspend $t (f64.const 2))))
  "type mismatch")
(assert_invalid
  (module (tag $t (param i32 f64) (result i64 f32))
    (func (result i64 f32) (suspend $t (f64.const 2) (i32.const 1))))
  "type mismatch")
(assert_invalid
  (module (tag $t (param i32 f64) (result i64 f32))
    (func (result i64 f32) (suspend $t (i64.const 1) (f64.const 2))))
  "type mismatch")
(assert_invalid
  (module (tag $t (param (ref func))) (func (param funcref) (suspend $t (local.get 0))))
  "type mismatch")
(assert_invalid (module (tag $t) (func (suspend $t (i32.const 1)))) "type mismatch")
;; Results: dropped, swapped, of another type, a subtype.
(assert_invalid
  (module (tag $t (param i32 f64) (result i64 f32)) (func (suspend $t (i32.const 1) (f64.const 2))))
  "type mismatch")
(assert_invalid
  (module (tag $t (param i32 f64) (result i64 f32))
    (func (result f32 i64) (suspend $t (i32.const 1) (f64.const 2))))
  "type mismatch")
(assert_invalid
  (module (tag $t (param i32 f64) (result i64 f32))
    (func (result i64 f64) (suspend $t (i32.const 1) (f64.const 2))))
  "type mismatch")
(assert_invalid
  (module (tag $t (param i32 f64) (result i64 f32))
    (func (result i64 f32 i32) (suspend $t (i32.const 1) (f64.const 2))))
  "type mismatch")
(assert_invalid (module (tag $t (result funcref)) (func (result (ref func)) (suspend $t))) "type mismatch")
(assert_invalid (module (tag $t) (func (result i32) (suspend $t))) "type mismatch")
;; The tag.
(assert_invalid (module  (func (suspend 0))) "unknown tag")
(assert_invalid
  (module (tag $t (param i32 f64) (result i64 f32)) (func (unreachable) (suspend 1)))
  "unknown tag")
