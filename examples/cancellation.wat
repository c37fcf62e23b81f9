;; Cancellation: an exception is thrown into a task where it waits, so that its clean-up runs. The task may catch the exception, and
;; wait again. Of a task that has not begun, nothing runs. Nor does clean-up run for a task to which nothing refers any more: the
;; engine takes back its stack.
;;
;; Source feature: cancellation. Instructions: cont.new, resume, resume_throw, suspend, try_table, throw_ref.
;; Run: cargo xtask wasmtime run -W stack-switching examples/cancellation.wat
(module
  (import "wasi_snapshot_preview1" "fd_write"
    (func $fd_write (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)

  ;; Writes the `$len` bytes at `$ptr`.
  (func $write (param $ptr i32) (param $len i32)
    (i32.store (i32.const 0) (local.get $ptr))
    (i32.store (i32.const 4) (local.get $len))
    (drop (call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8))))

  (data (i32.const 64) "opens\ncloses\nsaves\nis cancelled\nwaits\nends\n")
  (func $opens (call $write (i32.const 64) (i32.const 6)))
  (func $closes (call $write (i32.const 70) (i32.const 7)))
  (func $saves (call $write (i32.const 77) (i32.const 6)))

  (type $tf (func)) (type $task (cont $tf))
  (tag $wait)
  ;; A tag of its own: what a program catches as its errors does not stop a cancellation.
  (tag $cancelled)

  ;; Holds something open while it waits, and waits without end.
  (func $holds (type $tf)
    (block $cleanup (result exnref)
      (try_table (catch_all_ref $cleanup)
        (call $opens)
        (loop $l (suspend $wait) (br $l)))
      (unreachable))
    (call $closes)
    (throw_ref))

  ;; Saves what it has, which takes another wait, and returns.
  (func $takes_its_time (type $tf)
    (block $asked
      (try_table (catch $cancelled $asked)
        (loop $l (suspend $wait) (br $l))))
    (suspend $wait)
    (call $saves))
  (elem declare func $holds $takes_its_time)

  ;; Runs the task until it waits: the rest, or null at its end.
  (func $step (param $task (ref null $task)) (result (ref null $task))
    (block $on_wait (result (ref $task))
      (resume $task (on $wait $on_wait) (local.get $task))
      (call $write (i32.const 102) (i32.const 5))
      (return (ref.null $task)))
    (call $write (i32.const 96) (i32.const 6)))

  ;; As `$step`, with an exception where the task waits.
  (func $cancel (param $task (ref null $task)) (result (ref null $task))
    (block $gone
      (block $on_wait (result (ref $task))
        (try_table (catch $cancelled $gone)
          (resume_throw $task $cancelled (on $wait $on_wait) (local.get $task)))
        (call $write (i32.const 102) (i32.const 5))
        (return (ref.null $task)))
      (call $write (i32.const 96) (i32.const 6))
      (return))
    (call $write (i32.const 83) (i32.const 13))
    (ref.null $task))

  (func (export "_start")
    ;; Its clean-up runs, and the exception comes out of the `resume_throw`.
    (drop (call $cancel (call $step (cont.new $task (ref.func $holds)))))
    ;; Nothing of it runs.
    (drop (call $cancel (cont.new $task (ref.func $holds))))
    ;; It waits once more, and ends.
    (drop (call $step (call $cancel (call $step (cont.new $task (ref.func $takes_its_time))))))
    ;; Dropped: it does not close what it has opened.
    (drop (call $step (cont.new $task (ref.func $holds))))))

;;> opens
;;> waits
;;> closes
;;> is cancelled
;;> is cancelled
;;> waits
;;> waits
;;> saves
;;> ends
;;> opens
;;> waits
