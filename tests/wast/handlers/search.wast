;; Semantics, rule 3: handler search goes from the innermost resume outwards, clauses left to right, and kinds
;; do not mix. Rule 4: a suspend captures every stack up to the handler.

(module
  (type $ft (func (result i32)))
  (type $ct (cont $ft))
  (tag $a (result i32))
  (tag $b (result i32))
  (type $ansf (func (param i32) (result i32)))
  (type $ans (cont $ansf))
  (func $use_a (type $ft) (suspend $a))
  (func $use_b (type $ft) (suspend $b))
  (elem declare func $use_a $use_b $mid_b $mid_switch $deep)

  ;; The first of two clauses with the same tag wins.
  (func (export "duplicate") (result i32)
    (block $first (result (ref $ans))
      (block $second (result (ref $ans))
        (return (resume $ct (on $a $first) (on $a $second) (cont.new $ct (ref.func $use_a)))))
      (drop) (return (i32.const 2)))
    (drop) (i32.const 1))

  ;; A clause of the wrong kind is skipped, even with the right tag.
  (func (export "wrong-kind-skipped") (result i32)
    (block $on_a (result (ref $ans))
      (return (resume $ct (on $a switch) (on $a $on_a) (cont.new $ct (ref.func $use_a)))))
    (drop) (i32.const 1))
  (func (export "only-wrong-kind") (result i32)
    (resume $ct (on $a switch) (cont.new $ct (ref.func $use_a))))

  ;; The inner resume does not handle $a, the outer does; what it captures are two stacks, with the
  ;; inner handler for $b still in force.
  (func $mid_b (type $ft)
    (block $on_b (result (ref $ans))
      (return (i32.add (i32.const 100) (resume $ct (on $b $on_b) (cont.new $ct (ref.func $deep))))))
    (drop)
    (i32.const 1000))
  (func $deep (type $ft)
    ;; 5 from the outer handler, then $b to the inner.
    (drop (suspend $a))
    (i32.add (i32.const 7) (suspend $b)))
  (func (export "outer") (result i32)
    (block $on_a (result (ref $ans))
      (return (resume $ct (on $a $on_a) (cont.new $ct (ref.func $mid_b)))))
    (call $go))
  (func $go (param (ref $ans)) (result i32)
    (resume $ans (i32.const 5) (local.get 0)))
  (func $mid_switch (type $ft)
    (resume $ct (on $a switch) (on $b switch) (cont.new $ct (ref.func $use_a))))
  (func (export "switch-clauses-between") (result i32)
    (block $on_a (result (ref $ans))
      (return (resume $ct (on $a $on_a) (cont.new $ct (ref.func $mid_switch)))))
    (call $go))

  ;; 40 clauses, the 33rd matches.
  (tag $t0) (tag $t1) (tag $t2) (tag $t3) (tag $t4) (tag $t5) (tag $t6) (tag $t7)
  (func $use_t7 (type $ft) (suspend $t7) (i32.const 3))
  (elem declare func $use_t7)
  (func (export "many") (result i32)
    (block $hit (result (ref $ct))
      (block $miss (result (ref $ct))
        (return (resume $ct
          (on $t0 $miss) (on $t1 $miss) (on $t2 $miss) (on $t3 $miss) (on $t4 $miss) (on $t5 $miss)
          (on $t6 $miss) (on $t0 $miss) (on $t1 $miss) (on $t2 $miss) (on $t3 $miss) (on $t4 $miss)
          (on $t5 $miss) (on $t6 $miss) (on $t0 $miss) (on $t1 $miss) (on $t2 $miss) (on $t3 $miss)
          (on $t4 $miss) (on $t5 $miss) (on $t6 $miss) (on $t0 $miss) (on $t1 $miss) (on $t2 $miss)
          (on $t3 $miss) (on $t4 $miss) (on $t5 $miss) (on $t6 $miss) (on $t0 $miss) (on $t1 $miss)
          (on $t2 $miss) (on $t3 $miss) (on $t7 $hit) (on $t4 $miss) (on $t5 $miss) (on $t6 $miss)
          (on $t7 $miss) (on $t0 $miss) (on $t1 $miss) (on $t2 $miss)
          (cont.new $ct (ref.func $use_t7)))))
      (drop) (return (i32.const -1)))
    (resume $ct)))

(assert_return (invoke "duplicate") (i32.const 1))
(assert_return (invoke "wrong-kind-skipped") (i32.const 1))
(assert_trap (invoke "only-wrong-kind") "unhandled tag")
(assert_return (invoke "outer") (i32.const 1000))
(assert_return (invoke "switch-clauses-between") (i32.const 5))
(assert_return (invoke "many") (i32.const 3))

;; Through many stacks, twice: each resume on the way has only a clause for another tag.
(module
  (type $ft (func (param i32) (result i32)))
  (type $ct (cont $ft))
  (tag $hit (param i32) (result i32))
  (tag $other (param i32) (result i32))

  ;; n stacks; the innermost asks twice, and each adds 1 to the sum of the answers.
  (func $nest (type $ft)
    (if (i32.eqz (local.get 0))
      (then (return (i32.add (suspend $hit (i32.const 1)) (suspend $hit (i32.const 2))))))
    (block $on_other (result i32 (ref $ct))
      (return (i32.add (i32.const 1)
        (resume $ct (on $other $on_other)
          (i32.sub (local.get 0) (i32.const 1)) (cont.new $ct (ref.func $nest))))))
    (unreachable))
  (elem declare func $nest)

  (func (export "deep") (param $v i32) (result i32)
    (local $c (ref null $ct))
    (local.set $c (cont.new $ct (ref.func $nest)))
    (loop $l (result i32)
      (block $on_hit (result i32 (ref $ct))
        (return (resume $ct (on $hit $on_hit) (local.get $v) (local.get $c))))
      (local.set $c)
      (local.set $v (i32.mul (i32.const 10)))
      (br $l))))

(assert_return (invoke "deep" (i32.const 0)) (i32.const 30))
(assert_return (invoke "deep" (i32.const 1)) (i32.const 31))
(assert_return (invoke "deep" (i32.const 100)) (i32.const 130))
(assert_return (invoke "deep" (i32.const 5000)) (i32.const 5030))
