;;! operation = "a suspend through N resumes with other tags to the handler outside, and a resume of all N + 1 stacks (the name has N; alternating: two tags in turn)"
;;! size = 100000
;;! micro = true
;; A suspend with its handler far away: a chain of continuations, each of which resumes the next with a clause for
;; another tag, and an innermost that suspends to the function outside all of them.
;;
;; `run_1 n`, `run_10 n` and `run_100 n` make a chain with so many resumes in between, then n round trips, and return
;; how many times the innermost was resumed after it had suspended: n. `run_100_alternating n` is as `run_100 n`, but
;; every other suspend has another tag, whose handler is outside all, too: the last search was not for the same tag.
(module
  (type $ft (func (param i32))) (type $ct (cont $ft))
  (type $rf (func))             (type $rest (cont $rf))
  (tag $out)
  (tag $too)
  (tag $other)
  ;; Which innermost the chain ends in.
  (global $alternates (mut i32) (i32.const 0))
  (global $resumed (mut i64) (i64.const 0))

  (func $innermost
    (loop $again
      (suspend $out)
      (global.set $resumed (i64.add (global.get $resumed) (i64.const 1)))
      (br $again)))

  (func $alternating
    (loop $again
      (suspend $out)
      (global.set $resumed (i64.add (global.get $resumed) (i64.const 1)))
      (suspend $too)
      (global.set $resumed (i64.add (global.get $resumed) (i64.const 1)))
      (br $again)))

  ;; Resumes one that has one less between it and the innermost.
  (func $between (param $resumes i32)
    (block $on_other (result (ref $rest))
      (resume $ct (on $other $on_other)
        (i32.sub (local.get $resumes) (i32.const 1)) (cont.new $ct (ref.func $level)))
      (return))
    (unreachable))

  (func $level (type $ft) (param $resumes i32)
    (if (local.get $resumes)
      (then (call $between (local.get $resumes)))
      (else (if (global.get $alternates) (then (call $alternating)) (else (call $innermost))))))
  (elem declare func $level)

  (func $run (param $resumes i32) (param $n i32) (result i64)
    (local $chain (ref null $rest))
    (global.set $resumed (i64.const 0))
    (global.set $alternates (i32.const 0))
    (local.set $chain
      (cont.bind $ct $rest (local.get $resumes) (cont.new $ct (ref.func $level))))
    ;; Once more than `$n`: the first makes the chain.
    (loop $again
      (block $on_out (result (ref $rest))
        (resume $rest (on $out $on_out) (local.get $chain))
        ;; No level ends.
        (unreachable))
      (local.set $chain)
      (br_if $again (i64.lt_u (global.get $resumed) (i64.extend_i32_u (local.get $n)))))
    (global.get $resumed))

  (func (export "run_100_alternating") (param $n i32) (result i64)
    (local $chain (ref null $rest))
    (global.set $resumed (i64.const 0))
    (global.set $alternates (i32.const 1))
    (local.set $chain (cont.bind $ct $rest (i32.const 100) (cont.new $ct (ref.func $level))))
    (loop $again
      (block $out_or_too (result (ref $rest))
        (resume $rest (on $out $out_or_too) (on $too $out_or_too) (local.get $chain))
        (unreachable))
      (local.set $chain)
      (br_if $again (i64.lt_u (global.get $resumed) (i64.extend_i32_u (local.get $n)))))
    (global.get $resumed))

  (func (export "run_1") (param $n i32) (result i64) (call $run (i32.const 1) (local.get $n)))
  (func (export "run_10") (param $n i32) (result i64) (call $run (i32.const 10) (local.get $n)))
  (func (export "run_100") (param $n i32) (result i64) (call $run (i32.const 100) (local.get $n)))

  (func (export "expected") (param $n i32) (result i64)
    (i64.extend_i32_u (local.get $n))))
