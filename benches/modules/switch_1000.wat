;;! operation = "a switch to the next of 1,000 continuations"
;;! size = 200000
;;! no_v8 = 'V8 14.6 has no `switch`: its compiler ends the process with "unimplemented code"'
;; A ring of 1,000 tasks, each of which switches to the next: what a switch costs when the stacks do not all stay in
;; the processor's nearest cache.
;;
;; `setup` makes the ring. `run n` begins at task 0 and makes n switches; each task that the control comes to adds
;; its number, and the last suspends with the sum. It must be that of i mod 1000 for i from 0 to n.
(module
  (rec
    ;; Gets how many switches are left, the sum so far, and who was left.
    (type $ft (func (param i64 i64 (ref null $ct)) (result i64)))
    (type $ct (cont $ft)))
  (type $nf (func (param i32 i64 i64 (ref null $ct)) (result i64))) (type $new (cont $nf))
  (tag $next (result i64))
  ;; The task's number and the sum.
  (tag $stop (param i32 i64) (result i64 i64 (ref null $ct)))
  (table $ring 1000 (ref null $ct))

  (func $task (type $nf)
    (param $k i32) (param $left i64) (param $sum i64) (param $came_from (ref null $ct)) (result i64)
    (local $before i32) (local $after i32)
    (local.set $before (i32.rem_u (i32.add (local.get $k) (i32.const 999)) (i32.const 1000)))
    (local.set $after (i32.rem_u (i32.add (local.get $k) (i32.const 1)) (i32.const 1000)))
    (loop $turn
      ;; Null if `run` resumed this one.
      (if (i32.eqz (ref.is_null (local.get $came_from)))
        (then (table.set $ring (local.get $before) (local.get $came_from))))
      (local.set $sum (i64.add (local.get $sum) (i64.extend_i32_u (local.get $k))))
      (if (result i64 i64 (ref null $ct)) (i64.eqz (local.get $left))
        (then (suspend $stop (local.get $k) (local.get $sum)))
        (else
          (switch $ct $next
            (i64.sub (local.get $left) (i64.const 1)) (local.get $sum)
            (table.get $ring (local.get $after)))))
      (local.set $came_from)
      (local.set $sum)
      (local.set $left)
      (br $turn))
    (unreachable))
  (elem declare func $task)

  (func (export "setup")
    (local $k i32)
    (loop $next
      (table.set $ring (local.get $k)
        (cont.bind $new $ct (local.get $k) (cont.new $new (ref.func $task))))
      (local.set $k (i32.add (local.get $k) (i32.const 1)))
      (br_if $next (i32.lt_u (local.get $k) (i32.const 1000)))))

  (func (export "run") (param $n i32) (result i64)
    (local $last (ref null $ct)) (local $sum i64)
    (block $on_stop (result i32 i64 (ref $ct))
      (resume $ct (on $next switch) (on $stop $on_stop)
        (i64.extend_i32_u (local.get $n)) (i64.const 0) (ref.null $ct)
        (table.get $ring (i32.const 0)))
      ;; No task ends.
      (unreachable))
    (local.set $last)
    (local.set $sum)
    (table.set $ring (local.get $last))
    (local.get $sum))

  (func (export "expected") (param $n i32) (result i64)
    (local $rounds i64) (local $rest i64)
    (local.set $rest (i64.add (i64.extend_i32_u (local.get $n)) (i64.const 1)))
    (local.set $rounds (i64.div_u (local.get $rest) (i64.const 1000)))
    (local.set $rest (i64.rem_u (local.get $rest) (i64.const 1000)))
    (i64.add
      (i64.mul (local.get $rounds) (i64.const 499500))
      (i64.div_u
        (i64.mul (local.get $rest) (i64.sub (local.get $rest) (i64.const 1)))
        (i64.const 2)))))
