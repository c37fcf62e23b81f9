;; Semantics, rule 6: `switch` suspends up to the nearest `(on $t switch)`, passing prompts for other tags, and
;; the target runs directly under that prompt: what lay between is not around the target. Rule 3: the suspend
;; handlers of the prompt's `resume` stay in force for the target, those that were passed do not.

(module
  (rec (type $f (func (param (ref null $c)) (result i32))) (type $c (cont $f)))
  (type $vf (func (result i32))) (type $v (cont $vf))
  (tag $w (result i32)) (tag $x (result i32))
  (tag $s (param i32)) (tag $mid (param i32))
  (global $body (mut (ref null $f)) (ref.null $f))
  (global $k (mut (ref null $c)) (ref.null $c))
  (global $kv (mut (ref null $v)) (ref.null $v))
  (global $trace (mut i32) (i32.const 0))
  (func $mark (param i32)
    (global.set $trace (i32.add (i32.mul (global.get $trace) (i32.const 10)) (local.get 0))))
  (func (export "trace") (result i32) (global.get $trace) (global.set $trace (i32.const 0)))
  (elem declare func $inner $middle $plain $asks $asks-mid $switches-x $back $via)

  ;; outer prompt for $w > middle, which handles $x switches and $mid > inner, which switches by $w.
  (func $inner (type $vf)
    (call $mark (i32.const 1))
    (drop (switch $c $w (cont.new $c (ref.as_non_null (global.get $body)))))
    (call $mark (i32.const 2))
    (i32.const 10))
  (func $middle (type $vf)
    (block $on (result i32 (ref $v))
      (i32.add (i32.const 100) (resume $v (on $x switch) (on $mid $on) (cont.new $v (ref.func $inner))))
      (call $mark (i32.const 3))
      (return))
    (drop) (drop)
    (call $mark (i32.const 4))
    (i32.const -4))
  (func $run (param $body (ref $f)) (result i32)
    (global.set $body (local.get $body))
    (block $on (result i32 (ref $v))
      (resume $v (on $w switch) (on $s $on) (cont.new $v (ref.func $middle)))
      (call $mark (i32.const 5))
      (return))
    (global.set $kv))

  ;; The target's result passes $middle by.
  (func $plain (type $f) (global.set $k (local.get 0)) (i32.const 20))
  (func (export "plain") (result i32) (call $run (ref.func $plain)))
  ;; What was captured, $middle and $inner, runs to its end later.
  (func (export "captured") (result i32) (resume $c (ref.null $c) (global.get $k)))
  ;; The target suspends to the handler of the prompt's resume.
  (func $asks (type $f) (suspend $s (i32.const 31)) (i32.const 32))
  (func (export "asks") (result i32) (call $run (ref.func $asks)))
  (func (export "asked") (result i32) (resume $v (global.get $kv)))
  ;; Those in between are not around the target.
  (func $asks-mid (type $f) (suspend $mid (i32.const 41)) (i32.const 42))
  (func (export "asks-mid") (result i32) (call $run (ref.func $asks-mid)))
  (func $switches-x (type $f) (drop (switch $c $x (cont.new $c (ref.func $plain)))) (i32.const 52))
  (func (export "switches-x") (result i32) (call $run (ref.func $switches-x)))
  ;; Back to the captured: then $middle is around it again, handlers and all.
  (func $back (type $f) (call $mark (i32.const 6)) (drop (switch $c $w (local.get 0))) (i32.const 62))
  (func (export "back") (result i32) (call $run (ref.func $back)))
  ;; The captured chain resumed by an ordinary resume, from another stack that has a prompt as well.
  (func $via (type $f)
    (call $mark (i32.const 7))
    (i32.add (i32.const 1000) (resume $c (on $w switch) (ref.null $c) (local.get 0))))
  (func (export "via") (result i32) (call $run (ref.func $via))))

(assert_return (invoke "plain") (i32.const 20))
(assert_return (invoke "trace") (i32.const 15))
(assert_return (invoke "captured") (i32.const 110))
(assert_return (invoke "trace") (i32.const 23))
(assert_return (invoke "asks") (i32.const 31))
(assert_return (invoke "asked") (i32.const 32))
(assert_return (invoke "trace") (i32.const 1))
(assert_trap (invoke "asks-mid") "unhandled tag")
(assert_trap (invoke "switches-x") "unhandled tag")
(assert_return (invoke "trace") (i32.const 11))
(assert_return (invoke "back") (i32.const 110))
(assert_return (invoke "trace") (i32.const 16235))
(assert_return (invoke "via") (i32.const 1110))
(assert_return (invoke "trace") (i32.const 17235))

;; Prompts nested in each other: the nearest of two for one tag. A prompt is gone when its resume is done.
(module
  (rec (type $f (func (param (ref null $c)) (result i32))) (type $c (cont $f)))
  (type $vf (func (result i32))) (type $v (cont $vf))
  (tag $w (result i32))
  (func $target (type $f) (i32.const 4))
  (func $switches (type $vf) (switch $c $w (cont.new $c (ref.func $target))) (drop) (i32.const -1))
  (func $prompt (type $vf)
    (i32.add (i32.const 10) (resume $v (on $w switch) (cont.new $v (ref.func $switches)))))
  (func $after (type $vf)
    (drop (resume $v (on $w switch) (cont.new $v (ref.func $switches))))
    (call $switches))
  (elem declare func $target $switches $prompt $after)
  (func (export "nearest") (result i32)
    (i32.add (i32.const 100) (resume $v (on $w switch) (cont.new $v (ref.func $prompt)))))
  (func (export "gone") (result i32) (resume $v (cont.new $v (ref.func $after))))
  (func (export "outer-remains") (result i32) (resume $v (on $w switch) (cont.new $v (ref.func $after)))))

(assert_return (invoke "nearest") (i32.const 114))
(assert_trap (invoke "gone") "unhandled tag")
(assert_return (invoke "outer-remains") (i32.const 4))
