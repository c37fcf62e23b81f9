;; Continuations that are made and never run: what one takes before it has started.
;;
;; `keep n` makes n, binds an argument to each, and keeps them all in a table. Should one run, it traps.
(module
  (type $ft (func (param i64))) (type $ct (cont $ft))
  (type $bf (func))             (type $bound (cont $bf))
  (table $kept 0 (ref null $bound))

  (func $never (type $ft) (unreachable))
  (elem declare func $never)

  (func $keep (export "keep") (param $n i32)
    (local $i i32)
    ;; After those of earlier calls.
    (local.set $i (table.grow $kept (ref.null $bound) (local.get $n)))
    (if (i32.eq (local.get $i) (i32.const -1)) (then (unreachable)))
    (loop $next
      (if (i32.lt_u (local.get $i) (table.size $kept))
        (then
          (table.set $kept (local.get $i)
            (cont.bind $ct $bound
              (i64.extend_i32_u (local.get $i)) (cont.new $ct (ref.func $never))))
          (local.set $i (i32.add (local.get $i) (i32.const 1)))
          (br $next))))))
