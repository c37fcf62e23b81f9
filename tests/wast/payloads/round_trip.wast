;; Semantics, rule 14: values of every type cross in both directions.

(module
  (type $ct0f (func (result i32 i64 f32 f64 v128 funcref externref contref)))
  (type $ct0 (cont $ct0f))
  (type $ft (func (param i32 i64 f32 f64 v128 funcref externref contref)
                  (result i32 i64 f32 f64 v128 funcref externref contref)))
  (type $ct (cont $ft))
  (tag $t (param i32 i64 f32 f64 v128 funcref externref contref)
          (result i32 i64 f32 f64 v128 funcref externref contref))
  (type $ff (func (result i32)))
  (type $fc (cont $ff))
  (func $three (type $ff) (i32.const 3))

  (func $echo (type $ft)
    (suspend $t (local.get 0) (local.get 1) (local.get 2) (local.get 3) (local.get 4) (local.get 5)
      (local.get 6) (local.get 7)))
  (elem declare func $echo $three $fresh)

  ;; Whether these are the values that $send sends.
  (func $check (param i32 i64 f32 f64 v128 funcref externref contref) (result i32)
    (i32.and
      (i32.and
        (i32.and (i32.eq (local.get 0) (i32.const -1)) (i64.eq (local.get 1) (i64.const -2)))
        (i32.and (f32.eq (local.get 2) (f32.const 3.5)) (f64.eq (local.get 3) (f64.const -4.25))))
      (i32.and
        (i32.and
          (i64.eq (i64x2.extract_lane 0 (local.get 4)) (i64.const 0x1122334455667788))
          (i64.eq (i64x2.extract_lane 1 (local.get 4)) (i64.const 0x99aabbccddeeff00)))
        (i32.and
          (i32.eqz (ref.is_null (local.get 5)))
          (i32.eqz (ref.is_null (local.get 7)))))))

  (func (export "round-trip") (param $x externref) (result i32 externref)
    (local $r0 i32) (local $r1 i64) (local $r2 f32) (local $r3 f64) (local $r4 v128)
    (local $r5 funcref) (local $r6 externref) (local $r7 contref) (local $c (ref null $ct)) (local $ok i32)
    (block $on_t (result i32 i64 f32 f64 v128 funcref externref contref (ref $ct))
      (resume $ct (on $t $on_t)
        (i32.const -1) (i64.const -2) (f32.const 3.5) (f64.const -4.25)
        (v128.const i64x2 0x1122334455667788 0x99aabbccddeeff00)
        (ref.func $three) (local.get $x) (cont.new $fc (ref.func $three))
        (cont.new $ct (ref.func $echo)))
      (unreachable))
    (local.set $c)
    (local.set $r7) (local.set $r6) (local.set $r5) (local.set $r4)
    (local.set $r3) (local.set $r2) (local.set $r1) (local.set $r0)
    (local.set $ok (call $check (local.get $r0) (local.get $r1) (local.get $r2) (local.get $r3)
      (local.get $r4) (local.get $r5) (local.get $r6) (local.get $r7)))
    ;; And back in as results of the suspend, and out as results of the resume.
    (resume $ct (local.get $r0) (local.get $r1) (local.get $r2) (local.get $r3)
      (local.get $r4) (local.get $r5) (local.get $r6) (local.get $r7) (local.get $c))
    (local.set $r7) (local.set $r6) (local.set $r5) (local.set $r4)
    (local.set $r3) (local.set $r2) (local.set $r1) (local.set $r0)
    (i32.and (local.get $ok) (call $check (local.get $r0) (local.get $r1) (local.get $r2) (local.get $r3)
      (local.get $r4) (local.get $r5) (local.get $r6) (local.get $r7)))
    (local.get $r6))

  ;; Results of a function that never suspends.
  (func $fresh (type $ct0f)
    (i32.const -1) (i64.const -2) (f32.const 3.5) (f64.const -4.25)
    (v128.const i64x2 0x1122334455667788 0x99aabbccddeeff00)
    (ref.func $three) (ref.null extern) (cont.new $fc (ref.func $three)))
  (func (export "results") (result i32)
    (call $check (resume $ct0 (cont.new $ct0 (ref.func $fresh))))))

(assert_return (invoke "round-trip" (ref.extern 7)) (i32.const 1) (ref.extern 7))
(assert_return (invoke "round-trip" (ref.null extern)) (i32.const 1) (ref.null extern))
(assert_return (invoke "results") (i32.const 1))

;; GC references and exceptions.
(module
  (type $s (struct (field i32)))
  (type $ft (func (param anyref (ref null $s) i31ref exnref) (result anyref (ref null $s) i31ref exnref)))
  (type $ct (cont $ft))
  (tag $t (param anyref (ref null $s) i31ref exnref) (result anyref (ref null $s) i31ref exnref))
  (tag $x (param i32))
  (func $echo (type $ft)
    (suspend $t (local.get 0) (local.get 1) (local.get 2) (local.get 3)))
  (elem declare func $echo)
  (func $exn (result exnref) (local exnref)
    (block $h (result i32 exnref) (try_table (catch_ref $x $h) (throw $x (i32.const 4))) (unreachable))
    (local.set 0) (drop) (local.get 0))
  (func $payload (param exnref) (result i32)
    (block $h (result i32) (try_table (catch $x $h) (throw_ref (local.get 0))) (unreachable)))
  (func (export "gc") (result i32)
    (local $c (ref null $ct))
    (local $a anyref) (local $b (ref null $s)) (local $i i31ref) (local $e exnref)
    (block $on_t (result anyref (ref null $s) i31ref exnref (ref $ct))
      (resume $ct (on $t $on_t)
        (struct.new $s (i32.const 1)) (struct.new $s (i32.const 20)) (ref.i31 (i32.const 300)) (call $exn)
        (cont.new $ct (ref.func $echo)))
      (unreachable))
    (local.set $c) (local.set $e) (local.set $i) (local.set $b) (local.set $a)
    (resume $ct (local.get $a) (local.get $b) (local.get $i) (local.get $e) (local.get $c))
    (local.set $e) (local.set $i) (local.set $b) (local.set $a)
    (i32.add
      (i32.add (struct.get $s 0 (ref.cast (ref $s) (local.get $a))) (struct.get $s 0 (local.get $b)))
      (i32.add (i31.get_u (local.get $i)) (i32.mul (i32.const 1000) (call $payload (local.get $e)))))))

(assert_return (invoke "gc") (i32.const 4321))
