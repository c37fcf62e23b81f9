;; Generators that are abandoned after their first value, and the same generators run to their end: what it costs that nobody ends
;; them. References are in a local, a global and a table.
;;
;; `abandon n` and `finish n` add up the first values of n generators: n, n - 1, and so on to 1. The result must be n(n + 1)/2.
(module
  (type $f (func (param i32) (result i32))) (type $k (cont $f))
  (tag $t (param i32) (result i32))
  (global $last (mut (ref null $k)) (ref.null $k))
  (table $some 1000 (ref null $k))
  (func $generator (type $f) (suspend $t (local.get 0)))
  (elem declare func $generator)

  (func $first (param i32) (result i32 (ref $k))
    (block $value (result i32 (ref $k))
      (resume $k (on $t $value) (local.get 0) (cont.new $k (ref.func $generator)))
      (unreachable)))
  (func $run (param $n i32) (param $finish i32) (result i64) (local $k (ref null $k)) (local $sum i64) (local $value i32)
    (loop $next
      (call $first (local.get $n))
      (local.set $k)
      (local.set $value)
      (local.set $sum (i64.add (local.get $sum) (i64.extend_i32_u (local.get $value))))
      (global.set $last (local.get $k))
      (table.set $some (i32.rem_u (local.get $n) (i32.const 1000)) (local.get $k))
      (if (local.get $finish) (then (drop (resume $k (i32.const 0) (local.get $k)))))
      (br_if $next (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
    (local.get $sum))
  (func (export "abandon") (param i32) (result i64) (call $run (local.get 0) (i32.const 0)))
  (func (export "finish") (param i32) (result i64) (call $run (local.get 0) (i32.const 1))))
