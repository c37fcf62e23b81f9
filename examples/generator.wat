;; A generator: `$numbers` yields 1, 2, ... 5, and the consumer prints each as it comes.
;;
;; Source feature: generators (`yield`). Instructions: cont.new, resume (on), suspend.
;; Run: cargo xtask wasmtime run -W stack-switching examples/generator.wat
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

  (data (i32.const 64) "\n")

  (type $ft (func))
  (type $ct (cont $ft))
  ;; What a generator does: it gives out an i32 and expects nothing back.
  (tag $yield (param i32))

  (func $numbers
    (local $i i32)
    (loop $next
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (suspend $yield (local.get $i))
      (br_if $next (i32.lt_u (local.get $i) (i32.const 5)))))
  (elem declare func $numbers)

  (func (export "_start")
    (local $c (ref null $ct))
    (local.set $c (cont.new $ct (ref.func $numbers)))
    (loop $next
      (block $on_yield (result i32 (ref $ct))
        (resume $ct (on $yield $on_yield) (local.get $c))
        ;; The generator returned: there are no more numbers.
        (return))
      ;; The number and the rest of the generator are on the stack.
      (local.set $c)
      (call $number)
      (call $write (i32.const 64) (i32.const 1))
      (br $next))))

;;> 1
;;> 2
;;> 3
;;> 4
;;> 5
