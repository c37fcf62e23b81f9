;; Semantics, instruction table: `cont.new` makes a fresh continuation of a function, and traps on a null
;; function reference. A continuation costs no stack before it first runs, and gives it back at the end.

(module
  (type $ft (func (param i32) (result i32)))
  (type $ct (cont $ft))
  (func $double (type $ft) (i32.mul (local.get 0) (i32.const 2)))
  (elem declare func $double)

  (func (export "run") (param i32) (result i32)
    (resume $ct (local.get 0) (cont.new $ct (ref.func $double))))
  (func (export "null")
    (drop (cont.new $ct (ref.null $ft))))
  (func (export "many-unrun") (param i32) (result i32)
    (local $n i32)
    (loop $l
      (drop (cont.new $ct (ref.func $double)))
      (local.set $n (i32.add (local.get $n) (i32.const 1)))
      (br_if $l (i32.lt_u (local.get $n) (local.get 0))))
    (resume $ct (local.get $n) (cont.new $ct (ref.func $double))))
  (func (export "many-run") (param i32) (result i32)
    (local $n i32) (local $sum i32)
    (loop $l
      (local.set $sum (i32.add (local.get $sum)
        (resume $ct (local.get $n) (cont.new $ct (ref.func $double)))))
      (local.set $n (i32.add (local.get $n) (i32.const 1)))
      (br_if $l (i32.lt_u (local.get $n) (local.get 0))))
    (local.get $sum)))

(assert_return (invoke "run" (i32.const 21)) (i32.const 42))
(assert_trap (invoke "null") "null reference")
(assert_return (invoke "run" (i32.const 4)) (i32.const 8))
;; Continuations that never run cost no stack.
(assert_return (invoke "many-unrun" (i32.const 100000)) (i32.const 200000))
;; Those that finished give their stacks back: unpatched Wasmtime fails at the 33,000th.
(assert_return (invoke "many-run" (i32.const 40000)) (i32.const 1599960000))
