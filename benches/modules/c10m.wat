;;! operation = "a connection: made, waits while 10,000 do, answers with 32 KiB of C stack, ends"
;;! inlined = true
;;! size = 1000000
;;! no_unpatched = "unpatched Wasmtime frees no continuation before its store is dropped, and fails at some 32,000; this benchmark makes more"
;;! talk = 1.49
;;! place = 4
;; Many connections, of which 10,000 are alive at a time: each is a continuation that waits for its request, then takes
;; 32 KiB of stack to answer it, and ends.
;;
;; Their stack is the one that C compilers for Wasm keep in linear memory for what has an address: a connection moves the
;; stack pointer, writes a word to each of eight pages, and reads them. (`c10m_stack.wat` takes the continuation's own.)
;;
;; `run n` keeps those that wait in a ring of 10,000 slots. When a slot's turn comes, the one in it is resumed to its
;; end, and a new one takes its place while there are any. Connection i answers 8 i + 44.
(module
  ;; Starts with its number; waits with the same type, for its request.
  (type $ft (func (param i64) (result i64)))
  (type $ct (cont $ft))
  (tag $request (result i64))
  (table $ring 10000 (ref null $ct))
  (memory 1)
  (global $stack_pointer (mut i32) (i32.const 65536))

  ;; Eight words, `$v` to `$v` + 7, each at the start of a page of a buffer on the stack; returns their sum.
  (func $work (param $v i64) (result i64)
    (local $buffer i32) (local $at i32) (local $sum i64)
    (local.set $buffer (i32.sub (global.get $stack_pointer) (i32.const 32768)))
    (global.set $stack_pointer (local.get $buffer))
    (loop $write
      (i64.store (i32.add (local.get $buffer) (local.get $at)) (local.get $v))
      (local.set $v (i64.add (local.get $v) (i64.const 1)))
      (local.set $at (i32.add (local.get $at) (i32.const 4096)))
      (br_if $write (i32.lt_u (local.get $at) (i32.const 32768))))
    (loop $read
      (local.set $at (i32.sub (local.get $at) (i32.const 4096)))
      (local.set $sum
        (i64.add (local.get $sum) (i64.load (i32.add (local.get $buffer) (local.get $at)))))
      (br_if $read (local.get $at)))
    (global.set $stack_pointer (i32.add (local.get $buffer) (i32.const 32768)))
    (local.get $sum))

  ;; With 2 as its request.
  (func $connection (type $ft) (param $i i64) (result i64)
    (call $work (i64.add (local.get $i) (suspend $request))))
  (elem declare func $connection)

  ;; Connection `$i`, which waits.
  (func $connect (param $i i64) (result (ref $ct))
    (block $on_request (result (ref $ct))
      (resume $ct (on $request $on_request) (local.get $i) (cont.new $ct (ref.func $connection)))
      ;; It must not end before it has a request.
      (unreachable)))

  (func (export "run") (param $connections i32) (result i64)
    (local $n i64) (local $i i64) (local $end i64) (local $slot i32) (local $sum i64)
    (local.set $n (i64.extend_i32_u (local.get $connections)))
    (local.set $end (i64.add (local.get $n) (i64.const 10000)))
    ;; More turns than connections: in the last round nobody new comes.
    (loop $turn
      (if (i32.eqz (ref.is_null (table.get $ring (local.get $slot))))
        (then
          (local.set $sum
            (i64.add (local.get $sum)
              (resume $ct (i64.const 2) (table.get $ring (local.get $slot)))))
          (table.set $ring (local.get $slot) (ref.null $ct))))
      (if (i64.lt_u (local.get $i) (local.get $n))
        (then (table.set $ring (local.get $slot) (call $connect (local.get $i)))))
      (local.set $slot (i32.add (local.get $slot) (i32.const 1)))
      (if (i32.eq (local.get $slot) (i32.const 10000)) (then (local.set $slot (i32.const 0))))
      (local.set $i (i64.add (local.get $i) (i64.const 1)))
      (br_if $turn (i64.lt_u (local.get $i) (local.get $end))))
    (local.get $sum))

  ;; The sum over i of 8 (i + 2) + 28.
  (func (export "expected") (param $n i32) (result i64)
    (local $m i64)
    (local.set $m (i64.extend_i32_u (local.get $n)))
    (i64.add
      (i64.mul (i64.const 4) (i64.mul (local.get $m) (i64.sub (local.get $m) (i64.const 1))))
      (i64.mul (i64.const 44) (local.get $m)))))
