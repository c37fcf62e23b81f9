;; References in fields live through collections, which move the objects that hold them.

(module
  (type $f (func (param i32) (result i32))) (type $c (cont $f))
  (tag $t (param i32) (result i32))
  (rec (type $list (struct (field $next (mut (ref null $list))) (field $k (mut (ref null $c))) (field $n i32))))
  (type $garbage (array (mut i64)))
  (global $list (mut (ref null $list)) (ref.null $list))

  ;; Keeps an object of its own alive across each suspend.
  (func $body (type $f) (local $own (ref $list))
    (local.set $own (struct.new $list (ref.null $list) (ref.null $c) (local.get 0)))
    (loop $again
      (drop (suspend $t (struct.get $list $n (local.get $own))))
      (br $again))
    (unreachable))
  (elem declare func $body)
  (func $step (param $at (ref $list)) (result i32) (local $k (ref $c))
    (block $h (result i32 (ref $c))
      (resume $c (on $t $h) (struct.get $list $n (local.get $at)) (struct.get $list $k (local.get $at))) (unreachable))
    (local.set $k) (struct.set $list $k (local.get $at) (local.get $k)))

  (func (export "fill") (param $n i32)
    (loop $again
      (global.set $list (struct.new $list (global.get $list) (cont.new $c (ref.func $body)) (local.get $n)))
      (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1))))))
  ;; Steps through the list, with garbage in between, and adds up the payloads.
  (func (export "walk") (result i32) (local $at (ref null $list)) (local $sum i32)
    (local.set $at (global.get $list))
    (loop $again
      (drop (array.new $garbage (i64.const -1) (i32.const 2000)))
      (local.set $sum (i32.add (local.get $sum) (call $step (ref.as_non_null (local.get $at)))))
      (br_if $again (i32.eqz (ref.is_null (local.tee $at (struct.get $list $next (local.get $at)))))))
    (local.get $sum)))

(invoke "fill" (i32.const 100))
(assert_return (invoke "walk") (i32.const 5050))
(assert_return (invoke "walk") (i32.const 5050))
(assert_return (invoke "walk") (i32.const 5050))
(assert_return (invoke "walk") (i32.const 5050))
(assert_return (invoke "walk") (i32.const 5050))
