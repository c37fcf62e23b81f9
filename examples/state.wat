;; A state effect: `$get` and `$put` are operations whose meaning the handler gives. This handler keeps the state, and counts the
;; writes. It is a deep handler: it resumes the program with the same clauses each time.
;;
;; Source feature: effect handlers. Instructions: cont.new, cont.bind, resume (two clauses), suspend.
;; Run: cargo xtask wasmtime run -W stack-switching examples/state.wat
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

  (data (i32.const 64) "result  state  writes \n")

  (type $ff (func (result i32)))             (type $fresh (cont $ff))
  (type $gf (func (param i32) (result i32))) (type $got (cont $gf))
  (tag $get (result i32))
  (tag $put (param i32))

  ;; Adds up what it finds, and doubles it, five times.
  (func $program (result i32)
    (local $i i32) (local $sum i32)
    (loop $l
      (local.set $sum (i32.add (local.get $sum) (suspend $get)))
      (suspend $put (i32.mul (suspend $get) (i32.const 2)))
      (br_if $l (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 5))))
    (local.get $sum))
  (elem declare func $program)

  ;; Runs `$k` with `$state`; returns its result, the last state and the number of writes.
  (func $run (param $state i32) (param $k (ref $fresh)) (result i32 i32 i32)
    (local $writes i32) (local $result i32) (local $g (ref null $got))
    (loop $next
      (block $on_put (result i32 (ref $fresh))
        (block $on_get (result (ref $got))
          (local.set $result
            (resume $fresh (on $get $on_get) (on $put $on_put) (local.get $k)))
          (return (local.get $result) (local.get $state) (local.get $writes)))
        (local.set $g)
        (local.set $k (cont.bind $got $fresh (local.get $state) (local.get $g)))
        (br $next))
      (local.set $k)
      (local.set $state)
      (local.set $writes (i32.add (local.get $writes) (i32.const 1)))
      (br $next))
    (unreachable))

  (func (export "_start")
    (local $result i32) (local $state i32) (local $writes i32)
    (call $run (i32.const 3) (cont.new $fresh (ref.func $program)))
    (local.set $writes) (local.set $state) (local.set $result)
    (call $write (i32.const 64) (i32.const 7))
    (call $number (local.get $result))
    (call $write (i32.const 71) (i32.const 7))
    (call $number (local.get $state))
    (call $write (i32.const 78) (i32.const 8))
    (call $number (local.get $writes))
    (call $write (i32.const 86) (i32.const 1))))

;;> result 93 state 96 writes 5
