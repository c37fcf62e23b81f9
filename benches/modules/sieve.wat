;;! operation = "a number tried, by a chain of one filter for each prime below it"
;;! inlined = true
;;! size = 5000
;;! talk = 2.61
;; The sieve of Eratosthenes from generators: a source counts up from 2, and in front of it comes one filter for each
;; prime that was found. A filter resumes what is behind it for the next number, and suspends with those numbers that
;; its prime does not divide. What comes out of the whole chain is the next prime.
;;
;; `run n`: the sum of the primes below n.
(module
  (type $nf (func))                               (type $numbers (cont $nf))
  (type $sf (func (param i64)))                   (type $source (cont $sf))
  (type $ff (func (param i64 (ref null $numbers)))) (type $filter (cont $ff))
  (tag $number (param i64))

  (func $count (type $sf) (param $end i64)
    (local $i i64)
    (local.set $i (i64.const 2))
    (loop $next
      (if (i64.lt_u (local.get $i) (local.get $end))
        (then
          (suspend $number (local.get $i))
          (local.set $i (i64.add (local.get $i) (i64.const 1)))
          (br $next)))))

  (func $sift (type $ff) (param $prime i64) (param $behind (ref null $numbers))
    (local $i i64)
    (loop $next
      (call $take (local.get $behind))
      (local.set $behind)
      (local.set $i)
      (if (ref.is_null (local.get $behind)) (then (return)))
      (if (i64.ne (i64.const 0) (i64.rem_u (local.get $i) (local.get $prime)))
        (then (suspend $number (local.get $i))))
      (br $next)))
  (elem declare func $count $sift)

  ;; The next number and what comes after it; null if there is none. A function of its own: in Wasmtime as published
  ;; one that suspends as well takes 64 KiB of stack.
  (func $take (param $from (ref null $numbers)) (result i64 (ref null $numbers))
    (block $on_number (result i64 (ref $numbers))
      (resume $numbers (on $number $on_number) (local.get $from))
      (return (i64.const 0) (ref.null $numbers))))

  (func (export "run") (param $n i32) (result i64)
    (local $chain (ref null $numbers)) (local $prime i64) (local $sum i64)
    (local.set $chain
      (cont.bind $source $numbers
        (i64.extend_i32_u (local.get $n)) (cont.new $source (ref.func $count))))
    (loop $next
      (call $take (local.get $chain))
      (local.set $chain)
      (local.set $prime)
      (if (i32.eqz (ref.is_null (local.get $chain)))
        (then
          (local.set $sum (i64.add (local.get $sum) (local.get $prime)))
          (local.set $chain
            (cont.bind $filter $numbers
              (local.get $prime) (local.get $chain) (cont.new $filter (ref.func $sift))))
          (br $next))))
    (local.get $sum))

  ;; By trial division.
  (func (export "expected") (param $n i32) (result i64)
    (local $i i32) (local $d i32) (local $sum i64)
    (local.set $i (i32.const 2))
    (loop $number
      (if (i32.lt_u (local.get $i) (local.get $n))
        (then
          (local.set $d (i32.const 2))
          (block $composite
            (loop $divisor
              (if (i32.le_u (i32.mul (local.get $d) (local.get $d)) (local.get $i))
                (then
                  (br_if $composite (i32.eqz (i32.rem_u (local.get $i) (local.get $d))))
                  (local.set $d (i32.add (local.get $d) (i32.const 1)))
                  (br $divisor))))
            (local.set $sum (i64.add (local.get $sum) (i64.extend_i32_u (local.get $i)))))
          (local.set $i (i32.add (local.get $i) (i32.const 1)))
          (br $number))))
    (local.get $sum)))
