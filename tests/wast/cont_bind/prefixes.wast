;; Semantics, rule 7: `cont.bind` supplies a prefix of what a fresh or a suspended continuation waits for.
;; Binds accumulate, and binding zero values is valid.

(module
  (type $f3 (func (param i32 i64 f64) (result i32)))
  (type $c3 (cont $f3))
  (type $f2 (func (param i64 f64) (result i32)))
  (type $c2 (cont $f2))
  (type $f1 (func (param f64) (result i32)))
  (type $c1 (cont $f1))
  (type $f0 (func (result i32)))
  (type $c0 (cont $f0))
  (tag $t (result i32 i64 f64))

  (func $sum (type $f3)
    (i32.add (local.get 0)
      (i32.add (i32.wrap_i64 (local.get 1)) (i32.trunc_f64_s (local.get 2)))))
  (func $waits (type $f0) (call $sum (suspend $t)))
  (elem declare func $sum $waits)

  (func $one-by-one (param $c (ref null $c3)) (result i32)
    (resume $c0
      (cont.bind $c1 $c0 (f64.const 300)
        (cont.bind $c2 $c1 (i64.const 20)
          (cont.bind $c3 $c2 (i32.const 1) (local.get $c))))))
  (func $two-and-one (param $c (ref null $c3)) (result i32)
    (resume $c1 (f64.const 300)
      (cont.bind $c3 $c1 (i32.const 1) (i64.const 20) (local.get $c))))
  (func $zero-then-all (param $c (ref null $c3)) (result i32)
    (resume $c3 (i32.const 1) (i64.const 20) (f64.const 300)
      (cont.bind $c3 $c3 (local.get $c))))
  (func $suspended (result (ref $c3))
    (block $on_t (result (ref $c3))
      (drop (resume $c0 (on $t $on_t) (cont.new $c0 (ref.func $waits))))
      (unreachable)))

  (func (export "fresh-1") (result i32) (call $one-by-one (cont.new $c3 (ref.func $sum))))
  (func (export "fresh-2") (result i32) (call $two-and-one (cont.new $c3 (ref.func $sum))))
  (func (export "fresh-3") (result i32) (call $zero-then-all (cont.new $c3 (ref.func $sum))))
  (func (export "suspended-1") (result i32) (call $one-by-one (call $suspended)))
  (func (export "suspended-2") (result i32) (call $two-and-one (call $suspended)))
  (func (export "suspended-3") (result i32) (call $zero-then-all (call $suspended))))

(assert_return (invoke "fresh-1") (i32.const 321))
(assert_return (invoke "fresh-2") (i32.const 321))
(assert_return (invoke "fresh-3") (i32.const 321))
(assert_return (invoke "suspended-1") (i32.const 321))
(assert_return (invoke "suspended-2") (i32.const 321))
(assert_return (invoke "suspended-3") (i32.const 321))
