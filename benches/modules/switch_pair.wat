;;! operation = "a switch: a number and the continuation that is left are passed"
;;! size = 500000
;;! no_v8 = 'V8 14.6 has no `switch`: its compiler ends the process with "unimplemented code"'
;;! micro = true
;; Two continuations that switch to each other and count.
;;
;; `run n`: n switches; whoever the last one arrives at returns the count, n.
(module
  (rec
    (type $ft (func (param i64 (ref null $ct)) (result i64)))
    (type $ct (cont $ft)))
  (tag $t (result i64))
  (global $end (mut i64) (i64.const 0))

  (func $player (type $ft) (param $i i64) (param $other (ref null $ct)) (result i64)
    (loop $next
      (if (i64.lt_u (local.get $i) (global.get $end))
        (then
          (switch $ct $t (i64.add (local.get $i) (i64.const 1)) (local.get $other))
          (local.set $other)
          (local.set $i)
          (br $next))))
    (local.get $i))
  (elem declare func $player)

  (func (export "run") (param $n i32) (result i64)
    (global.set $end (i64.extend_i32_u (local.get $n)))
    (resume $ct (on $t switch)
      (i64.const 0) (cont.new $ct (ref.func $player)) (cont.new $ct (ref.func $player))))

  (func (export "expected") (param $n i32) (result i64)
    (i64.extend_i32_u (local.get $n))))
