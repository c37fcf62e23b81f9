;; A symmetric scheduler: a task that yields switches straight to the next one, without going through the
;; scheduler. One resume with an `(on $yield switch)` clause holds them all together.
;;
;; Source feature: green threads, goroutines. Instructions: cont.new, cont.bind, switch, resume (on switch).
;; Run: cargo xtask wasmtime run -W stack-switching examples/scheduler.wat
(module
  (import "wasi_snapshot_preview1" "fd_write"
    (func $fd_write (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)

  ;; Writes the `$len` bytes at `$ptr`.
  (func $write (param $ptr i32) (param $len i32)
    (i32.store (i32.const 0) (local.get $ptr))
    (i32.store (i32.const 4) (local.get $len))
    (drop (call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8))))
  ;; Writes `$n` in decimal digits, which end at 32.
  (func $number (param $n i32)
    (local $p i32)
    (local.set $p (i32.const 32))
    (loop $digits
      (local.set $p (i32.sub (local.get $p) (i32.const 1)))
      (i32.store8 (local.get $p) (i32.add (i32.const 48) (i32.rem_u (local.get $n) (i32.const 10))))
      (br_if $digits (local.tee $n (i32.div_u (local.get $n) (i32.const 10)))))
    (call $write (local.get $p) (i32.sub (i32.const 32) (local.get $p))))

  (data (i32.const 64) "task  at \n")

  (rec
    (type $ft (func (param (ref null $task))))
    (type $task (cont $ft)))
  (type $nf (func (param i32 (ref null $task)))) (type $entry (cont $nf))
  ;; Tasks switch to each other with this; they have no results.
  (tag $yield)

  ;; Tasks that wait their turn: a ring.
  (table $queue 8 (ref null $task))
  (global $head (mut i32) (i32.const 0))
  (global $tail (mut i32) (i32.const 0))
  ;; There may be nobody to wait: then this does nothing.
  (func $enqueue (param $t (ref null $task))
    (if (ref.is_null (local.get $t)) (then (return)))
    (table.set $queue (i32.and (global.get $tail) (i32.const 7)) (local.get $t))
    (global.set $tail (i32.add (global.get $tail) (i32.const 1))))
  (func $dequeue (result (ref null $task))
    (table.get $queue (i32.and (global.get $head) (i32.const 7)))
    (global.set $head (i32.add (global.get $head) (i32.const 1))))
  (func $waiting (result i32) (i32.sub (global.get $tail) (global.get $head)))

  ;; Switches to the next task. What comes back is whoever switched here, if anybody did: it
  ;; waits its turn.
  (func $yield
    (if (i32.eqz (call $waiting)) (then (return)))
    (call $enqueue (switch $task $yield (call $dequeue))))

  ;; Counts to 3, and yields after each. It starts with the task that it takes over from, if any.
  (func $count (param $id i32) (param $from (ref null $task))
    (local $i i32)
    (call $enqueue (local.get $from))
    (loop $l
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (call $write (i32.const 64) (i32.const 5))
      (call $number (local.get $id))
      (call $write (i32.const 69) (i32.const 4))
      (call $number (local.get $i))
      (call $write (i32.const 73) (i32.const 1))
      (call $yield)
      (br_if $l (i32.lt_u (local.get $i) (i32.const 3)))))
  (elem declare func $count)

  (func (export "_start")
    (local $id i32)
    (loop $l
      (local.set $id (i32.add (local.get $id) (i32.const 1)))
      (call $enqueue (cont.bind $entry $task (local.get $id) (cont.new $entry (ref.func $count))))
      (br_if $l (i32.lt_u (local.get $id) (i32.const 3))))
    ;; A task that ends returns here, and the next one goes on.
    (loop $l
      (resume $task (on $yield switch) (ref.null $task) (call $dequeue))
      (br_if $l (call $waiting)))))

;;> task 1 at 1
;;> task 2 at 1
;;> task 3 at 1
;;> task 1 at 2
;;> task 2 at 2
;;> task 3 at 2
;;> task 1 at 3
;;> task 2 at 3
;;> task 3 at 3
