;; A chain of n continuations, each of which resumes the next. The innermost suspends to the function
;; outside all of them, through every resume in between: each has a clause for a tag of the same type, which
;; does not match. The outer function resumes the whole chain at once, with a value that says how to end:
;;
;; - `by_return n`: the innermost returns 1 and each other one adds 1; the result must be n.
;; - `by_exception n`: the innermost throws how deep it is, through all, to the outer function; the result
;;   must be n.
;; - `by_trap n`: the innermost traps, in `$fail`: `unreachable`. That it returns is an error.
;;
;; n is 1 at least.
(module
  (type $ft (func (param i32 i32) (result i64))) (type $ct (cont $ft))
  (type $rf (func (param i32) (result i64)))     (type $rest (cont $rf))
  (tag $out (result i32))
  (tag $other (result i32))
  (tag $stop (param i32))

  (func $fail (unreachable))

  ;; Continuation number `$i` of `$n`, from 1.
  (func $level (type $ft) (param $i i32) (param $n i32) (result i64)
    (local $how i32)
    (if (i32.eq (local.get $i) (local.get $n))
      (then
        (local.set $how (suspend $out))
        (if (i32.eq (local.get $how) (i32.const -1)) (then (throw $stop (local.get $i))))
        (if (i32.eq (local.get $how) (i32.const -2)) (then (call $fail)))
        (return (i64.extend_i32_s (local.get $how)))))
    (block $on_other (result (ref $rest))
      (return
        (i64.add (i64.const 1)
          (resume $ct (on $other $on_other)
            (i32.add (local.get $i) (i32.const 1)) (local.get $n) (cont.new $ct (ref.func $level))))))
    (unreachable))
  (elem declare func $level)

  ;; Makes the chain: all of it, suspended.
  (func $chain (param $n i32) (result (ref $rest))
    (if (i32.eqz (local.get $n)) (then (unreachable)))
    (block $on_out (result (ref $rest))
      (block $on_other (result (ref $rest))
        (resume $ct (on $other $on_other) (on $out $on_out)
          (i32.const 1) (local.get $n) (cont.new $ct (ref.func $level)))
        (unreachable))
      (unreachable)))

  (func $by_return (export "by_return") (param $n i32) (result i64)
    (local $result i64)
    (local.set $result (resume $rest (i32.const 1) (call $chain (local.get $n))))
    (if (i64.ne (local.get $result) (i64.extend_i32_u (local.get $n))) (then (unreachable)))
    (local.get $result))

  (func $by_exception (export "by_exception") (param $n i32) (result i32)
    (local $result i32)
    (block $caught (result i32)
      (try_table (catch $stop $caught)
        (drop (resume $rest (i32.const -1) (call $chain (local.get $n)))))
      (unreachable))
    (local.set $result)
    (if (i32.ne (local.get $result) (local.get $n)) (then (unreachable)))
    (local.get $result))

  (func $by_trap (export "by_trap") (param $n i32)
    (drop (resume $rest (i32.const -2) (call $chain (local.get $n))))))
