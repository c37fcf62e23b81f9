;; Semantics, rule 6: a hundred thousand switches between two tasks below one prompt, and around a ring of five.

(module
  (rec (type $f (func (param i32 (ref null $c)) (result i32))) (type $c (cont $f)))
  (tag $w (result i32))
  (global $limit (mut i32) (i32.const 0))
  (global $evens (mut i32) (i32.const 0))
  ;; Counts the numbers that it saw, and which of them were even.
  (func $task (type $f)
    (loop $l
      (if (i32.eqz (i32.and (local.get 0) (i32.const 1)))
        (then (global.set $evens (i32.add (global.get $evens) (i32.const 1)))))
      (if (i32.ge_u (local.get 0) (global.get $limit)) (then (return (local.get 0))))
      (switch $c $w (i32.add (local.get 0) (i32.const 1)) (local.get 1))
      (local.set 1) (local.set 0)
      (br $l))
    (unreachable))
  (elem declare func $task $member)
  (func (export "two") (param i32) (result i32 i32)
    (global.set $limit (local.get 0))
    (global.set $evens (i32.const 0))
    (resume $c (on $w switch) (i32.const 0) (cont.new $c (ref.func $task)) (cont.new $c (ref.func $task)))
    (global.get $evens))

  ;; Each member of the ring leaves the one that switched to it where the next will find it.
  (table $ring 5 (ref null $c))
  (func $member (type $f)
    (loop $l
      (if (i32.eqz (ref.is_null (local.get 1)))
        (then (table.set $ring (i32.rem_u (i32.add (local.get 0) (i32.const 4)) (i32.const 5)) (local.get 1))))
      (if (i32.ge_u (local.get 0) (global.get $limit)) (then (return (local.get 0))))
      (switch $c $w (i32.add (local.get 0) (i32.const 1))
        (table.get $ring (i32.rem_u (i32.add (local.get 0) (i32.const 1)) (i32.const 5))))
      (local.set 1) (local.set 0)
      (br $l))
    (unreachable))
  (func (export "ring") (param i32) (result i32)
    (local $i i32)
    (global.set $limit (local.get 0))
    (loop $l
      (table.set $ring (local.get $i) (cont.new $c (ref.func $member)))
      (br_if $l (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 5))))
    (resume $c (on $w switch) (i32.const 0) (ref.null $c) (table.get $ring (i32.const 0)))))

(assert_return (invoke "two" (i32.const 100000)) (i32.const 100000) (i32.const 50001))
(assert_return (invoke "ring" (i32.const 100003)) (i32.const 100003))
