;; Semantics, rule 6: `switch` suspends up to the nearest `(on $tag switch)`, which stays in force, and runs
;; the target there. Rule 2: a switch that traps in its own checks leaves the target unconsumed.

(module
  (rec (type $f (func (param i32 (ref null $c)) (result i32))) (type $c (cont $f)))
  (type $f0 (func (result i32)))
  (type $c0 (cont $f0))
  (type $fw (func (param (ref null $c)) (result i32)))
  (type $cw (cont $fw))
  (tag $e (result i32))

  ;; Two tasks hand a counter to each other until it reaches 10; whoever sees that returns it.
  (func $task (type $f)
    (loop $l
      (if (i32.ge_u (local.get 0) (i32.const 10)) (then (return (local.get 0))))
      (switch $c $e (i32.add (local.get 0) (i32.const 1)) (local.get 1))
      (local.set 1)
      (local.set 0)
      (br $l))
    (unreachable))
  (elem declare func $task $no_prompt $returns $start $consumed)
  (func (export "ping-pong") (result i32)
    (resume $c (on $e switch) (i32.const 0)
      (cont.new $c (ref.func $task))
      (cont.new $c (ref.func $task))))

  ;; The target's results are those of the resume with the prompt, though it started another.
  (func $returns (type $f) (i32.add (local.get 0) (i32.const 1000)))
  (func $start (type $fw)
    (switch $c $e (i32.const 7) (cont.new $c (ref.func $returns)))
    (drop) (drop)
    (unreachable))
  (func (export "other-returns") (result i32)
    (resume $cw (on $e switch) (ref.null $c) (cont.new $cw (ref.func $start))))

  ;; Without a prompt there is a trap, and the target is not consumed.
  (global $target (mut (ref null $c)) (ref.null $c))
  (func $no_prompt (type $f0)
    (switch $c $e (i32.const 1) (global.get $target))
    (drop) (drop) (i32.const 0))
  (func (export "no-prompt") (result i32)
    (global.set $target (cont.new $c (ref.func $returns)))
    (resume $c0 (cont.new $c0 (ref.func $no_prompt))))
  (func (export "target-still-fresh") (result i32)
    (resume $c (i32.const 1) (ref.null $c) (global.get $target)))
  (func (export "null-target") (result i32)
    (global.set $target (ref.null $c))
    (resume $c0 (on $e switch) (cont.new $c0 (ref.func $no_prompt))))
  (func $consumed (type $f0)
    (drop (resume $c (i32.const 1) (ref.null $c) (global.get $target)))
    (call $no_prompt))
  (func (export "consumed-target") (result i32)
    (global.set $target (cont.new $c (ref.func $returns)))
    (resume $c0 (on $e switch) (cont.new $c0 (ref.func $consumed)))))

(assert_return (invoke "ping-pong") (i32.const 10))
(assert_return (invoke "other-returns") (i32.const 1007))
(assert_trap (invoke "no-prompt") "unhandled tag")
(assert_return (invoke "target-still-fresh") (i32.const 1001))
(assert_trap (invoke "target-still-fresh") "continuation already consumed")
(assert_trap (invoke "null-target") "null reference")
(assert_trap (invoke "consumed-target") "continuation already consumed")

;; A switch through a resume without a prompt captures both stacks; switched back to, both go on.
(module
  (rec (type $f (func (param (ref null $c)) (result i32))) (type $c (cont $f)))
  (type $f0 (func (result i32)))
  (type $c0 (cont $f0))
  (tag $e (result i32))

  (func $other (type $f)
    ;; Hands back at once, and is done for when the prompt's resume gets a result.
    (switch $c $e (local.get 0))
    (drop) (unreachable))
  (func $inner (type $f0)
    (switch $c $e (cont.new $c (ref.func $other)))
    (drop)
    (i32.const 1))
  (func $outer (type $f)
    (i32.add (i32.const 10) (resume $c0 (cont.new $c0 (ref.func $inner)))))
  (elem declare func $other $inner $outer)
  (func (export "through") (result i32)
    (resume $c (on $e switch) (ref.null $c) (cont.new $c (ref.func $outer)))))

(assert_return (invoke "through") (i32.const 11))
