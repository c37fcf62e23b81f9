;; A pipeline of three stages: numbers, the odd ones among them, and their running sum. Each stage pulls
;; from the one before it, and knows nothing but that it asks for values and gives out values.
;;
;; Source feature: iterators, streams. Instructions: cont.new, cont.bind, resume, suspend through a stage.
;; Run: cargo xtask wasmtime run -W stack-switching examples/pipeline.wat
(module
  (import "wasi_snapshot_preview1" "fd_write"
    (func $fd_write (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)

  ;; Writes the `$len` bytes at `$ptr`.
  (func $write (param $ptr i32) (param $len i32)
    (i32.store (i32.const 0) (local.get $ptr))
    (i32.store (i32.const 4) (local.get $len))
    (drop (call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8))))
  ;; Writes `$n` in decimal digits, which end at 32.
  (func $number (param $n i32)
    (local $p i32)
    (local.set $p (i32.const 32))
    (loop $digits
      (local.set $p (i32.sub (local.get $p) (i32.const 1)))
      (i32.store8 (local.get $p) (i32.add (i32.const 48) (i32.rem_u (local.get $n) (i32.const 10))))
      (br_if $digits (local.tee $n (i32.div_u (local.get $n) (i32.const 10)))))
    (call $write (local.get $p) (i32.sub (i32.const 32) (local.get $p))))

  (data (i32.const 64) "\n")

  (type $sf (func)) (type $stage (cont $sf))
  ;; A stage that takes the stage before it as an argument.
  (type $tf (func (param (ref null $stage)))) (type $over (cont $tf))
  (tag $emit (param i32))

  ;; Pulls from `$s`: the next value and the rest of the stage, which is null if it has ended.
  (func $pull (param $s (ref null $stage)) (result i32 (ref null $stage))
    (block $on_emit (result i32 (ref $stage))
      (resume $stage (on $emit $on_emit) (local.get $s))
      (return (i32.const 0) (ref.null $stage))))

  (func $numbers
    (local $i i32)
    (loop $l
      (suspend $emit (local.tee $i (i32.add (local.get $i) (i32.const 1))))
      (br_if $l (i32.lt_u (local.get $i) (i32.const 9)))))

  (func $odd (param $s (ref null $stage))
    (local $v i32)
    (loop $l
      (call $pull (local.get $s))
      (local.set $s) (local.set $v)
      (if (ref.is_null (local.get $s)) (then (return)))
      (if (i32.and (local.get $v) (i32.const 1)) (then (suspend $emit (local.get $v))))
      (br $l)))

  (func $sums (param $s (ref null $stage))
    (local $v i32) (local $sum i32)
    (loop $l
      (call $pull (local.get $s))
      (local.set $s) (local.set $v)
      (if (ref.is_null (local.get $s)) (then (return)))
      (local.set $sum (i32.add (local.get $sum) (local.get $v)))
      (suspend $emit (local.get $sum))
      (br $l)))
  (elem declare func $numbers $odd $sums)

  (func (export "_start")
    (local $s (ref null $stage)) (local $v i32)
    (local.set $s
      (cont.bind $over $stage
        (cont.bind $over $stage
          (cont.new $stage (ref.func $numbers))
          (cont.new $over (ref.func $odd)))
        (cont.new $over (ref.func $sums))))
    (loop $l
      (call $pull (local.get $s))
      (local.set $s) (local.set $v)
      (if (ref.is_null (local.get $s)) (then (return)))
      (call $number (local.get $v))
      (call $write (i32.const 64) (i32.const 1))
      (br $l))))

;;> 1
;;> 4
;;> 9
;;> 16
;;> 25
