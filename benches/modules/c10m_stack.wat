;;! operation = "as c10m, but with 32 KiB of the continuation's own stack, all of it written"
;;! size = 100000
;;! no_unpatched = "unpatched Wasmtime frees no continuation before its store is dropped, and fails at some 32,000; this benchmark makes more"
;; Many connections, of which some are alive at a time: each is a continuation that waits for its request,
;; then takes about 32 KiB of stack to answer it, and ends.
;;
;; `ring connections alive` keeps those that wait in a ring of `alive` slots. When a slot's turn comes, the
;; one in it is resumed to its end, and a new one takes its place while there are any. The sum of the
;; answers must be 1792 * connections * (connections + 1). `alive` is 1 at least.
;; `run n` is `ring n 10000`.
(module
  ;; Starts with its number; waits with the same type, for its request.
  (type $ft (func (param i64) (result i64)))
  (type $ct (cont $ft))
  (tag $request (result i64))
  (table $ring 0 (ref null $ct))

  ;; Calls itself `$n` deep. The seven vectors are used after the call, and in Wasmtime no register keeps
  ;; its value over a call: so they are in the frame, 112 bytes, with 16 more for the return address and
  ;; the frame pointer. Each of the `$n` frames adds 14 times what is in the vectors.
  (func $work (param $n i32)
      (param $a v128) (param $b v128) (param $c v128) (param $d v128)
      (param $e v128) (param $f v128) (param $g v128) (result i64)
    (local $sum i64) (local $v v128)
    (if (i32.eqz (local.get $n)) (then (return (i64.const 0))))
    (local.set $sum
      (call $work (i32.sub (local.get $n) (i32.const 1))
        (local.get $a) (local.get $b) (local.get $c) (local.get $d)
        (local.get $e) (local.get $f) (local.get $g)))
    (local.set $v
      (i64x2.add
        (i64x2.add
          (i64x2.add (local.get $a) (local.get $b))
          (i64x2.add (local.get $c) (local.get $d)))
        (i64x2.add
          (i64x2.add (local.get $e) (local.get $f))
          (local.get $g))))
    (i64.add (local.get $sum)
      (i64.add (i64x2.extract_lane 0 (local.get $v)) (i64x2.extract_lane 1 (local.get $v)))))

  ;; 256 frames of 128 bytes, as measured on x86-64: 32 KiB. Connection i, with 1 as its request, answers
  ;; 3584 (i + 1).
  (func $connection (type $ft) (param $i i64) (result i64)
    (local $v v128)
    (local.set $v (i64x2.splat (i64.add (local.get $i) (suspend $request))))
    (call $work (i32.const 256)
      (local.get $v) (local.get $v) (local.get $v) (local.get $v)
      (local.get $v) (local.get $v) (local.get $v)))
  (elem declare func $connection)

  ;; Connection `$i`, which waits.
  (func $connect (param $i i64) (result (ref $ct))
    (block $on_request (result (ref $ct))
      (resume $ct (on $request $on_request) (local.get $i) (cont.new $ct (ref.func $connection)))
      ;; It must not end before it has a request.
      (unreachable)))

  (func $ring (export "ring") (param $connections i32) (param $alive i32) (result i64)
    (local $n i64) (local $i i64) (local $end i64) (local $slot i32) (local $sum i64)
    (if (i32.eqz (local.get $alive)) (then (unreachable)))
    (if (i32.lt_u (table.size $ring) (local.get $alive))
      (then
        (if (i32.eq (i32.const -1)
              (table.grow $ring (ref.null $ct) (i32.sub (local.get $alive) (table.size $ring))))
          (then (unreachable)))))
    (local.set $n (i64.extend_i32_u (local.get $connections)))
    (local.set $end (i64.add (local.get $n) (i64.extend_i32_u (local.get $alive))))
    ;; `alive` more turns than connections: in the last round nobody new comes.
    (loop $turn
      (if (i32.eqz (ref.is_null (table.get $ring (local.get $slot))))
        (then
          (local.set $sum
            (i64.add (local.get $sum)
              (resume $ct (i64.const 1) (table.get $ring (local.get $slot)))))
          (table.set $ring (local.get $slot) (ref.null $ct))))
      (if (i64.lt_u (local.get $i) (local.get $n))
        (then (table.set $ring (local.get $slot) (call $connect (local.get $i)))))
      (local.set $slot (i32.add (local.get $slot) (i32.const 1)))
      (if (i32.eq (local.get $slot) (local.get $alive)) (then (local.set $slot (i32.const 0))))
      (local.set $i (i64.add (local.get $i) (i64.const 1)))
      (br_if $turn (i64.lt_u (local.get $i) (local.get $end))))
    (local.get $sum))

  (func (export "run") (param $n i32) (result i64)
    (call $ring (local.get $n) (i32.const 10000)))

  (func (export "expected") (param $n i32) (result i64)
    (local $m i64)
    (local.set $m (i64.extend_i32_u (local.get $n)))
    (i64.mul (i64.const 1792) (i64.mul (local.get $m) (i64.add (local.get $m) (i64.const 1))))))
