;; Trees that generators walk. A recursive walk has a frame for each level, and each holds a part of the tree. A walk stops anywhere,
;; goes on later, ends, or is abandoned with all its frames.
;;
;; `run seed n` takes n steps, and returns a sum of what the walks yielded. It traps if a walk yields something else.
(module
  (type $tree (struct (field $left (ref null $tree)) (field $value i64) (field $right (ref null $tree))))
  (type $wf (func (param (ref null $tree)))) (type $w (cont $wf))
  (type $rf (func)) (type $r (cont $rf))
  ;; Yields the values of $first, $first + 1, ... next; there are $left of them.
  (type $walk (struct (field $k (mut (ref null $r))) (field $first (mut i64)) (field $left (mut i32))))
  (type $walks (array (mut (ref null $walk))))
  (tag $yield (param i64))
  (global $seed (mut i64) (i64.const 0))
  (elem declare func $visit)

  (func $random (param $below i32) (result i32)
    (global.set $seed (i64.add (i64.const 1442695040888963407) (i64.mul (i64.const 6364136223846793005) (global.get $seed))))
    (i32.rem_u (i32.wrap_i64 (i64.shr_u (global.get $seed) (i64.const 33))) (local.get $below)))

  (func $value (param $index i64) (result i64)
    (i64.xor (i64.mul (local.get $index) (i64.const -7046029254386353131)) (i64.shr_u (local.get $index) (i64.const 7))))

  ;; A tree of so many nodes, with the values of $first and on in order. A thin one has a node at each level.
  (func $build (param $first i64) (param $count i32) (param $thin i32) (result (ref null $tree)) (local $left i32)
    (if (i32.eqz (local.get $count)) (then (return (ref.null $tree))))
    (if (i32.eqz (local.get $thin)) (then (local.set $left (call $random (local.get $count)))))
    (struct.new $tree
      (call $build (local.get $first) (local.get $left) (local.get $thin))
      (call $value (i64.add (local.get $first) (i64.extend_i32_u (local.get $left))))
      (call $build
        (i64.add (local.get $first) (i64.extend_i32_u (i32.add (local.get $left) (i32.const 1))))
        (i32.sub (i32.sub (local.get $count) (local.get $left)) (i32.const 1))
        (local.get $thin))))

  (func $visit (type $wf)
    (if (ref.is_null (local.get 0)) (then (return)))
    (call $visit (struct.get $tree $left (local.get 0)))
    (suspend $yield (struct.get $tree $value (local.get 0)))
    (call $visit (struct.get $tree $right (local.get 0)))
    ;; Keeps the tree in the frame, also behind its last part.
    (if (i64.eqz (struct.get $tree $value (local.get 0))) (then (suspend $yield (i64.const 0)))))

  (func $start (result (ref $walk)) (local $first i64) (local $count i32) (local $thin i32)
    (local.set $first (i64.extend_i32_u (i32.add (i32.const 1) (call $random (i32.const 1000000)))))
    (local.set $thin (i32.eqz (call $random (i32.const 32))))
    (local.set $count (call $random (select (i32.const 1000) (i32.const 150) (local.get $thin))))
    (struct.new $walk
      (cont.bind $w $r
        (call $build (local.get $first) (local.get $count) (local.get $thin))
        (cont.new $w (ref.func $visit)))
      (local.get $first)
      (local.get $count)))

  ;; A step of a walk: what it yields, or 0 at its end.
  (func $step (param $walk (ref $walk)) (result i64) (local $k (ref null $r)) (local $value i64)
    (local.set $value (call $value (struct.get $walk $first (local.get $walk))))
    (block $yielded (result i64 (ref $r))
      (resume $r (on $yield $yielded) (struct.get $walk $k (local.get $walk)))
      (if (struct.get $walk $left (local.get $walk)) (then (unreachable)))
      (return (i64.const 0)))
    (local.set $k)
    (if (i64.ne (local.get $value)) (then (unreachable)))
    (if (i32.eqz (struct.get $walk $left (local.get $walk))) (then (unreachable)))
    (struct.set $walk $k (local.get $walk) (local.get $k))
    (struct.set $walk $first (local.get $walk) (i64.add (i64.const 1) (struct.get $walk $first (local.get $walk))))
    (struct.set $walk $left (local.get $walk) (i32.sub (struct.get $walk $left (local.get $walk)) (i32.const 1)))
    (local.get $value))

  (func (export "run") (param $seed i32) (param $n i32) (result i64)
    (local $walks (ref $walks)) (local $i i32) (local $steps i32) (local $value i64) (local $sum i64)
    (local $walk (ref null $walk))
    (global.set $seed (i64.extend_i32_u (local.get $seed)))
    (local.set $walks (array.new_default $walks (i32.const 64)))
    (loop $next
      (local.set $i (call $random (i32.const 64)))
      (local.set $walk (array.get $walks (local.get $walks) (local.get $i)))
      (if (ref.is_null (local.get $walk))
        (then
          (local.set $walk (call $start))
          (array.set $walks (local.get $walks) (local.get $i) (local.get $walk))))
      (local.set $steps (i32.add (i32.const 1) (call $random (i32.const 40))))
      (block $done
        (loop $more
          (local.set $value (call $step (ref.as_non_null (local.get $walk))))
          (local.set $sum (i64.add (i64.mul (i64.const 3) (local.get $sum)) (local.get $value)))
          (if (i64.eqz (local.get $value))
            (then (array.set $walks (local.get $walks) (local.get $i) (ref.null $walk)) (br $done)))
          (br_if $more (local.tee $steps (i32.sub (local.get $steps) (i32.const 1)))))
        (if (i32.eqz (call $random (i32.const 6)))
          (then (array.set $walks (local.get $walks) (local.get $i) (ref.null $walk)))))
      (br_if $next (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
    (local.get $sum)))
