;; Many continuations that wait at the same time, in a table, and are then resumed to their ends.
;;
;; `park n` starts n, each of which suspends at once; `park_deep n depth` has each first call itself
;; `depth` deep. Both add to those that wait already. `finish` resumes all that wait, and returns the sum
;; of their results: m * m for m of them, and n * depth more for each `park_deep n depth`. `run n` is
;; `park n` and `finish`: n * n, if nobody waited before.
(module
  (type $ft (func (param i32 i32) (result i64))) (type $ct (cont $ft))
  (type $rf (func (param i32) (result i64)))     (type $parked (cont $rf))
  (tag $wait (result i32))
  (table $parked 0 (ref null $parked))
  ;; How many wait, and the sum that they owe.
  (global $waiting (mut i32) (i32.const 0))
  (global $due (mut i64) (i64.const 0))

  ;; Number `$i` returns 2i and what it is resumed with; each call on the way adds 1.
  (func $body (type $ft) (param $i i32) (param $depth i32) (result i64)
    (if (local.get $depth)
      (then
        (return
          (i64.add (i64.const 1)
            (call $body (local.get $i) (i32.sub (local.get $depth) (i32.const 1)))))))
    (i64.add
      (i64.extend_i32_u (suspend $wait))
      (i64.mul (i64.extend_i32_u (local.get $i)) (i64.const 2))))
  (elem declare func $body)

  (func $park_deep (export "park_deep") (param $n i32) (param $depth i32)
    (local $i i32) (local $end i32)
    (local.set $i (global.get $waiting))
    (local.set $end (i32.add (local.get $i) (local.get $n)))
    (if (i32.lt_u (local.get $end) (local.get $i)) (then (unreachable)))
    (if (i32.lt_u (table.size $parked) (local.get $end))
      (then
        (if (i32.eq (i32.const -1)
              (table.grow $parked (ref.null $parked) (i32.sub (local.get $end) (table.size $parked))))
          (then (unreachable)))))
    (loop $next
      (if (i32.lt_u (local.get $i) (local.get $end))
        (then
          (local.get $i)
          (block $on_wait (result (ref $parked))
            (resume $ct (on $wait $on_wait)
              (local.get $i) (local.get $depth) (cont.new $ct (ref.func $body)))
            ;; It must not end before it waits.
            (unreachable))
          (table.set $parked)
          (global.set $due
            (i64.add (global.get $due)
              (i64.add (i64.extend_i32_u (local.get $depth))
                (i64.add (i64.mul (i64.extend_i32_u (local.get $i)) (i64.const 2)) (i64.const 1)))))
          (local.set $i (i32.add (local.get $i) (i32.const 1)))
          (global.set $waiting (local.get $i))
          (br $next)))))

  (func $park (export "park") (param $n i32)
    (call $park_deep (local.get $n) (i32.const 0)))

  (func $finish (export "finish") (result i64)
    (local $i i32) (local $sum i64)
    (loop $next
      (if (i32.lt_u (local.get $i) (global.get $waiting))
        (then
          (local.set $sum
            (i64.add (local.get $sum)
              (resume $parked (i32.const 1) (table.get $parked (local.get $i)))))
          (table.set $parked (local.get $i) (ref.null $parked))
          (local.set $i (i32.add (local.get $i) (i32.const 1)))
          (br $next))))
    (if (i64.ne (local.get $sum) (global.get $due)) (then (unreachable)))
    (global.set $waiting (i32.const 0))
    (global.set $due (i64.const 0))
    (local.get $sum))

  (func $run (export "run") (param $n i32) (result i64)
    (call $park (local.get $n))
    (call $finish)))
