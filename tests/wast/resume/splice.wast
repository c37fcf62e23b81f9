;; Semantics, rule 4: a captured chain is spliced below the new resumer: below another depth, inside another
;; chain, one capture inside another. What it suspends with then is handled by whoever is outside of it now.

(module
  (type $f (func (result i32))) (type $c (cont $f))
  (type $kf (func (param i32) (result i32))) (type $k (cont $kf))
  (tag $t (param i32) (result i32)) (tag $u (param i32) (result i32)) (tag $never (param i32) (result i32))
  (global $depth (mut i32) (i32.const 0))
  (global $k (mut (ref null $k)) (ref.null $k))
  (elem declare func $chain $deeper)

  ;; As many stacks as the parameter says, then n = t(1), then u(n).
  (func $chain (type $kf)
    (if (i32.eqz (local.get 0))
      (then (return (suspend $u (suspend $t (i32.const 1))))))
    (block $on (result i32 (ref $k))
      (return (i32.add (i32.const 1)
        (resume $k (on $never $on) (i32.sub (local.get 0) (i32.const 1)) (cont.new $k (ref.func $chain))))))
    (unreachable))
  ;; Resumes $k with 500 below as many stacks as the parameter says, each of which adds 1000.
  (func $deeper (type $kf)
    (if (i32.eqz (local.get 0)) (then (return (resume $k (i32.const 500) (global.get $k)))))
    (i32.add (i32.const 1000)
      (resume $k (i32.sub (local.get 0) (i32.const 1)) (cont.new $k (ref.func $deeper)))))

  (func $capture (param i32)
    (local $v i32)
    (block $on (result i32 (ref $k))
      (drop (resume $k (on $t $on) (local.get 0) (cont.new $k (ref.func $chain))))
      (unreachable))
    (global.set $k)
    (local.set $v)
    (if (i32.ne (local.get $v) (i32.const 1)) (then (unreachable))))
  ;; A chain of n stacks, captured, resumed below m more; the u it then does captures n + m stacks; they are
  ;; resumed in turn below p plain calls.
  (func (export "splice") (param $n i32) (param $m i32) (param $p i32) (result i32 i32)
    (local $u i32)
    (call $capture (local.get $n))
    (block $on (result i32 (ref $k))
      (drop (resume $k (on $u $on) (on $t $on) (local.get $m) (cont.new $k (ref.func $deeper))))
      (unreachable))
    (global.set $k)
    (local.set $u)
    (local.get $u)
    (call $calls (local.get $p)))
  (func $calls (param i32) (result i32)
    (if (i32.eqz (local.get 0)) (then (return (resume $k (i32.const 7) (global.get $k)))))
    (i32.add (i32.const 1000000) (call $calls (i32.sub (local.get 0) (i32.const 1)))))

  ;; Captures again and again, each time below one more stack: a chain that grows.
  (func $again (type $kf)
    (loop $l
      (local.set 0 (suspend $t (local.get 0)))
      (br_if $l (local.get 0)))
    (i32.const 3))
  (func $below (type $f) (i32.add (i32.const 10) (resume $k (i32.const 1) (global.get $k))))
  (elem declare func $again $below)
  (func (export "grow") (param $n i32) (result i32)
    (block $on (result i32 (ref $k))
      (drop (resume $k (on $t $on) (i32.const 1) (cont.new $k (ref.func $again))))
      (unreachable))
    (global.set $k) (drop)
    (loop $l
      (block $on (result i32 (ref $k))
        (drop (resume $c (on $t $on) (cont.new $c (ref.func $below))))
        (unreachable))
      (global.set $k) (drop)
      (br_if $l (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
    (resume $k (i32.const 0) (global.get $k))))

(assert_return (invoke "splice" (i32.const 0) (i32.const 0) (i32.const 0)) (i32.const 500) (i32.const 7))
(assert_return (invoke "splice" (i32.const 1) (i32.const 0) (i32.const 0)) (i32.const 500) (i32.const 8))
(assert_return (invoke "splice" (i32.const 0) (i32.const 1) (i32.const 0)) (i32.const 500) (i32.const 1007))
(assert_return (invoke "splice" (i32.const 3) (i32.const 2) (i32.const 1)) (i32.const 500) (i32.const 1002010))
(assert_return (invoke "splice" (i32.const 20) (i32.const 30) (i32.const 5))
  (i32.const 500) (i32.const 5030027))
(assert_return (invoke "grow" (i32.const 1)) (i32.const 13))
(assert_return (invoke "grow" (i32.const 2)) (i32.const 23))
(assert_return (invoke "grow" (i32.const 300)) (i32.const 3003))
