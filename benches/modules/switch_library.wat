;;! operation = "a switch, by functions of a library that several loops call"
;;! size = 500000
;;! no_v8 = 'V8 14.6 has no `switch`: its compiler ends the process with "unimplemented code"'
;;! micro = true
;;! place = 3
;; As `switch_pair`, in the shape of a language's library: `switch` stands in one function, which a second function calls, and two
;; different loops share these.
;;
;; `run n`: n switches between two tasks; whoever the last one arrives at returns the count, n.
(module
  (rec
    (type $ft (func (param i64 (ref null $ct)) (result i64)))
    (type $ct (cont $ft)))
  (tag $t (result i64))
  (table $tasks 2 (ref null $ct))
  (global $running (mut i32) (i32.const 0))
  (global $end (mut i64) (i64.const 0))

  (func $arrive (param $value i64) (param $left (ref null $ct)) (result i64)
    (if (i32.eqz (ref.is_null (local.get $left)))
      (then (table.set $tasks (i32.sub (i32.const 1) (global.get $running)) (local.get $left))))
    (local.get $value))
  (func $raw-switch (param $to i32) (param $value i64) (result i64)
    (global.set $running (local.get $to))
    (call $arrive (switch $ct $t (local.get $value) (table.get $tasks (local.get $to)))))

  ;; What a program calls.
  (func $switch (param $to i32) (param $value i64) (result i64)
    (i64.add (call $raw-switch (local.get $to) (local.get $value)) (i64.const 1)))

  (func $ping (type $ft) (param $i i64) (param $left (ref null $ct)) (result i64)
    (drop (call $arrive (local.get $i) (local.get $left)))
    (loop $next
      (if (i64.lt_u (local.get $i) (global.get $end))
        (then
          (local.set $i (call $switch (i32.const 1) (local.get $i)))
          (br $next))))
    (local.get $i))
  (func $pong (type $ft) (param $i i64) (param $left (ref null $ct)) (result i64)
    (local.set $i (i64.add (call $arrive (local.get $i) (local.get $left)) (i64.const 1)))
    (block $done
      (loop $next
        (br_if $done (i64.ge_u (local.get $i) (global.get $end)))
        (local.set $i (call $switch (i32.const 0) (local.get $i)))
        (br $next)))
    (local.get $i))
  (elem declare func $ping $pong)

  (func (export "run") (param $n i32) (result i64)
    (global.set $end (i64.extend_i32_u (local.get $n)))
    (global.set $running (i32.const 0))
    (table.set $tasks (i32.const 1) (cont.new $ct (ref.func $pong)))
    (resume $ct (on $t switch) (i64.const 0) (ref.null $ct) (cont.new $ct (ref.func $ping))))

  (func (export "expected") (param $n i32) (result i64)
    (i64.extend_i32_u (local.get $n))))
