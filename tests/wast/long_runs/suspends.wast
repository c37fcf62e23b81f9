;; Semantics, rules 1 and 5: a hundred thousand suspends of one continuation, and of ten in turn.

(module
  (type $f (func (result i64))) (type $c (cont $f))
  (type $gf (func (param i32) (result i64))) (type $g (cont $gf))
  (tag $yield (param i32))
  (table $ten 10 (ref null $c))
  ;; Yields n, n - 1, ... 1.
  (func $generate (type $gf)
    (loop $l
      (suspend $yield (local.get 0))
      (br_if $l (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))
    (i64.const 7))
  (elem declare func $generate)
  (func (export "one") (param $n i32) (result i64)
    (local $c (ref null $c)) (local $sum i64)
    (local.set $c (cont.bind $g $c (local.get $n) (cont.new $g (ref.func $generate))))
    (loop $l (result i64)
      (block $on (result i32 (ref $c))
        (return
          (i64.add (local.get $sum)
            (i64.mul (i64.const 1000000000000) (resume $c (on $yield $on) (local.get $c))))))
      (local.set $c)
      (local.set $sum (i64.add (i64.extend_i32_u) (local.get $sum)))
      (br $l)))
  (func (export "ten") (param $n i32) (result i64)
    (local $i i32) (local $c (ref null $c)) (local $sum i64)
    (loop $make
      (table.set $ten (local.get $i)
        (cont.bind $g $c (i32.add (local.get $n) (local.get $i)) (cont.new $g (ref.func $generate))))
      (br_if $make (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 10))))
    (loop $l (result i64)
      (local.set $i (i32.rem_u (i32.add (local.get $i) (i32.const 3)) (i32.const 10)))
      (block $on (result i32 (ref $c))
        (drop (resume $c (on $yield $on) (table.get $ten (local.get $i))))
        (return (local.get $sum)))
      (local.set $c)
      (local.set $sum (i64.add (i64.extend_i32_u) (local.get $sum)))
      (table.set $ten (local.get $i) (local.get $c))
      (br $l))))

(assert_return (invoke "one" (i32.const 100000)) (i64.const 7005000050000))
;; The first that is done ends it.
(assert_return (invoke "ten" (i32.const 10000)) (i64.const 500500045))
