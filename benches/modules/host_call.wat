;;! operation = "a call of a host function and its return, from a continuation (entry: from the initial stack)"
;;! size = 200000
;; Calls of the host.
;;
;; `run n` makes one continuation, which calls the host n times, each time with what it got last, from 0: the result
;; must be n. `run_entry n` does the same without a continuation. In an operation: from compiled code to the host's function
;; and back, with whatever the engine does because the caller is on a continuation's stack. Not in it: any switch of the
;; program's own; there are two in a run, or none.
(module
  (import "host" "add_one" (func $add_one (param i32) (result i32)))
  (type $ft (func (param i32) (result i64))) (type $ct (cont $ft))

  (func $caller (type $ft) (param $n i32) (result i64)
    (local $got i32)
    (loop $next
      (if (local.get $n)
        (then
          (local.set $got (call $add_one (local.get $got)))
          (local.set $n (i32.sub (local.get $n) (i32.const 1)))
          (br $next))))
    (i64.extend_i32_u (local.get $got)))
  (elem declare func $caller)

  (func (export "run") (param $n i32) (result i64)
    (resume $ct (local.get $n) (cont.new $ct (ref.func $caller))))

  (func (export "run_entry") (type $ft) (call $caller (local.get 0)))

  (func (export "expected") (param $n i32) (result i64)
    (i64.extend_i32_u (local.get $n))))
