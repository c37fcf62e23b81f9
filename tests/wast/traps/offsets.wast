;; Rule 11: a trap reports one backtrace, from the innermost frame outwards. Each frame is named by the offset of its own
;; instruction, in the module's bytes: that of the trap, and those of the resumes and calls that wait. The numbers are those of
;; the opcodes `unreachable` (00), `suspend` (e2), `switch` (e6), `resume` (e3) and `i32.div_s` (6d).
(module $m
  (type $f (func)) (type $c (cont $f)) (tag $t) (tag $x)
  (rec (type $sf (func (param (ref null $sc)))) (type $sc (cont $sf)))
  (elem declare func $nothing $waits $nests $after $target)
  (func $nothing)
  (func $waits (suspend $t))
  (func $nests (resume $c (cont.new $c (ref.func $waits))))
  (func $after (resume $c (cont.new $c (ref.func $nothing))) (unreachable))
  (func $target (type $sf))

  ;; Behind a resume that has returned.
  (func $returned (export "returned") (resume $c (cont.new $c (ref.func $nothing))) (unreachable))
  ;; Behind the resume of what was captured with another stack.
  (func $spliced (export "spliced")
    (block $h (result (ref $c)) (resume $c (on $t $h) (cont.new $c (ref.func $nests))) (return))
    (resume $c) (nop) (nop) (unreachable))
  ;; At a handler's label.
  (func $handled (export "handled")
    (block $h (result (ref $c)) (resume $c (on $t $h) (cont.new $c (ref.func $waits))) (return))
    (drop) (unreachable))
  ;; A trap that a branch goes to.
  (func $branch (export "branch") (param i32)
    (resume $c (cont.new $c (ref.func $nothing)))
    (if (local.get 0) (then (nop)) (else (unreachable))))
  (func $divides (export "divides") (param i32) (result i32)
    (resume $c (cont.new $c (ref.func $nothing)))
    (i32.div_s (i32.const 1) (local.get 0)))
  ;; The instructions' own.
  (func $suspends (export "suspends") (nop) (suspend $x))
  (func $switches (export "switches") (switch $sc $t (cont.new $sc (ref.func $target))) (drop))
  ;; On another stack.
  (func $outer (export "outer") (nop) (resume $c (cont.new $c (ref.func $after)))))

(assert_trap (invoke "returned") "0xc4 - m!returned")
(assert_trap (invoke "spliced") "0xdc - m!spliced")
(assert_trap (invoke "handled") "0xf0 - m!handled")
(assert_trap (invoke "branch" (i32.const 0)) "0x101 - m!branch")
(assert_trap (invoke "divides" (i32.const 0)) "0x111 - m!divides")
(assert_trap (invoke "suspends") "0x116 - m!suspends")
(assert_trap (invoke "switches") "0x11f - m!switches")
(assert_trap (invoke "outer") "0xb6 - m!after")
(assert_trap (invoke "outer") "0x12b - m!outer")
