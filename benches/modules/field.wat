;;! operation = "an element of an array read or written: a reference to a continuation, or an i64"
;;! size = 500000
;;! no_unpatched = "published Wasmtime compiles no objects that hold references to continuations"
;;! micro = true
;; What a reference to a continuation costs in an object, beside a number. Each operation has another element than the one before
;; it, so that no compiler keeps a value in a register.
;;
;; `run_X n` reads or writes n elements, and returns how many were not null, or not zero.
(module
  (type $ft (func)) (type $ct (cont $ft))
  (type $conts (array (mut (ref null $ct))))
  (type $numbers (array (mut i64)))
  (func $f)
  (elem declare func $f)

  (func (export "run_cont_read") (param $n i32) (result i64)
    (local $all (ref $conts)) (local $i i32) (local $found i32)
    (local.set $all (array.new $conts (cont.new $ct (ref.func $f)) (i32.const 64)))
    (loop $l
      (local.set $found (i32.add (local.get $found)
        (i32.eqz (ref.is_null (array.get $conts (local.get $all) (i32.and (local.get $i) (i32.const 63)))))))
      (br_if $l (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (local.get $n))))
    (i64.extend_i32_u (local.get $found)))

  (func (export "run_i64_read") (param $n i32) (result i64)
    (local $all (ref $numbers)) (local $i i32) (local $found i32)
    (local.set $all (array.new $numbers (i64.const 1) (i32.const 64)))
    (loop $l
      (local.set $found (i32.add (local.get $found)
        (i32.eqz (i64.eqz (array.get $numbers (local.get $all) (i32.and (local.get $i) (i32.const 63)))))))
      (br_if $l (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (local.get $n))))
    (i64.extend_i32_u (local.get $found)))

  (func (export "run_cont_write") (param $n i32) (result i64)
    (local $all (ref $conts)) (local $cont (ref $ct)) (local $i i32)
    (local.set $cont (cont.new $ct (ref.func $f)))
    (local.set $all (array.new_default $conts (i32.const 64)))
    (loop $l
      (array.set $conts (local.get $all) (i32.and (local.get $i) (i32.const 63)) (local.get $cont))
      (br_if $l (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (local.get $n))))
    (i64.extend_i32_u (local.get $i)))

  (func (export "run_i64_write") (param $n i32) (result i64)
    (local $all (ref $numbers)) (local $i i32)
    (local.set $all (array.new_default $numbers (i32.const 64)))
    (loop $l
      (array.set $numbers (local.get $all) (i32.and (local.get $i) (i32.const 63)) (i64.extend_i32_u (local.get $i)))
      (br_if $l (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (local.get $n))))
    (i64.extend_i32_u (local.get $i)))

  (func (export "expected") (param $n i32) (result i64)
    (i64.extend_i32_u (local.get $n))))
