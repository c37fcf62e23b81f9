;; Semantics, rule 4, at depth: a function that both resumes with a clause and suspends, which recurses through
;; itself: by plain calls within one stack of the default size, and as a continuation in a continuation. A frame
;; of such a function must be small.

(module
  (type $f (func (param i32) (result i32))) (type $c (cont $f))
  (tag $t (param i32) (result i32)) (tag $once (param i32) (result i32))
  (global $suspends (mut i32) (i32.const 0))

  (func $one (type $f) (suspend $once (local.get 0)))
  ;; At each level: handles one suspend of a child, suspends itself, and goes one level down.
  (func $calls (type $f)
    (local $k (ref null $c)) (local $v i32)
    (if (i32.eqz (local.get 0)) (then (return (i32.const 0))))
    (block $on (result i32 (ref $c))
      (drop (resume $c (on $once $on) (local.get 0) (cont.new $c (ref.func $one))))
      (unreachable))
    (local.set $k) (local.set $v)
    (local.set $v (i32.sub (resume $c (local.get $v) (local.get $k)) (local.get 0)))
    (i32.add
      (i32.add (local.get $v) (suspend $t (i32.const 1)))
      (call $calls (i32.sub (local.get 0) (i32.const 1)))))
  (func $conts (type $f)
    (if (i32.eqz (local.get 0)) (then (return (suspend $t (i32.const 100)))))
    (block $on (result i32 (ref $c))
      (return
        (i32.add (suspend $t (i32.const 2))
          (resume $c (on $once $on) (i32.sub (local.get 0) (i32.const 1)) (cont.new $c (ref.func $conts))))))
    (unreachable))
  (elem declare func $one $calls $conts)

  ;; Answers each suspend with its payload.
  (func $run (param $c (ref null $c)) (param $v i32) (result i32)
    (loop $l (result i32)
      (block $on (result i32 (ref $c))
        (return (resume $c (on $t $on) (local.get $v) (local.get $c))))
      (local.set $c) (local.set $v)
      (global.set $suspends (i32.add (global.get $suspends) (i32.const 1)))
      (br $l)))
  (func (export "calls") (param i32) (result i32) (call $run (cont.new $c (ref.func $calls)) (local.get 0)))
  (func (export "continuations") (param i32) (result i32)
    (call $run (cont.new $c (ref.func $conts)) (local.get 0)))
  (func (export "suspends") (result i32) (global.get $suspends) (global.set $suspends (i32.const 0))))

(assert_return (invoke "calls" (i32.const 1)) (i32.const 1))
(assert_return (invoke "calls" (i32.const 1000)) (i32.const 1000))
(assert_return (invoke "suspends") (i32.const 1001))
(assert_return (invoke "continuations" (i32.const 1)) (i32.const 102))
(assert_return (invoke "continuations" (i32.const 1000)) (i32.const 2100))
(assert_return (invoke "suspends") (i32.const 1003))
(assert_return (invoke "calls" (i32.const 1000)) (i32.const 1000))

;; Calls and continuations in turns: a thousand stacks of ten frames each, and what the innermost suspends with
;; comes from all of them.
(module
  (type $f (func (param i32) (result i32))) (type $c (cont $f))
  (tag $t (result i32)) (tag $never)
  (func $level (type $f)
    (if (i32.eqz (local.get 0)) (then (return (suspend $t))))
    (return (call $frames (i32.const 10) (i32.sub (local.get 0) (i32.const 1)))))
  (func $frames (param $n i32) (param $level i32) (result i32)
    (if (local.get $n) (then (return
      (i32.add (i32.const 1) (call $frames (i32.sub (local.get $n) (i32.const 1)) (local.get $level))))))
    (block $on (result (ref $c))
      (return (resume $c (on $never-i $on) (local.get $level) (cont.new $c (ref.func $level)))))
    (unreachable))
  (tag $never-i (result i32))
  (elem declare func $level)
  (func (export "both") (param i32) (result i32)
    (local $k (ref null $c))
    (block $on (result (ref $c))
      (return (resume $c (on $t $on) (local.get 0) (cont.new $c (ref.func $level)))))
    (local.set $k)
    (resume $c (i32.const 5) (local.get $k))))

(assert_return (invoke "both" (i32.const 1)) (i32.const 15))
(assert_return (invoke "both" (i32.const 1000)) (i32.const 10005))
(assert_return (invoke "both" (i32.const 1000)) (i32.const 10005))
