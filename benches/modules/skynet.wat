;;! operation = "a continuation of the tree: made, suspended once, run to its end"
;;! inlined = true
;;! size = 111111
;;! no_unpatched = "unpatched Wasmtime frees no continuation before its store is dropped, and fails at some 32,000; this benchmark makes more"
;;! talk = 1.72
;;! place = 5
;; Skynet: a tree of continuations in which every node has ten children. A leaf returns its number, a node
;; the sum of what its children return.
;;
;; Each suspends once before it does anything. A node starts its ten children, so that all ten wait, and
;; then resumes each to its end: depth first, so with l levels 10 l + 1 are alive at most.
;;
;; `tree l`: with N = 10^l leaves the result must be N (N - 1) / 2, from (10 N - 1) / 9 continuations. Six
;; levels: 499999500000 from 1111111. l is 9 at most.
;; `run n` is `tree l` for the smallest l that makes n continuations at least.
(module
  (type $ft (func (param i64 i64) (result i64))) (type $ct (cont $ft))
  (type $rf (func (result i64)))                 (type $rest (cont $rf))
  (tag $yield)
  ;; How many have been started, and how many have been resumed after that.
  (global $started (mut i64) (i64.const 0))
  (global $resumed (mut i64) (i64.const 0))

  ;; A new node above the leaves from `$first` on, `$leaves` of them. It runs until it suspends.
  (func $start (param $first i64) (param $leaves i64) (result (ref $rest))
    (block $on_yield (result (ref $rest))
      (resume $ct (on $yield $on_yield)
        (local.get $first) (local.get $leaves) (cont.new $ct (ref.func $node)))
      ;; It must not end before it suspends.
      (unreachable)))
  ;; Child `$k` of the node above the leaves from `$first` on.
  (func $child (param $first i64) (param $leaves i64) (param $k i64) (result (ref $rest))
    (call $start
      (i64.add (local.get $first) (i64.mul (local.get $k) (local.get $leaves)))
      (local.get $leaves)))
  (func $finish (param $c (ref null $rest)) (result i64)
    (resume $rest (local.get $c)))

  (func $node (type $ft) (param $first i64) (param $leaves i64) (result i64)
    (local $step i64)
    (local $c0 (ref null $rest)) (local $c1 (ref null $rest)) (local $c2 (ref null $rest))
    (local $c3 (ref null $rest)) (local $c4 (ref null $rest)) (local $c5 (ref null $rest))
    (local $c6 (ref null $rest)) (local $c7 (ref null $rest)) (local $c8 (ref null $rest))
    (local $c9 (ref null $rest))
    (global.set $started (i64.add (global.get $started) (i64.const 1)))
    (suspend $yield)
    (global.set $resumed (i64.add (global.get $resumed) (i64.const 1)))
    (if (i64.eq (local.get $leaves) (i64.const 1)) (then (return (local.get $first))))
    (local.set $step (i64.div_u (local.get $leaves) (i64.const 10)))
    (local.set $c0 (call $child (local.get $first) (local.get $step) (i64.const 0)))
    (local.set $c1 (call $child (local.get $first) (local.get $step) (i64.const 1)))
    (local.set $c2 (call $child (local.get $first) (local.get $step) (i64.const 2)))
    (local.set $c3 (call $child (local.get $first) (local.get $step) (i64.const 3)))
    (local.set $c4 (call $child (local.get $first) (local.get $step) (i64.const 4)))
    (local.set $c5 (call $child (local.get $first) (local.get $step) (i64.const 5)))
    (local.set $c6 (call $child (local.get $first) (local.get $step) (i64.const 6)))
    (local.set $c7 (call $child (local.get $first) (local.get $step) (i64.const 7)))
    (local.set $c8 (call $child (local.get $first) (local.get $step) (i64.const 8)))
    (local.set $c9 (call $child (local.get $first) (local.get $step) (i64.const 9)))
    (call $finish (local.get $c0))
    (i64.add (call $finish (local.get $c1)))
    (i64.add (call $finish (local.get $c2)))
    (i64.add (call $finish (local.get $c3)))
    (i64.add (call $finish (local.get $c4)))
    (i64.add (call $finish (local.get $c5)))
    (i64.add (call $finish (local.get $c6)))
    (i64.add (call $finish (local.get $c7)))
    (i64.add (call $finish (local.get $c8)))
    (i64.add (call $finish (local.get $c9))))
  (elem declare func $node)

  (func $tree (export "tree") (param $levels i32) (result i64)
    (local $leaves i64) (local $nodes i64) (local $sum i64)
    (if (i32.gt_u (local.get $levels) (i32.const 9)) (then (unreachable)))
    (local.set $leaves (i64.const 1))
    (loop $l
      (if (local.get $levels)
        (then
          (local.set $leaves (i64.mul (local.get $leaves) (i64.const 10)))
          (local.set $levels (i32.sub (local.get $levels) (i32.const 1)))
          (br $l))))
    (global.set $started (i64.const 0))
    (global.set $resumed (i64.const 0))
    (local.set $sum (call $finish (call $start (i64.const 0) (local.get $leaves))))
    (local.set $nodes
      (i64.div_u (i64.sub (i64.mul (local.get $leaves) (i64.const 10)) (i64.const 1)) (i64.const 9)))
    (if (i64.ne (global.get $started) (local.get $nodes)) (then (unreachable)))
    (if (i64.ne (global.get $resumed) (local.get $nodes)) (then (unreachable)))
    (local.get $sum))

  ;; The smallest number of levels that makes `$n` continuations at least.
  (func $levels (param $n i32) (result i32)
    (local $levels i32) (local $nodes i64)
    (local.set $nodes (i64.const 1))
    (loop $l
      (if (i64.lt_u (local.get $nodes) (i64.extend_i32_u (local.get $n)))
        (then
          (local.set $nodes (i64.add (i64.mul (local.get $nodes) (i64.const 10)) (i64.const 1)))
          (local.set $levels (i32.add (local.get $levels) (i32.const 1)))
          (br $l))))
    (local.get $levels))

  (func (export "run") (param $n i32) (result i64)
    (call $tree (call $levels (local.get $n))))

  (func (export "expected") (param $n i32) (result i64)
    (local $leaves i64) (local $levels i32)
    (local.set $levels (call $levels (local.get $n)))
    (local.set $leaves (i64.const 1))
    (loop $l
      (if (local.get $levels)
        (then
          (local.set $leaves (i64.mul (local.get $leaves) (i64.const 10)))
          (local.set $levels (i32.sub (local.get $levels) (i32.const 1)))
          (br $l))))
    (i64.div_u (i64.mul (local.get $leaves) (i64.sub (local.get $leaves) (i64.const 1))) (i64.const 2))))
