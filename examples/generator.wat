;; A generator: `$numbers` yields 1, 2, ... 5, and the consumer prints each as it comes.
;;
;; Source feature: generators (`yield`). Instructions: cont.new, resume (on), suspend.
;; Run: cargo xtask wasmtime run -W stack-switching examples/generator.wat
(module
  (import "wasi_snapshot_preview1" "fd_write"
    (func $fd_write (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)

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

  ;; Prints `$n`, which has one digit, and a newline.
  (func $print (param $n i32)
    ;; The text at 8, its place and length at 0.
    (i32.store8 (i32.const 8) (i32.add (i32.const 48) (local.get $n)))
    (i32.store8 (i32.const 9) (i32.const 10))
    (i32.store (i32.const 0) (i32.const 8))
    (i32.store (i32.const 4) (i32.const 2))
    (drop (call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 16))))

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
      (call $print)
      (br $next))))
