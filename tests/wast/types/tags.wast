;; Semantics, types: tags may have results, and a tag used by `throw` has none.

(module
  (type $both (func (param i32 f64) (result i64 funcref)))
  (tag (export "both") (type $both))
  (tag (export "results") (result i32))
  (tag (export "plain") (param i32)))
(register "tags")

(module
  (tag (import "tags" "both") (param i32 f64) (result i64 funcref))
  (import "tags" "results" (tag (result i32)))
  (import "tags" "plain" (tag (param i32))))

;; The type of an imported tag is exact, results included.
(assert_unlinkable (module (import "tags" "results" (tag))) "incompatible import type")
(assert_unlinkable (module (import "tags" "results" (tag (result i64)))) "incompatible import type")
(assert_unlinkable (module (import "tags" "results" (tag (param i32)))) "incompatible import type")
(assert_unlinkable (module (import "tags" "plain" (tag (param i32) (result i32)))) "incompatible import type")
(assert_unlinkable (module (import "tags" "both" (tag (param i32 f64) (result i64)))) "incompatible import type")
(assert_unlinkable (module (import "tags" "both" (tag (param i32 f64) (result i64 (ref func)))))
  "incompatible import type")

;; Nothing that throws or catches takes a tag with results.
(assert_invalid (module (tag $t (result i32)) (func (throw $t))) "non-empty tag result type")
(assert_invalid (module (tag $t (param i32) (result i32)) (func (throw $t (i32.const 1))))
  "non-empty tag result type")
(assert_invalid (module (tag $t (result i32)) (func (unreachable) (throw $t))) "non-empty tag result type")
(assert_invalid (module (tag $t (result i32)) (func (block $l (try_table (catch $t $l)))))
  "non-empty tag result type")
(assert_invalid
  (module (tag $t (result i32))
    (func (block $l (result exnref) (try_table (catch_ref $t $l)) (unreachable)) (drop)))
  "non-empty tag result type")
(assert_invalid
  (module (type $f (func)) (type $c (cont $f)) (tag $t (result i32))
    (func (param (ref $c)) (resume_throw $c $t (local.get 0))))
  "non-empty tag result type")

;; An exception's tag, without results, serves a suspend just as well.
(module
  (type $f (func (result i32))) (type $c (cont $f))
  (tag $t (param i32))
  (func $asks (type $f) (suspend $t (i32.const 7)) (i32.const 1))
  (func $throws (type $f) (throw $t (i32.const 8)))
  (elem declare func $asks $throws)
  (func $both (param (ref $c)) (result i32)
    (block $caught (result i32)
      (block $on_t (result i32 (ref $c))
        (try_table (result i32) (catch $t $caught) (resume $c (on $t $on_t) (local.get 0)))
        (return))
      (drop)
      (return (i32.add (i32.const 100))))
    (i32.add (i32.const 200)))
  (func (export "suspends") (result i32) (call $both (cont.new $c (ref.func $asks))))
  (func (export "throws") (result i32) (call $both (cont.new $c (ref.func $throws)))))

(assert_return (invoke "suspends") (i32.const 107))
(assert_return (invoke "throws") (i32.const 208))
