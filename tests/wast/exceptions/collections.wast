;; Exceptions that make the collector run, from a stack with other values where their function keeps references
;; while it is debugged (tests/cli.rs): they are no references.

(module
  (tag $e)
  (func $scribble (param i64) (result i64)
    (local i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64)
    (local.set 1 (local.get 0)) (local.set 2 (local.get 0)) (local.set 3 (local.get 0)) (local.set 4 (local.get 0))
    (local.set 5 (local.get 0)) (local.set 6 (local.get 0)) (local.set 7 (local.get 0)) (local.set 8 (local.get 0))
    (local.get 1))
  (func $caught (result exnref)
    (block $h (result exnref) (try_table (catch_all_ref $h) (throw $e)) (unreachable)))
  (func (export "many") (param $n i32) (result i32)
    (local $count i32)
    (loop $l
      (drop (call $scribble (i64.const 0x7777777077777770)))
      (drop (call $caught))
      (local.set $count (i32.add (local.get $count) (i32.const 1)))
      (br_if $l (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
    (local.get $count)))

(assert_return (invoke "many" (i32.const 5000)) (i32.const 5000))
