;; Lightweight threads: each prints and yields; a round-robin scheduler runs them in turn. Threads may fork.
;;
;; Source feature: green threads. Instructions: cont.new, cont.bind, resume (two clauses), suspend.
;; Run: cargo xtask wasmtime run -W stack-switching examples/threads.wat
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

  (data (i32.const 64) "thread  step \n")

  (type $ft (func))            (type $thread (cont $ft))
  (type $nf (func (param i32))) (type $entry (cont $nf))
  (tag $yield)
  (tag $fork (param (ref $thread)))

  ;; The run queue: a ring of threads.
  (table $queue 8 (ref null $thread))
  (global $head (mut i32) (i32.const 0))
  (global $tail (mut i32) (i32.const 0))
  (func $enqueue (param $t (ref $thread))
    (table.set $queue (i32.and (global.get $tail) (i32.const 7)) (local.get $t))
    (global.set $tail (i32.add (global.get $tail) (i32.const 1))))

  (func $schedule
    (local $k (ref null $thread))
    (loop $next
      (if (i32.eq (global.get $head) (global.get $tail)) (then (return)))
      (block $on_yield (result (ref $thread))
        (block $on_fork (result (ref $thread) (ref $thread))
          (resume $thread (on $yield $on_yield) (on $fork $on_fork)
            (table.get $queue (i32.and (global.get $head) (i32.const 7)))
            (global.set $head (i32.add (global.get $head) (i32.const 1))))
          (br $next))
        ;; The new thread and the one that forked it: both wait their turn.
        (local.set $k)
        (call $enqueue)
        (local.get $k)
        (ref.as_non_null))
      (call $enqueue)
      (br $next)))

  (func $report (param $id i32) (param $step i32)
    (call $write (i32.const 64) (i32.const 7))
    (call $number (local.get $id))
    (call $write (i32.const 71) (i32.const 6))
    (call $number (local.get $step))
    (call $write (i32.const 77) (i32.const 1)))

  ;; Thread `$id` takes three steps.
  (func $worker (param $id i32)
    (local $step i32)
    (loop $l
      (local.set $step (i32.add (local.get $step) (i32.const 1)))
      (call $report (local.get $id) (local.get $step))
      (suspend $yield)
      (br_if $l (i32.lt_u (local.get $step) (i32.const 3)))))
  (func $main
    (local $id i32)
    (loop $l
      (local.set $id (i32.add (local.get $id) (i32.const 1)))
      (suspend $fork (cont.bind $entry $thread (local.get $id) (cont.new $entry (ref.func $worker))))
      (br_if $l (i32.lt_u (local.get $id) (i32.const 3)))))
  (elem declare func $worker $main)

  (func (export "_start")
    (call $enqueue (cont.new $thread (ref.func $main)))
    (call $schedule)))

;;> thread 1 step 1
;;> thread 1 step 2
;;> thread 2 step 1
;;> thread 1 step 3
;;> thread 2 step 2
;;> thread 3 step 1
;;> thread 2 step 3
;;> thread 3 step 2
;;> thread 3 step 3
