;;! operation = "a value that a generator yields to its task, one in eight after the scheduler had its turn"
;;! size = 200000
;;! micro = true
;; Generators inside green threads. A scheduler resumes ten tasks in turn; each task adds up what its own generator
;; yields. Before every eighth value the generator itself gives way to the scheduler, with another tag: that suspends
;; the task with it, and the resume in between has no clause for it.
;;
;; `run n`: the numbers below n; task k's generator yields k, k + 10, ... The sum must be n (n - 1) / 2.
(module
  (type $nf (func (param i64 i64)))             (type $new_generator (cont $nf))
  (type $gf (func))                             (type $generator (cont $gf))
  (type $sf (func (param i64 i64) (result i64))) (type $new_task (cont $sf))
  (type $tf (func (result i64)))                (type $task (cont $tf))
  (tag $value (param i64))
  (tag $yield)
  (table $tasks 10 (ref null $task))

  (func $generate (type $nf) (param $i i64) (param $end i64)
    (local $count i64)
    (loop $next
      (if (i64.lt_u (local.get $i) (local.get $end))
        (then
          (local.set $count (i64.add (local.get $count) (i64.const 1)))
          (if (i64.eqz (i64.and (local.get $count) (i64.const 7))) (then (suspend $yield)))
          (suspend $value (local.get $i))
          (local.set $i (i64.add (local.get $i) (i64.const 10)))
          (br $next)))))

  (func $add_up (type $sf) (param $k i64) (param $end i64) (result i64)
    (local $generator (ref $generator)) (local $sum i64)
    (local.set $generator
      (cont.bind $new_generator $generator
        (local.get $k) (local.get $end) (cont.new $new_generator (ref.func $generate))))
    (loop $next
      (block $on_value (result i64 (ref $generator))
        (resume $generator (on $value $on_value) (local.get $generator))
        (return (local.get $sum)))
      (local.set $generator)
      (local.set $sum (i64.add (local.get $sum)))
      (br $next))
    (unreachable))
  (elem declare func $generate $add_up)

  (func (export "run") (param $n i32) (result i64)
    (local $k i32) (local $waiting i32) (local $sum i64)
    (loop $next
      (table.set $tasks (local.get $k)
        (cont.bind $new_task $task
          (i64.extend_i32_u (local.get $k)) (i64.extend_i32_u (local.get $n))
          (cont.new $new_task (ref.func $add_up))))
      (local.set $k (i32.add (local.get $k) (i32.const 1)))
      (br_if $next (i32.lt_u (local.get $k) (i32.const 10))))
    (local.set $waiting (i32.const 10))
    (loop $turn
      (local.set $k (i32.rem_u (i32.add (local.get $k) (i32.const 1)) (i32.const 10)))
      (br_if $turn (ref.is_null (table.get $tasks (local.get $k))))
      (block $done
        (block $on_yield (result (ref $task))
          (local.set $sum
            (i64.add (local.get $sum)
              (resume $task (on $yield $on_yield) (table.get $tasks (local.get $k)))))
          (table.set $tasks (local.get $k) (ref.null $task))
          (local.set $waiting (i32.sub (local.get $waiting) (i32.const 1)))
          (br_if $turn (local.get $waiting))
          (br $done))
        ;; Its turn is over.
        (call $wait (local.get $k))
        (br $turn)))
    (local.get $sum))

  ;; Puts a task back to where it waits.
  (func $wait (param $task (ref $task)) (param $k i32)
    (table.set $tasks (local.get $k) (local.get $task)))

  (func (export "expected") (param $n i32) (result i64)
    (local $m i64)
    (local.set $m (i64.extend_i32_u (local.get $n)))
    (i64.div_u (i64.mul (local.get $m) (i64.sub (local.get $m) (i64.const 1))) (i64.const 2))))
