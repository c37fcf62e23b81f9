;; Generators in objects, in an array that a random walk goes over: it starts, steps, moves, throws, wraps and abandons them. Each
;; object says what its generator yields next.
;;
;; `run seed n` takes n steps, and returns a sum of what was yielded. It traps if a generator yields something else.
(module
  (type $gf (func (param i64) (result i64))) (type $g (cont $gf))
  ;; Yields $value + $depth next, if it is resumed with 0.
  (type $cell (struct (field $k (mut (ref null $g))) (field $value (mut i64)) (field $depth (mut i64))))
  (type $cells (array (mut (ref null $cell))))
  (type $node (struct (field $value i64) (field $next (ref null $node))))
  (type $hf (func (param (ref $cell) i64) (result i64))) (type $h (cont $hf))
  (tag $yield (param i64) (result i64))
  (tag $carry (param (ref null $cell)))
  (global $seed (mut i64) (i64.const 0))
  (global $cells (mut (ref null $cells)) (ref.null $cells))
  (elem declare func $body $holder)

  (func $random (param $below i32) (result i32)
    (global.set $seed (i64.add (i64.const 1442695040888963407) (i64.mul (i64.const 6364136223846793005) (global.get $seed))))
    (i32.rem_u (i32.wrap_i64 (i64.shr_u (global.get $seed) (i64.const 33))) (local.get $below)))

  ;; Yields x, then 5 x + what it is resumed with, and so on. Its last ten values are in a list.
  (func $body (type $gf) (local $list (ref null $node)) (local $i i32)
    (loop $again
      (local.set $list (struct.new $node (local.get 0) (local.get $list)))
      (if (i32.eq (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 10))
        (then (local.set $list (struct.new $node (local.get 0) (ref.null $node))) (local.set $i (i32.const 0))))
      (suspend $yield (local.get 0))
      (local.set 0 (i64.add (i64.mul (i64.const 5) (struct.get $node $value (local.get $list)))))
      (br $again))
    (unreachable))
  ;; Yields one more than the generator in a cell that nobody else has.
  (func $holder (type $hf)
    (loop $again
      (local.set 1 (suspend $yield (i64.add (i64.const 1) (call $resume (local.get 0) (local.get 1)))))
      (br $again))
    (unreachable))

  (func $resume (param $cell (ref $cell)) (param $with i64) (result i64) (local $k (ref null $g)) (local $value i64)
    (block $yielded (result i64 (ref $g))
      (resume $g (on $yield $yielded) (local.get $with) (struct.get $cell $k (local.get $cell)))
      (unreachable))
    (local.set $k) (local.set $value)
    (struct.set $cell $k (local.get $cell) (local.get $k))
    (local.get $value))

  (func $start (param $value i64) (result (ref $cell)) (local $cell (ref $cell))
    (local.set $cell (struct.new $cell (cont.new $g (ref.func $body)) (local.get $value) (i64.const 0)))
    (if (i64.ne (call $resume (local.get $cell) (local.get $value)) (local.get $value)) (then (unreachable)))
    (struct.set $cell $value (local.get $cell) (i64.mul (i64.const 5) (local.get $value)))
    (local.get $cell))

  (func $step (param $cell (ref $cell)) (param $with i64) (result i64) (local $value i64)
    (local.set $value (i64.add (struct.get $cell $value (local.get $cell)) (local.get $with)))
    (if (i64.ne (call $resume (local.get $cell) (local.get $with))
                (i64.add (local.get $value) (struct.get $cell $depth (local.get $cell))))
      (then (unreachable)))
    (struct.set $cell $value (local.get $cell) (i64.mul (i64.const 5) (local.get $value)))
    (local.get $value))

  ;; Moves a cell's generator into the frame of another, which the cell has instead.
  (func $wrap (param $cell (ref $cell)) (local $inner (ref $cell))
    (if (i64.gt_u (struct.get $cell $depth (local.get $cell)) (i64.const 6)) (then (return)))
    (local.set $inner (struct.new $cell (struct.get $cell $k (local.get $cell)) (i64.const 0) (i64.const 0)))
    (struct.set $cell $k (local.get $cell) (cont.bind $h $g (local.get $inner) (cont.new $h (ref.func $holder))))
    (struct.set $cell $depth (local.get $cell) (i64.add (i64.const 1) (struct.get $cell $depth (local.get $cell)))))

  (func $litter (param $n i32) (local $list (ref null $node))
    (loop $l
      (local.set $list (struct.new $node (i64.const -1) (local.get $list)))
      (br_if $l (local.tee $n (i32.sub (local.get $n) (i32.const 1))))))

  (func $at (param $i i32) (result (ref $cell)) (local $cell (ref null $cell))
    (local.set $cell (array.get $cells (global.get $cells) (local.get $i)))
    (if (ref.is_null (local.get $cell))
      (then
        (local.set $cell (call $start (i64.extend_i32_u (call $random (i32.const 1000000)))))
        (array.set $cells (global.get $cells) (local.get $i) (local.get $cell))))
    (ref.as_non_null (local.get $cell)))

  (func (export "run") (param $seed i32) (param $n i32) (result i64)
    (local $i i32) (local $j i32) (local $sum i64) (local $cell (ref null $cell))
    (global.set $seed (i64.extend_i32_u (local.get $seed)))
    (global.set $cells (array.new_default $cells (i32.const 512)))
    (loop $next
      (local.set $i (call $random (i32.const 512)))
      (local.set $j (call $random (i32.const 512)))
      (block $done
        (block $8 (block $7 (block $6 (block $5 (block $4 (block $3
          (br_table $3 $3 $3 $3 $4 $5 $6 $7 $8 (call $random (i32.const 9))))
          ;; step
          (local.set $sum (i64.add (i64.mul (i64.const 3) (local.get $sum))
            (call $step (call $at (local.get $i)) (i64.extend_i32_u (call $random (i32.const 100))))))
          (br $done))
          ;; abandon
          (array.set $cells (global.get $cells) (local.get $i) (ref.null $cell))
          (br $done))
          ;; swap
          (local.set $cell (array.get $cells (global.get $cells) (local.get $i)))
          (array.set $cells (global.get $cells) (local.get $i) (array.get $cells (global.get $cells) (local.get $j)))
          (array.set $cells (global.get $cells) (local.get $j) (local.get $cell))
          (br $done))
          ;; throw, with garbage before
          (block $caught (result (ref null $cell))
            (try_table (catch $carry $caught)
              (local.set $cell (array.get $cells (global.get $cells) (local.get $i)))
              (call $litter (i32.const 20))
              (throw $carry (local.get $cell)))
            (unreachable))
          (local.set $cell)
          (array.set $cells (global.get $cells) (local.get $j) (local.get $cell))
          (br $done))
          ;; wrap
          (call $wrap (call $at (local.get $i)))
          (br $done))
        ;; share: both slots have the same cells
        (array.copy $cells $cells (global.get $cells) (i32.and (local.get $i) (i32.const 496))
          (global.get $cells) (i32.and (local.get $j) (i32.const 496)) (i32.const 16)))
      (br_if $next (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
    (global.set $cells (ref.null $cells))
    (local.get $sum)))
