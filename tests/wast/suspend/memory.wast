;; Semantics, `suspend`, `resume`, `switch`: a function goes on where it was, and sees what others did to memory, tables
;; and globals meanwhile: nothing that it read before is still good.

(module
  (memory 1 3)
  (table $tab 1 8 i31ref)
  (global $g (mut i32) (i32.const 1))
  (type $ft (func)) (type $ct (cont $ft)) (tag $t)
  (rec (type $sf (func (param (ref null $sc)))) (type $sc (cont $sf))) (tag $w)

  ;; Everything there is to see, as digits: global, memory, its size, table, its size.
  (func $see (result i32)
    (i32.add (i32.mul (global.get $g) (i32.const 10000))
    (i32.add (i32.mul (i32.load (i32.const 100)) (i32.const 1000))
    (i32.add (i32.mul (memory.size) (i32.const 100))
    (i32.add (i32.mul (i31.get_u (table.get $tab (i32.const 0))) (i32.const 10))
             (table.size $tab))))))
  (func $change
    (global.set $g (i32.add (global.get $g) (i32.const 1)))
    (i32.store (i32.const 100) (i32.add (i32.load (i32.const 100)) (i32.const 1)))
    (drop (memory.grow (i32.const 1)))
    (table.set $tab (i32.const 0)
      (ref.i31 (i32.add (i31.get_u (table.get $tab (i32.const 0))) (i32.const 1))))
    (drop (table.grow $tab (ref.i31 (i32.const 9)) (i32.const 2))))
  (func $changes (type $ft) (call $change))
  (func $init
    (i32.store (i32.const 100) (i32.const 5))
    (table.set $tab (i32.const 0) (ref.i31 (i32.const 7))))

  (global $seen (mut i32) (i32.const 0))
  (func $reader (type $ft)
    (local $first i32)
    (local.set $first (i32.add (i32.mul (i32.load (i32.const 100)) (i32.const 10)) (global.get $g)))
    (suspend $t)
    (global.set $seen
      (i32.add (i32.mul (local.get $first) (i32.const 1000))
        (i32.add (i32.mul (i32.load (i32.const 100)) (i32.const 10)) (global.get $g)))))
  (elem declare func $reader $changes $ping $pong)

  ;; Both sides of a suspend: the resumer changes it, then another continuation does.
  (func (export "suspend") (result i32) (local $k (ref null $ct))
    (call $init)
    (block $h (result (ref $ct))
      (resume $ct (on $t $h) (cont.new $ct (ref.func $reader))) (unreachable))
    (local.set $k)
    (call $change)
    (resume $ct (cont.new $ct (ref.func $changes)))
    (resume $ct (local.get $k))
    (global.get $seen))
  (func (export "see") (result i32) (call $see))

  ;; The resumer reads before and after the continuation ran.
  (func (export "resume") (result i32) (local $first i32)
    (local.set $first (i32.load (i32.const 100)))
    (resume $ct (cont.new $ct (ref.func $changes)))
    (i32.add (i32.mul (local.get $first) (i32.const 10)) (i32.load (i32.const 100))))

  ;; And so for a switch.
  (func $ping (type $ft) (local $first i32)
    (local.set $first (i32.load (i32.const 100)))
    (drop (switch $sc $w (cont.new $sc (ref.func $pong))))
    (global.set $seen (i32.add (i32.mul (local.get $first) (i32.const 10)) (i32.load (i32.const 100)))))
  (func $pong (type $sf)
    (i32.store (i32.const 100) (i32.const 3))
    (drop (switch $sc $w (local.get 0))))
  (func (export "switch") (result i32)
    (resume $ct (on $w switch) (cont.new $ct (ref.func $ping)))
    (global.get $seen)))

;; 5 and 1 before, 7 and 3 after.
(assert_return (invoke "suspend") (i32.const 51073))
;; 3, 7, 3 pages, 9, 5 elements.
(assert_return (invoke "see") (i32.const 37395))
(assert_return (invoke "resume") (i32.const 78))
(assert_return (invoke "switch") (i32.const 83))
