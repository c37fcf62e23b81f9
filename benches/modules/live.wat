;;! operation = "a round trip to the next of 10,000 continuations that wait"
;;! size = 1000000
;; Continuations that stay: 10,000 are resumed in turn, and each suspends again with its number.
;;
;; `setup` makes them, and runs each until it waits. `run n` resumes n, from the first on, round after round, and adds
;; up their numbers: the sum of i mod 10,000 for i below n.
(module
  (type $nf (func (param i32))) (type $new (cont $nf))
  (type $ft (func))             (type $ct (cont $ft))
  (tag $number (param i32))
  (table $live 10000 (ref null $ct))

  (func $body (type $nf) (param $k i32)
    (loop $again
      (suspend $number (local.get $k))
      (br $again)))
  (elem declare func $body)

  (func (export "setup")
    (local $k i32) (local $c (ref null $ct))
    (loop $next
      (block $on_number (result i32 (ref $ct))
        (resume $new (on $number $on_number) (local.get $k) (cont.new $new (ref.func $body)))
        (unreachable))
      (local.set $c)
      (table.set $live (local.get $c))
      (local.set $k (i32.add (local.get $k) (i32.const 1)))
      (br_if $next (i32.lt_u (local.get $k) (i32.const 10000)))))

  (func (export "run") (param $n i32) (result i64)
    (local $k i32) (local $c (ref null $ct)) (local $sum i64)
    (loop $next
      (if (local.get $n)
        (then
          (block $on_number (result i32 (ref $ct))
            (resume $ct (on $number $on_number) (table.get $live (local.get $k)))
            ;; It never ends.
            (unreachable))
          (local.set $c)
          (i64.extend_i32_u)
          (local.set $sum (i64.add (local.get $sum)))
          (table.set $live (local.get $k) (local.get $c))
          (local.set $k (i32.add (local.get $k) (i32.const 1)))
          (if (i32.eq (local.get $k) (i32.const 10000)) (then (local.set $k (i32.const 0))))
          (local.set $n (i32.sub (local.get $n) (i32.const 1)))
          (br $next))))
    (local.get $sum))

  (func (export "expected") (param $n i32) (result i64)
    (local $rounds i64) (local $rest i64)
    (local.set $rest (i64.extend_i32_u (local.get $n)))
    (local.set $rounds (i64.div_u (local.get $rest) (i64.const 10000)))
    (local.set $rest (i64.rem_u (local.get $rest) (i64.const 10000)))
    (i64.add
      (i64.mul (local.get $rounds) (i64.const 49995000))
      (i64.div_u
        (i64.mul (local.get $rest) (i64.sub (local.get $rest) (i64.const 1)))
        (i64.const 2)))))
