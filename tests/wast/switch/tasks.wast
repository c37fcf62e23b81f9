;; Semantics, rule 6: the prompt stays in force over any number of switches, between any number of tasks: a ring
;; in which each task hands over to the next, and the one that a task captured is queued.

(module
  (rec (type $f (func (param (ref null $c)) (result i32))) (type $c (cont $f)))
  (type $nf (func (param i32 (ref null $c)) (result i32))) (type $n (cont $nf))
  (tag $w (result i32))
  (global $trace (mut i64) (i64.const 0))
  (func (export "trace") (result i64) (global.get $trace) (global.set $trace (i64.const 0)))
  ;; A queue of 16 tasks.
  (table $queue 16 (ref null $c))
  (global $head (mut i32) (i32.const 0))
  (global $tail (mut i32) (i32.const 0))
  (func $push (param (ref null $c))
    (table.set $queue (i32.and (global.get $tail) (i32.const 15)) (local.get 0))
    (global.set $tail (i32.add (global.get $tail) (i32.const 1))))
  (func $pop (result (ref null $c))
    (table.get $queue (i32.and (global.get $head) (i32.const 15)))
    (global.set $head (i32.add (global.get $head) (i32.const 1))))
  (func $empty (result i32) (i32.eq (global.get $head) (global.get $tail)))
  (global $turns (mut i32) (i32.const 0))
  (global $left (mut i32) (i32.const 0))

  ;; Task $id takes three turns; the last one to end gives the result of all.
  (func $task (type $nf) (local $i i32)
    (if (i32.eqz (ref.is_null (local.get 1))) (then (call $push (local.get 1))))
    (loop $l
      (global.set $trace
        (i64.add (i64.mul (global.get $trace) (i64.const 10)) (i64.extend_i32_u (local.get 0))))
      (global.set $turns (i32.add (global.get $turns) (i32.const 1)))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (if (i32.lt_u (local.get $i) (i32.const 3))
        (then
          (call $yield)
          (br $l))))
    (global.set $left (i32.sub (global.get $left) (i32.const 1)))
    (if (call $empty) (then (return (global.get $turns))))
    ;; A task that is done switches for the last time; what is captured of it is dropped.
    (drop (switch $c $w (call $pop)))
    (unreachable))
  (func $yield
    (local $next (ref null $c))
    (if (call $empty) (then (return)))
    (local.set $next (call $pop))
    (call $resumed-by (switch $c $w (local.get $next))))
  ;; The one that just yielded goes to the end of the queue, unless it is done.
  (func $resumed-by (param (ref null $c))
    (if (i32.lt_u (i32.sub (global.get $tail) (global.get $head)) (i32.sub (global.get $left) (i32.const 1)))
      (then (call $push (local.get 0)))))
  (elem declare func $task)
  (func (export "ring") (param $n i32) (result i32)
    (local $i i32)
    (global.set $head (i32.const 0)) (global.set $tail (i32.const 0)) (global.set $turns (i32.const 0))
    (global.set $left (local.get $n))
    (local.set $i (i32.const 2))
    (loop $l
      (if (i32.le_u (local.get $i) (local.get $n)) (then
        (call $push (cont.bind $n $c (local.get $i) (cont.new $n (ref.func $task))))
        (local.set $i (i32.add (local.get $i) (i32.const 1)))
        (br $l))))
    (resume $n (on $w switch) (i32.const 1) (ref.null $c) (cont.new $n (ref.func $task)))))

(assert_return (invoke "ring" (i32.const 1)) (i32.const 3))
(assert_return (invoke "trace") (i64.const 111))
(assert_return (invoke "ring" (i32.const 2)) (i32.const 6))
(assert_return (invoke "trace") (i64.const 121212))
(assert_return (invoke "ring" (i32.const 3)) (i32.const 9))
(assert_return (invoke "trace") (i64.const 123123123))
(assert_return (invoke "ring" (i32.const 5)) (i32.const 15))
(assert_return (invoke "trace") (i64.const 123451234512345))
