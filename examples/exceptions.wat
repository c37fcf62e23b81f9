;; Exceptions across stacks. A generator that fails throws through the `resume` into its consumer. A consumer throws into a
;; generator, which catches the exception at its `yield` and goes on. The generator's `finally` runs either way.
;;
;; Source feature: exceptions in generators. Instructions: cont.new, resume, resume_throw, suspend, try_table, throw_ref.
;; Run: cargo xtask wasmtime run -W stack-switching examples/exceptions.wat
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
  ;; Writes the `$len` bytes at `$ptr`, `$n`, and the end of the line.
  (func $line (param $ptr i32) (param $len i32) (param $n i32)
    (call $write (local.get $ptr) (local.get $len))
    (call $number (local.get $n))
    (call $write (i32.const 64) (i32.const 1)))

  (data (i32.const 64) "\nvalue error finally at ended with ")

  (type $gf (func (result i32))) (type $generator (cont $gf))
  (tag $yield (param i32))
  ;; Exceptions: the generator's own, and what the consumer throws into it.
  (tag $error (param i32))
  (tag $skip (param i32))

  ;; Yields 1, 2 and so on to 9, and fails at 4. A `$skip` has the number behind which it goes on.
  (func $count (type $gf)
    (local $i i32)
    (block $finally (result exnref)
      (try_table (catch_all_ref $finally)
        (loop $next
          (local.set $i (i32.add (local.get $i) (i32.const 1)))
          (if (i32.eq (local.get $i) (i32.const 4)) (then (throw $error (i32.const 40))))
          (block $to (result i32)
            (try_table (catch $skip $to)
              (suspend $yield (local.get $i)))
            (local.get $i))
          (local.set $i)
          (br_if $next (i32.lt_u (local.get $i) (i32.const 9)))))
      (call $line (i32.const 77) (i32.const 11) (local.get $i))
      (return (local.get $i)))
    (call $line (i32.const 77) (i32.const 11) (local.get $i))
    (throw_ref))
  (elem declare func $count)

  ;; Runs a generator to its end. Throws `$skip` into it where it has yielded `$at`.
  (func $consume (param $at i32)
    (local $g (ref null $generator)) (local $value i32)
    (local.set $g (cont.new $generator (ref.func $count)))
    (block $failed (result i32)
      (try_table (catch $error $failed)
        (loop $next
          (block $on_yield (result i32 (ref $generator))
            (if (result i32) (i32.eq (local.get $value) (local.get $at))
              (then (resume_throw $generator $skip (on $yield $on_yield) (i32.const 7) (local.get $g)))
              (else (resume $generator (on $yield $on_yield) (local.get $g))))
            (local.set $value)
            (call $line (i32.const 88) (i32.const 11) (local.get $value))
            (return))
          (local.set $g)
          (local.set $value)
          (call $line (i32.const 65) (i32.const 6) (local.get $value))
          (br $next)))
      (unreachable))
    (local.set $value)
    (call $line (i32.const 71) (i32.const 6) (local.get $value)))

  (func (export "_start")
    (call $consume (i32.const -1))
    (call $consume (i32.const 2))))

;;> value 1
;;> value 2
;;> value 3
;;> finally at 4
;;> error 40
;;> value 1
;;> value 2
;;> value 8
;;> value 9
;;> finally at 9
;;> ended with 9
