;; Semantics, types and rule 15: a continuation type is the same in every module whose definition has the same
;; structure, whatever its index; functions, tables and globals that use it link. Handlers, suspends and traps work
;; across modules.

(module $lib
  (type $pad0 (func (param f64))) (type $pad1 (cont $pad0))
  (type $f (func (param i32) (result i32))) (type $c (cont $f))
  (type $of (func (param (ref null $c)) (result (ref null $c)))) (type $o (cont $of))
  (tag $t (export "t") (param (ref null $c)) (result (ref null $c)))
  (func $double (type $f) (i32.mul (local.get 0) (i32.const 2)))
  (func $swaps (type $of) (suspend $t (local.get 0)))
  (func $traps (type $f) (i32.div_u (local.get 0) (i32.const 0)))
  (elem declare func $double $swaps $traps)
  (func (export "double") (result (ref $c)) (cont.new $c (ref.func $double)))
  (func (export "swaps") (result (ref $o)) (cont.new $o (ref.func $swaps)))
  (func (export "traps") (result (ref $c)) (cont.new $c (ref.func $traps)))
  (func (export "run") (param i32 (ref null $c)) (result i32) (resume $c (local.get 0) (local.get 1)))
  (func (export "any") (param contref) (result i32) (ref.is_null (local.get 0))))
(register "lib" $lib)

(module
  (type $f (func (param i32) (result i32))) (type $c (cont $f))
  (type $of (func (param (ref null $c)) (result (ref null $c)))) (type $o (cont $of))
  (import "lib" "t" (tag $t (param (ref null $c)) (result (ref null $c))))
  (import "lib" "double" (func $double (result (ref $c))))
  (import "lib" "swaps" (func $swaps (result (ref $o))))
  (import "lib" "traps" (func $traps (result (ref $c))))
  (import "lib" "run" (func $run (param i32 (ref null $c)) (result i32)))
  (import "lib" "any" (func $any (param contref) (result i32)))
  (func $triple (type $f) (i32.mul (local.get 0) (i32.const 3)))
  (elem declare func $triple $nested)
  (func (export "theirs-here") (result i32) (resume $c (i32.const 10) (call $double)))
  (func (export "ours-there") (result i32) (call $run (i32.const 11) (cont.new $c (ref.func $triple))))
  (func (export "any") (result i32)
    (i32.add (call $any (call $double)) (i32.mul (i32.const 10) (call $any (ref.null nocont)))))
  ;; Sends $triple in, gets it back by the suspend, answers with $double, and gets that as result.
  (func (export "swap") (result i32 i32)
    (local $k (ref null $o)) (local $got (ref null $c))
    (block $on (result (ref null $c) (ref $o))
      (drop (resume $o (on $t $on) (cont.new $c (ref.func $triple)) (call $swaps)))
      (unreachable))
    (local.set $k) (local.set $got)
    (call $run (i32.const 12) (local.get $got))
    (resume $c (i32.const 12) (resume $o (call $double) (local.get $k))))
  (func $nested (type $f) (call $run (local.get 0) (call $traps)))
  (func (export "trap") (result i32) (resume $c (i32.const 13) (cont.new $c (ref.func $nested)))))

(assert_return (invoke "theirs-here") (i32.const 20))
(assert_return (invoke "ours-there") (i32.const 33))
(assert_return (invoke "any") (i32.const 10))
(assert_return (invoke "swap") (i32.const 36) (i32.const 24))
(assert_trap (invoke "trap") "integer divide by zero")
(assert_return (invoke "swap") (i32.const 36) (i32.const 24))

(assert_unlinkable
  (module (type $f (func (param i64) (result i32))) (type $c (cont $f))
    (import "lib" "double" (func (result (ref $c)))))
  "incompatible import type")
(assert_unlinkable (module (import "lib" "double" (func (result anyref)))) "incompatible import type")
(assert_unlinkable
  (module (type $f (func (param i32) (result i32))) (type $c (cont $f))
    (import "lib" "any" (func (param anyref) (result i32))))
  "incompatible import type")
(assert_unlinkable
  (module (type $f (func (param i64) (result i32))) (type $c (cont $f))
    (import "lib" "t" (tag (param (ref null $c)) (result (ref null $c)))))
  "incompatible import type")
(assert_unlinkable (module (import "lib" "double" (func (result contref)))) "incompatible import type")
