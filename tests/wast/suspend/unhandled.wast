;; Semantics, rule 13: `suspend` without a handler traps at the suspend instruction, inside and outside of
;; continuations, also when handlers for other tags are there. Rule 12, as far as a script can say it: what one
;; call from the host resumed handles nothing in another call.

(module
  (type $f (func (result i32))) (type $c (cont $f))
  (tag $t (param i32) (result i32)) (tag $other (param i32) (result i32)) (tag $plain)
  (type $kf (func (param i32) (result i32))) (type $k (cont $kf))
  (global $trace (mut i32) (i32.const 0))
  (func $mark (param i32)
    (global.set $trace (i32.add (i32.mul (global.get $trace) (i32.const 10)) (local.get 0))))
  (func (export "trace") (result i32) (global.get $trace) (global.set $trace (i32.const 0)))
  (memory (export "memory") 1)

  (func $asks (type $f)
    (call $mark (i32.const 1))
    (i32.store (i32.const 0) (i32.const 99))
    (suspend $t (i32.const 5))
    (call $mark (i32.const 2)))
  (func $nests (type $f)
    (block $on (result i32 (ref $k))
      (resume $c (on $other $on) (cont.new $c (ref.func $asks)))
      (call $mark (i32.const 3))
      (return))
    (unreachable))
  (elem declare func $asks $nests $parks)

  (func (export "outside") (result i32) (call $asks))
  (func (export "plain") (suspend $plain))
  (func (export "inside") (result i32) (resume $c (cont.new $c (ref.func $asks))))
  (func (export "two-inside") (result i32) (resume $c (cont.new $c (ref.func $nests))))
  (func (export "others-only") (result i32)
    (block $on (result i32 (ref $k))
      (return (resume $c (on $other $on) (cont.new $c (ref.func $nests)))))
    (drop))
  ;; No catch sees it: it is a trap.
  (func (export "no-exception") (result i32)
    (block $caught
      (try_table (catch_all $caught) (return (resume $c (cont.new $c (ref.func $asks))))))
    (i32.const -1))
  (func (export "no-exception-here") (result i32)
    (block $caught
      (try_table (catch_all $caught) (return (suspend $t (i32.const 1)))))
    (i32.const -1))
  (func (export "stored") (result i32) (i32.load (i32.const 0)) (i32.store (i32.const 0) (i32.const 0)))

  ;; A continuation that was parked under a handler is resumed without one, by another call.
  (global $k (mut (ref null $k)) (ref.null $k))
  (func $parks (type $f) (i32.add (suspend $t (i32.const 6)) (suspend $t (i32.const 7))))
  (func (export "park") (result i32)
    (block $on (result i32 (ref $k))
      (return (resume $c (on $t $on) (cont.new $c (ref.func $parks)))))
    (global.set $k))
  (func (export "unpark") (result i32) (resume $k (i32.const 8) (global.get $k))))

(assert_trap (invoke "outside") "unhandled tag")
(assert_trap (invoke "plain") "unhandled tag")
(assert_suspension (invoke "inside") "unhandled")
(assert_trap (invoke "two-inside") "unhandled tag")
(assert_trap (invoke "others-only") "unhandled tag")
(assert_trap (invoke "no-exception") "unhandled tag")
(assert_trap (invoke "no-exception-here") "unhandled tag")
;; Each got as far as the suspend and no further, and what it wrote stays.
(assert_return (invoke "trace") (i32.const 11111))
(assert_return (invoke "stored") (i32.const 99))
(assert_return (invoke "park") (i32.const 6))
(assert_trap (invoke "unpark") "unhandled tag")
(assert_trap (invoke "unpark") "continuation already consumed")
(assert_return (invoke "park") (i32.const 6))
