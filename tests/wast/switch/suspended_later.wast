;; Semantics, rules 4, 6 and 8: a task that was switched to suspends to the outside of the prompt; what is
;; captured then is the task that is running, not the one that the `resume` started. Resumed, below a prompt of
;; its own, it switches on, and the first task comes to its end below the second resume.

(module
  (rec (type $f (func (param i32 (ref null $c)) (result i32))) (type $c (cont $f)))
  (type $kf (func (param i32) (result i32))) (type $k (cont $kf))
  (tag $w (result i32))
  (tag $t (param i32) (result i32))
  (global $trace (mut i32) (i32.const 0))
  (func $mark (param i32)
    (global.set $trace (i32.add (i32.mul (global.get $trace) (i32.const 10)) (local.get 0))))
  (func (export "trace") (result i32) (global.get $trace) (global.set $trace (i32.const 0)))

  (func $first (type $f)
    (local $peer (ref null $c)) (local $v i32)
    (call $mark (i32.const 1))
    (switch $c $w (i32.const 5) (cont.new $c (ref.func $second)))
    (local.set $peer) (local.set $v)
    (call $mark (i32.const 4))
    ;; Suspends as well, now that the other resume is outside.
    (i32.add (suspend $t (local.get $v)) (i32.const 1)))
  (func $second (type $f)
    (local $v i32)
    (call $mark (i32.const 2))
    (local.set $v (suspend $t (i32.mul (local.get 0) (i32.const 10))))
    (call $mark (i32.const 3))
    (switch $c $w (local.get $v) (local.get 1))
    (drop) (drop)
    (call $mark (i32.const 9))
    (unreachable))
  (elem declare func $first $second)

  (func (export "run") (param $with-prompt i32) (result i32 i32 i32)
    (local $k (ref null $k)) (local $a i32) (local $b i32)
    (block $on (result i32 (ref $k))
      (drop (resume $c (on $t $on) (on $w switch) (i32.const 0) (ref.null $c) (cont.new $c (ref.func $first))))
      (unreachable))
    (local.set $k) (local.set $a)
    (block $on (result i32 (ref $k))
      (if (local.get $with-prompt)
        (then (drop (resume $k (on $w switch) (on $t $on) (i32.const 700) (local.get $k))))
        (else (drop (resume $k (on $t $on) (i32.const 700) (local.get $k)))))
      (unreachable))
    (local.set $k) (local.set $b)
    (local.get $a) (local.get $b)
    (resume $k (i32.const 9000) (local.get $k))))

(assert_return (invoke "run" (i32.const 1)) (i32.const 50) (i32.const 700) (i32.const 9001))
(assert_return (invoke "trace") (i32.const 1234))
;; The prompt was of the first resume, and is gone with it.
(assert_trap (invoke "run" (i32.const 0)) "unhandled tag")
(assert_return (invoke "trace") (i32.const 123))
