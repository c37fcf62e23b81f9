;; Coroutines, asymmetric and symmetric. `$adder` takes a number from each resume, and yields the sum of all so far. `$consumer` and
;; `$producer` hand items to each other, and no third party is in between.
;;
;; Source feature: coroutines, as in Lua. Instructions: cont.new, resume (on, on switch), suspend, switch.
;; Run: cargo xtask wasmtime run -W stack-switching examples/coroutines.wat
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

  (data (i32.const 64) "\nyields returns got total ")

  ;; Asymmetric: a yield passes a number to the resumer, and the next resume passes one back. A body that has not begun takes a
  ;; number, too. So a fresh and a suspended coroutine have the same type.
  (type $af (func (param i32) (result i32))) (type $co (cont $af))
  (tag $yield (param i32) (result i32))

  (func $adder (param $n i32) (result i32)
    (local $sum i32)
    (loop $next
      (local.set $sum (i32.add (local.get $sum) (local.get $n)))
      (local.set $n (suspend $yield (local.get $sum)))
      (br_if $next (local.get $n)))
    (local.get $sum))

  ;; What the coroutine yields, and the rest of it; or what it returns, and null.
  (func $resume (param $co (ref null $co)) (param $n i32) (result i32 (ref null $co))
    (block $on_yield (result i32 (ref $co))
      (resume $co (on $yield $on_yield) (local.get $n) (local.get $co))
      (return (ref.null $co))))

  ;; Symmetric: a coroutine passes an item to its peer, and gets an item back with the peer that waits now.
  (rec
    (type $pf (func (param i32 (ref null $peer)) (result i32)))
    (type $peer (cont $pf)))
  (tag $transfer (result i32))

  ;; Makes 4, 3, 2 and 1, and 0 as the last item.
  (func $producer (type $pf) (param $request i32) (param $consumer (ref null $peer)) (result i32)
    (local $item i32)
    (local.set $item (i32.const 4))
    (loop $next
      (switch $peer $transfer (local.get $item) (local.get $consumer))
      (local.set $consumer)
      (local.set $request)
      (local.set $item (i32.sub (local.get $item) (i32.const 1)))
      (br $next))
    (unreachable))

  ;; Asks for items until one is 0; returns the sum. The producer waits then, and nothing refers to it any more.
  (func $consumer (type $pf) (param $item i32) (param $producer (ref null $peer)) (result i32)
    (local $sum i32)
    (local.set $producer (cont.new $peer (ref.func $producer)))
    (loop $next
      (switch $peer $transfer (i32.const 1) (local.get $producer))
      (local.set $producer)
      (local.set $item)
      (if (i32.eqz (local.get $item)) (then (return (local.get $sum))))
      (call $line (i32.const 80) (i32.const 4) (local.get $item))
      (local.set $sum (i32.add (local.get $sum) (local.get $item)))
      (br $next))
    (unreachable))
  (elem declare func $adder $producer $consumer)

  (func (export "_start")
    (local $co (ref null $co)) (local $n i32) (local $answer i32)
    (local.set $co (cont.new $co (ref.func $adder)))
    (local.set $n (i32.const 3))
    (loop $next
      (call $resume (local.get $co) (local.get $n))
      (local.set $co)
      (local.set $answer)
      (if (i32.eqz (ref.is_null (local.get $co)))
        (then
          (call $line (i32.const 65) (i32.const 7) (local.get $answer))
          (local.set $n (i32.sub (local.get $n) (i32.const 1)))
          (br $next))))
    (call $line (i32.const 72) (i32.const 8) (local.get $answer))
    ;; What the first coroutine to return returns is the result of this `resume`.
    (resume $peer (on $transfer switch) (i32.const 0) (ref.null $peer) (cont.new $peer (ref.func $consumer)))
    (local.set $answer)
    (call $line (i32.const 84) (i32.const 6) (local.get $answer))))

;;> yields 3
;;> yields 5
;;> yields 6
;;> returns 6
;;> got 4
;;> got 3
;;> got 2
;;> got 1
;;> total 10
