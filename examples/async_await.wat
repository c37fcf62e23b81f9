;; async/await: tasks start others and wait for their results; a run queue keeps those that can go on.
;;
;; `$await` takes a promise and gives its value. If the promise is fulfilled the handler resumes the task
;; at once; if not, the task waits in the promise until another task fulfils it. Here a promise has one
;; waiter at most, and promises are numbered.
;;
;; Source feature: async/await. Instructions: cont.new, cont.bind, resume (several clauses), suspend.
;; Run: cargo xtask wasmtime run -W stack-switching examples/async_await.wat
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

  (data (i32.const 64) "\nfetched total ")

  (type $tf (func))            (type $task (cont $tf))
  (type $nf (func (param i32))) (type $waiting (cont $nf))
  ;; A new promise for what the function computes from the number; the task runs later.
  (type $jf (func (param i32 i32))) (type $job (cont $jf))
  (tag $async (param (ref $job) i32) (result i32))
  ;; The value of a promise.
  (tag $await (param i32) (result i32))
  ;; The task lets others go first.
  (tag $pause)

  ;; Promises: state (0 open, 1 fulfilled), value, and the task that waits.
  (global $promises (mut i32) (i32.const 0))
  (table $waiters 16 (ref null $waiting))
  (func $state (param $p i32) (result i32) (i32.add (i32.const 256) (i32.mul (local.get $p) (i32.const 8))))

  ;; The run queue: a ring of tasks.
  (table $queue 16 (ref null $task))
  (global $head (mut i32) (i32.const 0))
  (global $tail (mut i32) (i32.const 0))
  (func $enqueue (param $t (ref $task))
    (table.set $queue (i32.and (global.get $tail) (i32.const 15)) (local.get $t))
    (global.set $tail (i32.add (global.get $tail) (i32.const 1))))

  ;; Fulfils promise `$p`; whoever waits for it can go on.
  (func $fulfil (param $p i32) (param $value i32)
    (i32.store (call $state (local.get $p)) (i32.const 1))
    (i32.store offset=4 (call $state (local.get $p)) (local.get $value))
    (block $nobody
      (call $enqueue (cont.bind $waiting $task (local.get $value)
        (br_on_null $nobody (table.get $waiters (local.get $p)))))
      (table.set $waiters (local.get $p) (ref.null $waiting))))

  ;; Runs tasks until none can go on.
  (func $run
    (local $task (ref null $task)) (local $p i32) (local $n i32)
    (local $job (ref null $job)) (local $k (ref null $waiting))
    (loop $next
      (if (i32.eq (global.get $head) (global.get $tail)) (then (return)))
      (local.set $task (table.get $queue (i32.and (global.get $head) (i32.const 15))))
      (global.set $head (i32.add (global.get $head) (i32.const 1)))
      (block $on_pause (result (ref $task))
        (block $on_await (result i32 (ref $waiting))
          (block $on_async (result (ref $job) i32 (ref $waiting))
            (resume $task (on $async $on_async) (on $await $on_await) (on $pause $on_pause)
              (local.get $task))
            (br $next))
          ;; A new task: the promise is its first argument. The one that asked goes on first.
          (local.set $k) (local.set $n) (local.set $job)
          (local.set $p (global.get $promises))
          (global.set $promises (i32.add (local.get $p) (i32.const 1)))
          (call $enqueue (cont.bind $waiting $task (local.get $p) (ref.as_non_null (local.get $k))))
          (call $enqueue (cont.bind $job $task (local.get $p) (local.get $n)
            (ref.as_non_null (local.get $job))))
          (br $next))
        (local.set $k) (local.set $p)
        (if (i32.load (call $state (local.get $p)))
          (then (call $enqueue (cont.bind $waiting $task
            (i32.load offset=4 (call $state (local.get $p))) (ref.as_non_null (local.get $k)))))
          (else (table.set $waiters (local.get $p) (local.get $k))))
        (br $next))
      (call $enqueue)
      (br $next)))

  ;; "Fetches" ten times the number: takes as many turns as the number says.
  (func $fetch (param $p i32) (param $n i32)
    (local $turn i32)
    (loop $l
      (suspend $pause)
      (br_if $l (i32.lt_u (local.tee $turn (i32.add (local.get $turn) (i32.const 1))) (local.get $n))))
    (call $write (i32.const 65) (i32.const 8))
    (call $number (local.get $n))
    (call $write (i32.const 64) (i32.const 1))
    (call $fulfil (local.get $p) (i32.mul (local.get $n) (i32.const 10))))

  (func $main
    (local $a i32) (local $b i32) (local $c i32) (local $sum i32)
    ;; Three at once; awaited in the order of starting, not of finishing.
    (local.set $a (suspend $async (cont.new $job (ref.func $fetch)) (i32.const 5)))
    (local.set $b (suspend $async (cont.new $job (ref.func $fetch)) (i32.const 1)))
    (local.set $c (suspend $async (cont.new $job (ref.func $fetch)) (i32.const 3)))
    (local.set $sum (i32.add (suspend $await (local.get $a))
      (i32.add (suspend $await (local.get $b)) (suspend $await (local.get $c)))))
    (call $write (i32.const 73) (i32.const 6))
    (call $number (local.get $sum))
    (call $write (i32.const 64) (i32.const 1)))
  (elem declare func $fetch $main)

  (func (export "_start")
    (call $enqueue (cont.new $task (ref.func $main)))
    (call $run)))

;;> fetched 1
;;> fetched 3
;;> fetched 5
;;> total 90
