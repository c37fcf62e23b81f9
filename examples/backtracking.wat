;; Search with backtracking, by continuations that are used once. `$choose` gives one of several numbers, and `$fail` gives up.
;; A continuation cannot go on twice. So the handler keeps a log of its answers: to take another way, it runs the program anew, and
;; gives the same answers up to the last one.
;;
;; Source feature: multi-shot effect handlers, `amb`. Instructions: cont.new, resume (two clauses), suspend.
;; Run: cargo xtask wasmtime run -W stack-switching examples/backtracking.wat
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

  (data (i32.const 64) "\n ")

  ;; A program takes a number that it ignores, so that it has the same type before it begins and after each `$choose`.
  (type $pf (func (param i32))) (type $program (cont $pf))
  (type $ff (func))             (type $failed (cont $ff))
  (tag $choose (param i32) (result i32))
  (tag $fail)

  ;; The log: for each choice, the answer and the number of answers.
  (global $length (mut i32) (i32.const 0))
  (func $entry (param $i i32) (result i32) (i32.add (i32.const 256) (i32.mul (local.get $i) (i32.const 8))))

  ;; Changes the log to the next way. Returns 0 if there is none.
  (func $advance (result i32)
    (local $entry i32)
    (loop $last
      (if (i32.eqz (global.get $length)) (then (return (i32.const 0))))
      (local.set $entry (call $entry (i32.sub (global.get $length) (i32.const 1))))
      (i32.store (local.get $entry) (i32.add (i32.load (local.get $entry)) (i32.const 1)))
      (if (i32.eq (i32.load (local.get $entry)) (i32.load offset=4 (local.get $entry)))
        (then
          (global.set $length (i32.sub (global.get $length) (i32.const 1)))
          (br $last))))
    (i32.const 1))

  ;; Runs the program on the way that the log says, and on the first one beyond the end of the log.
  (func $run (param $k (ref $program))
    (local $at i32) (local $answer i32) (local $count i32)
    (loop $next
      (block $on_fail (result (ref $failed))
        (block $on_choose (result i32 (ref $program))
          (resume $program (on $choose $on_choose) (on $fail $on_fail) (local.get $answer) (local.get $k))
          (return))
        (local.set $k)
        (local.set $count)
        (if (i32.eq (local.get $at) (global.get $length))
          (then
            (i32.store (call $entry (local.get $at)) (i32.const 0))
            (i32.store offset=4 (call $entry (local.get $at)) (local.get $count))
            (global.set $length (i32.add (local.get $at) (i32.const 1)))))
        (local.set $answer (i32.load (call $entry (local.get $at))))
        (local.set $at (i32.add (local.get $at) (i32.const 1)))
        (br $next))
      ;; Nobody goes on with what has failed.
      (drop)))

  ;; Right triangles whose sides are at most 13.
  (func $triangles (type $pf) (param $ignored i32)
    (local $a i32) (local $b i32) (local $c i32)
    (local.set $a (i32.add (suspend $choose (i32.const 13)) (i32.const 1)))
    (local.set $b (i32.add (suspend $choose (i32.const 13)) (i32.const 1)))
    (if (i32.le_u (local.get $b) (local.get $a)) (then (suspend $fail)))
    (local.set $c (i32.add (suspend $choose (i32.const 13)) (i32.const 1)))
    (if (i32.ne
          (i32.add (i32.mul (local.get $a) (local.get $a)) (i32.mul (local.get $b) (local.get $b)))
          (i32.mul (local.get $c) (local.get $c)))
      (then (suspend $fail)))
    (call $number (local.get $a))
    (call $write (i32.const 65) (i32.const 1))
    (call $number (local.get $b))
    (call $write (i32.const 65) (i32.const 1))
    (call $number (local.get $c))
    (call $write (i32.const 64) (i32.const 1)))
  (elem declare func $triangles)

  (func (export "_start")
    (loop $each
      (call $run (cont.new $program (ref.func $triangles)))
      (br_if $each (call $advance)))))

;;> 3 4 5
;;> 5 12 13
;;> 6 8 10
