;; Semantics, rule 4: `suspend` captures everything up to, and not including, the frame of the `resume` that
;; handles it, several stacks at once. Resuming the capture splices them back below the new resumer, with the
;; inner handlers still in force.

(module
  (type $f (func (result i32))) (type $c (cont $f))
  (type $kf (func (param i32) (result i32))) (type $k (cont $kf))
  (tag $in (param i32) (result i32)) (tag $mid (param i32) (result i32)) (tag $out (param i32) (result i32))
  (global $trace (mut i64) (i64.const 0))
  (func $mark (param i32)
    (global.set $trace
      (i64.add (i64.mul (global.get $trace) (i64.const 10)) (i64.extend_i32_u (local.get 0)))))
  (func (export "trace") (result i64) (global.get $trace) (global.set $trace (i64.const 0)))
  (global $k (mut (ref null $k)) (ref.null $k))

  ;; Three stacks: leaf below middle, which handles $in, below outer, which handles $mid.
  (func $leaf (type $f)
    (local $sum i32)
    (call $mark (i32.const 1))
    (local.set $sum (suspend $out (i32.const 21)))
    (call $mark (i32.const 2))
    (local.set $sum (i32.add (local.get $sum) (suspend $in (i32.const 22))))
    (call $mark (i32.const 3))
    (local.set $sum (i32.add (local.get $sum) (suspend $mid (i32.const 23))))
    (call $mark (i32.const 4))
    (i32.add (local.get $sum) (suspend $out (i32.const 24))))
  (func $middle (type $f)
    (local $k (ref null $k)) (local $v i32)
    (call $mark (i32.const 5))
    (block $on (result i32 (ref $k))
      (return (resume $c (on $in $on) (cont.new $c (ref.func $leaf)))))
    (local.set $k) (local.set $v)
    (call $mark (i32.const 6))
    ;; A handler of its own is gone: this one has none, what comes next goes further out.
    (i32.mul (i32.const 2) (resume $k (i32.add (i32.const 1000) (local.get $v)) (local.get $k))))
  (func $outer (type $f)
    (local $k (ref null $k)) (local $v i32)
    (call $mark (i32.const 7))
    (block $on (result i32 (ref $k))
      (return (resume $c (on $mid $on) (cont.new $c (ref.func $middle)))))
    (local.set $k) (local.set $v)
    (call $mark (i32.const 8))
    (i32.mul (i32.const 3) (resume $k (i32.add (i32.const 2000) (local.get $v)) (local.get $k))))
  (elem declare func $leaf $middle $outer $elsewhere)

  (func $start (result i32)
    (block $on (result i32 (ref $k))
      (return (resume $c (on $out $on) (cont.new $c (ref.func $outer)))))
    (global.set $k))
  (func $go-on (param i32) (result i32)
    (block $on (result i32 (ref $k))
      (return (resume $k (on $out $on) (local.get 0) (global.get $k))))
    (global.set $k))

  ;; From one frame.
  (func (export "all") (result i32 i32 i32)
    (call $start) (call $go-on (i32.const 100000)) (call $go-on (i32.const 200000)))
  ;; From calls of the host's own.
  (func (export "start") (result i32) (call $start))
  (func (export "go-on") (param i32) (result i32) (call $go-on (local.get 0)))
  ;; Below another resumer, on a stack of its own, that has handlers for the inner tags: they stay unused.
  (func $elsewhere (type $f)
    (block $on (result i32 (ref $k))
      (return (i32.add (i32.const 7) (resume $k (on $in $on) (on $mid $on) (i32.const 300000) (global.get $k)))))
    (drop) (drop) (i32.const -1))
  (func (export "go-on-elsewhere") (result i32)
    (block $on (result i32 (ref $k))
      (return (resume $c (on $out $on) (cont.new $c (ref.func $elsewhere)))))
    (global.set $k)))

;; leaf: 100000 + 1022 + 2023 + 200000, doubled by middle, trebled by outer.
(assert_return (invoke "all") (i32.const 21) (i32.const 24) (i32.const 1818270))
(assert_return (invoke "trace") (i64.const 75126384))
(assert_return (invoke "start") (i32.const 21))
(assert_return (invoke "go-on" (i32.const 1)) (i32.const 24))
(assert_return (invoke "go-on" (i32.const 2)) (i32.const 18288))
(assert_return (invoke "trace") (i64.const 75126384))
(assert_trap (invoke "go-on" (i32.const 2)) "continuation already consumed")
;; Elsewhere: leaf waits for the 300000, then suspends to outside of $elsewhere, which gets the result in the end.
(assert_return (invoke "start") (i32.const 21))
(assert_return (invoke "go-on-elsewhere") (i32.const 24))
(assert_return (invoke "trace") (i64.const 75126384))
(assert_return (invoke "go-on" (i32.const 2)) (i32.const 1818289))
;; Elsewhere, the last part.
(assert_return (invoke "start") (i32.const 21))
(assert_return (invoke "go-on" (i32.const 4)) (i32.const 24))
(assert_return (invoke "go-on-elsewhere") (i32.const 1818301))
