;; Semantics, rule 1: two hundred thousand continuations, made and finished one after another: by a return, after a
;; suspend, by an exception, as a chain of two. Their stacks serve again.

(module
  (type $f (func (param i32) (result i32))) (type $c (cont $f))
  (tag $t (param i32) (result i32)) (tag $e (param i32))
  (func $id (type $f) (local.get 0))
  (func $suspends (type $f) (suspend $t (local.get 0)))
  (func $throws (type $f) (throw $e (local.get 0)))
  (func $chain (type $f) (resume $c (local.get 0) (cont.new $c (ref.func $id))))
  (elem declare func $id $suspends $throws $chain)
  (func $run (param $which i32) (param $n i32) (result i32)
    (local $k (ref null $c))
    (block $3 (block $2 (block $1 (block $0
      (br_table $0 $1 $2 $3 (local.get $which)))
      (return (resume $c (local.get $n) (cont.new $c (ref.func $id)))))
      (block $on (result i32 (ref $c))
        (return (resume $c (on $t $on) (local.get $n) (cont.new $c (ref.func $suspends)))))
      (local.set $k)
      (return (resume $c (local.get $k))))
      (block $caught (result i32)
        (try_table (catch $e $caught)
          (return (resume $c (local.get $n) (cont.new $c (ref.func $throws)))))
        (unreachable))
      (return))
    (resume $c (local.get $n) (cont.new $c (ref.func $chain))))
  (func (export "run") (param $which i32) (param $n i32) (result i64)
    (local $sum i64)
    (loop $l
      (local.set $sum
        (i64.add (local.get $sum) (i64.extend_i32_u (call $run (local.get $which) (local.get $n)))))
      (br_if $l (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
    (local.get $sum)))

(assert_return (invoke "run" (i32.const 0) (i32.const 200000)) (i64.const 20000100000))
(assert_return (invoke "run" (i32.const 1) (i32.const 50000)) (i64.const 1250025000))
(assert_return (invoke "run" (i32.const 2) (i32.const 20000)) (i64.const 200010000))
(assert_return (invoke "run" (i32.const 3) (i32.const 50000)) (i64.const 1250025000))
