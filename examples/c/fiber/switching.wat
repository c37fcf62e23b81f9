;; The instructions behind switching.c. Each fiber has a slot in a table of continuations.
;;
;; C keeps variables whose address it takes on a stack in the memory, the shadow stack, and that stack's pointer in a global. Each
;; function here that pauses a fiber keeps the pointer in a local, and restores it when the fiber goes on. So it is saved on the
;; stack of the one who waits.
(module
  ;; What a fiber takes when it goes on: a value, and the continuation of the fiber that has switched to it, if one has. What it
  ;; returns: the result of its function.
  (rec
    (type $fiber-func (func (param i32 (ref null $fiber)) (result i32)))
    (type $fiber (cont $fiber-func)))
  (type $entry (func (param i32) (result i32)))

  (import "main" "__indirect_function_table" (table $functions 0 funcref))
  (import "main" "__stack_pointer" (global $stack-pointer (mut i32)))

  ;; The value, and the slot of the fiber that yields.
  (tag $yield (param i32 i32) (result i32 (ref null $fiber)))
  (tag $swap (result i32))

  (table $fibers 0 (ref null $fiber))
  ;; The slot of the fiber that has switched to the one that goes on.
  (global $switched (mut i32) (i32.const -1))
  ;; The function and the shadow stack of the fiber that begins next.
  (global $entry (mut i32) (i32.const 0))
  (global $stack-top (mut i32) (i32.const 0))

  (elem declare func $run)

  (func (export "stack_pointer") (result i32) (global.get $stack-pointer))

  ;; A fiber goes on: keeps the continuation of the fiber that has switched to it, and returns the value.
  (func $arrive (param $value i32) (param $from (ref null $fiber)) (result i32)
    (if (i32.eqz (ref.is_null (local.get $from)))
      (then (table.set $fibers (global.get $switched) (local.get $from))))
    (local.get $value))

  ;; What each fiber runs.
  (func $run (type $fiber-func) (param $value i32) (param $from (ref null $fiber)) (result i32)
    (global.set $stack-pointer (global.get $stack-top))
    (call_indirect $functions (type $entry)
      (call $arrive (local.get $value) (local.get $from))
      (global.get $entry)))

  ;; Makes room in the table.
  (func (export "reserve") (param $slot i32) (result i32)
    (if (i32.lt_u (local.get $slot) (table.size $fibers)) (then (return (i32.const 1))))
    (i32.ne (i32.const -1)
      (table.grow $fibers (ref.null $fiber)
        (i32.add (i32.const 16) (i32.sub (i32.shl (local.get $slot) (i32.const 1)) (table.size $fibers))))))

  (func (export "begin") (param $slot i32) (param $entry i32) (param $stack-top i32)
    (global.set $entry (local.get $entry))
    (global.set $stack-top (local.get $stack-top))
    (table.set $fibers (local.get $slot) (cont.new $fiber (ref.func $run))))

  (func (export "resume") (param $slot i32) (param $arg i32) (result i64)
    (local $stack-pointer i32) (local $paused (ref null $fiber)) (local $value i32)
    (local.set $stack-pointer (global.get $stack-pointer))
    (block $yielded (result i32 i32 (ref $fiber))
      (resume $fiber (on $yield $yielded) (on $swap switch)
        (local.get $arg) (ref.null $fiber) (table.get $fibers (local.get $slot)))
      (global.set $stack-pointer (local.get $stack-pointer))
      (return (i64.extend_i32_u)))
    (local.set $paused)
    (local.set $slot)
    (local.set $value)
    (table.set $fibers (local.get $slot) (local.get $paused))
    (global.set $stack-pointer (local.get $stack-pointer))
    (i64.or (i64.const 0x1_0000_0000) (i64.extend_i32_u (local.get $value))))

  (func (export "yield") (param $slot i32) (param $arg i32) (result i32)
    (local $stack-pointer i32)
    (local.set $stack-pointer (global.get $stack-pointer))
    (call $arrive (suspend $yield (local.get $arg) (local.get $slot)))
    (global.set $stack-pointer (local.get $stack-pointer)))

  (func (export "switch") (param $from i32) (param $slot i32) (param $arg i32) (result i32)
    (local $stack-pointer i32)
    (local.set $stack-pointer (global.get $stack-pointer))
    (global.set $switched (local.get $from))
    (call $arrive (switch $fiber $swap (local.get $arg) (table.get $fibers (local.get $slot))))
    (global.set $stack-pointer (local.get $stack-pointer)))

  ;; Nothing refers to the continuation any more, and the engine takes its stack back. Nothing of C has to run for that.
  (func (export "end") (param $slot i32)
    (table.set $fibers (local.get $slot) (ref.null $fiber))))
