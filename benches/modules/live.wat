;; Continuations that stay: each is resumed in turn, counts, and suspends again.
;;
;; `setup n` starts n, and may be called once. `turns r` resumes each of them r times and returns the sum of what
;; they counted in the last turn: n * the number of turns so far.
(module
  (type $ft (func))                (type $ct (cont $ft))
  (tag $count (param i64))
  (table $live 0 (ref null $ct))

  (func $body (type $ft) (local $n i64)
    (loop $again
      (local.set $n (i64.add (local.get $n) (i64.const 1)))
      (suspend $count (local.get $n))
      (br $again)))
  (elem declare func $body)

  (func (export "setup") (param $n i32)
    (if (i32.ne (i32.const 0) (table.grow $live (ref.null $ct) (local.get $n))) (then (unreachable)))
    (loop $next
      (if (local.get $n)
        (then
          (local.set $n (i32.sub (local.get $n) (i32.const 1)))
          (table.set $live (local.get $n) (cont.new $ct (ref.func $body)))
          (br $next)))))

  (func (export "turns") (param $turns i32) (result i64)
    (local $i i32) (local $sum i64) (local $cont (ref null $ct))
    (loop $turn
      (local.set $sum (i64.const 0))
      (local.set $i (i32.const 0))
      (loop $next
        (if (i32.lt_u (local.get $i) (table.size $live))
          (then
            (block $on_count (result i64 (ref $ct))
              (resume $ct (on $count $on_count) (table.get $live (local.get $i)))
              ;; It never ends.
              (unreachable))
            (local.set $cont)
            (local.set $sum (i64.add (local.get $sum)))
            (table.set $live (local.get $i) (local.get $cont))
            (local.set $i (i32.add (local.get $i) (i32.const 1)))
            (br $next))))
      (br_if $turn (local.tee $turns (i32.sub (local.get $turns) (i32.const 1)))))
    (local.get $sum)))
