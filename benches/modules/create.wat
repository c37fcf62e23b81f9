;;! operation = "a continuation made, run to its end, and gone"
;;! size = 30000
;;! floor = "create"
;;! micro = true
;; Continuations made and run to the end one after another: what a short life costs.
;;
;; `run n` gives each of n continuations its number i (0, 1, ...), gets back 2i + 1 and adds that up.
;; The result must be n * n. At most one is alive at a time.
(module
  (type $ft (func (param i32) (result i64)))
  (type $ct (cont $ft))

  (func $odd (type $ft)
    (i64.add (i64.mul (i64.extend_i32_u (local.get 0)) (i64.const 2)) (i64.const 1)))
  (elem declare func $odd)

  (func $run (export "run") (param $n i32) (result i64)
    (local $i i32) (local $sum i64)
    (loop $next
      (if (i32.lt_u (local.get $i) (local.get $n))
        (then
          (local.set $sum
            (i64.add (local.get $sum)
              (resume $ct (local.get $i) (cont.new $ct (ref.func $odd)))))
          (local.set $i (i32.add (local.get $i) (i32.const 1)))
          (br $next))))
    (local.get $sum))

  (func (export "expected") (param $n i32) (result i64)
    (i64.mul (i64.extend_i32_u (local.get $n)) (i64.extend_i32_u (local.get $n)))))
