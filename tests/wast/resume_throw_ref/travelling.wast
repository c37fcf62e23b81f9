;; Semantics, rules 9, 10 and 14: the exception that `resume_throw_ref` raises may come from another stack, be
;; caught by reference and be raised again in the next continuation, keeping its payload: a baton of one exception
;; through a row of continuations.

(module
  (type $f (func (param i32) (result i32))) (type $c (cont $f))
  (type $xf (func (param exnref) (result i32))) (type $x (cont $xf))
  (tag $e (param i32 i64)) (tag $wait (param i32) (result i32)) (tag $hand (param exnref) (result i32))
  (global $trace (mut i64) (i64.const 0))
  (table $row 10 (ref null $c))

  (func $thrower (type $f) (throw $e (local.get 0) (i64.const 0x123456789)))
  ;; Waits for the exception, notes its payload, and hands it to its resumer as a value.
  (func $runner (type $f)
    (local $x exnref) (local $p i32)
    (block $caught (result i32 i64 exnref)
      (try_table (catch_ref $e $caught) (return (suspend $wait (local.get 0))))
      (unreachable))
    (local.set $x)
    (if (i64.ne (i64.const 0x123456789)) (then (unreachable)))
    (local.set $p)
    (global.set $trace
      (i64.add (i64.mul (global.get $trace) (i64.const 100))
        (i64.extend_i32_u (i32.add (i32.mul (local.get $p) (i32.const 10)) (local.get 0)))))
    (suspend $hand (local.get $x)))
  (elem declare func $thrower $runner)

  (func (export "relay") (param $n i32) (result i64)
    (local $i i32) (local $x exnref) (local $k (ref null $c))
    (global.set $trace (i64.const 0))
    (loop $park
      (block $on (result i32 (ref $c))
        (drop (resume $c (on $wait $on) (local.get $i) (cont.new $c (ref.func $runner))))
        (unreachable))
      (local.set $k)
      (if (i32.ne (local.get $i)) (then (unreachable)))
      (table.set $row (local.get $i) (local.get $k))
      (br_if $park (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (local.get $n))))
    ;; The exception starts on a stack that is gone by then.
    (block $caught (result exnref)
      (try_table (catch_all_ref $caught) (drop (resume $c (i32.const 7) (cont.new $c (ref.func $thrower)))))
      (unreachable))
    (local.set $x)
    (local.set $i (i32.const 0))
    (loop $next
      (block $on (result exnref (ref $c))
        (drop (resume_throw_ref $c (on $hand $on) (local.get $x) (table.get $row (local.get $i))))
        (unreachable))
      (local.set $k) (local.set $x)
      (br_if $next (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (local.get $n))))
    ;; The last one's payload, once more.
    (block $caught (result i32 i64)
      (try_table (catch $e $caught) (throw_ref (local.get $x)))
      (unreachable))
    (drop) (drop)
    (global.get $trace))

  ;; Raised from inside of another continuation than the one that caught it.
  (func $raises (type $xf)
    (resume_throw_ref $c (local.get 0) (table.get $row (i32.const 0))))
  (elem declare func $raises $lets)
  (func $lets (type $f) (suspend $wait (local.get 0)))
  (func (export "from-inside") (result i32 i64)
    (local $x exnref) (local $k (ref null $c))
    (block $on (result i32 (ref $c))
      (drop (resume $c (on $wait $on) (i32.const 1) (cont.new $c (ref.func $lets))))
      (unreachable))
    (local.set $k) (drop)
    (table.set $row (i32.const 0) (local.get $k))
    (block $caught (result exnref)
      (try_table (catch_all_ref $caught) (drop (resume $c (i32.const 8) (cont.new $c (ref.func $thrower)))))
      (unreachable))
    (local.set $x)
    (block $caught (result i32 i64)
      (try_table (catch $e $caught)
        (drop (resume $x (local.get $x) (cont.new $x (ref.func $raises)))))
      (unreachable))))

(assert_return (invoke "relay" (i32.const 1)) (i64.const 70))
(assert_return (invoke "relay" (i32.const 3)) (i64.const 707172))
(assert_return (invoke "relay" (i32.const 9)) (i64.const 707172737475767778))
(assert_return (invoke "from-inside") (i32.const 8) (i64.const 0x123456789))
