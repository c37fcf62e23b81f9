;; What this program must do; there was an engine, or a model, that said otherwise.
;; expect: trap continuation already consumed
;; expect: alive 0 to 0
(module
  (rec
    (type $ft0 (;0;) (func))
    (type $ft1 (;1;) (func (param (ref null $ct1))))
    (type $ft2 (;2;) (func (result (ref null $ct0))))
    (type $ct0 (;3;) (cont $ft0))
    (type $ct1 (;4;) (cont $ft1))
  )
  (type (;5;) (func (param i32)))
  (type (;6;) (func (param i64)))
  (type (;7;) (func (param f32)))
  (type (;8;) (func (param f64)))
  (type (;9;) (func (param v128)))
  (type (;10;) (func (param funcref)))
  (type (;11;) (func (param externref)))
  (type (;12;) (func (param exnref)))
  (type (;13;) (func (param (ref null cont))))
  (type (;14;) (func (param i32) (result externref)))
  (type (;15;) (func))
  (type (;16;) (func (result i32)))
  (import "" "event_i32" (func $event_i32 (;0;) (type 5)))
  (import "" "event_i64" (func $event_i64 (;1;) (type 6)))
  (import "" "event_f32" (func $event_f32 (;2;) (type 7)))
  (import "" "event_f64" (func $event_f64 (;3;) (type 8)))
  (import "" "event_v128" (func $event_v128 (;4;) (type 9)))
  (import "" "event_func" (func $event_func (;5;) (type 10)))
  (import "" "event_extern" (func $event_extern (;6;) (type 11)))
  (import "" "event_exn" (func $event_exn (;7;) (type 12)))
  (import "" "event_anycont" (func $event_anycont (;8;) (type 13)))
  (import "" "make_extern" (func $make_extern (;9;) (type 14)))
  (import "" "gc" (func $gc (;10;) (type 15)))
  (tag $t0 (;0;) (type $ft0))
  (tag $t1 (;1;) (type $ft0))
  (tag $t2 (;2;) (type $ft0))
  (global (;0;) (mut i32) i32.const 300)
  (export "run0" (func $f0))
  (export "tag0" (tag 0))
  (export "tag1" (tag 1))
  (export "tag2" (tag 2))
  (elem (;0;) declare func $probe0 $probe1 $probe2 $probe3 $f0 $f1)
  (func $probe0 (;11;) (type 16) (result i32)
    i32.const 0
  )
  (func $probe1 (;12;) (type 16) (result i32)
    i32.const 1
  )
  (func $probe2 (;13;) (type 16) (result i32)
    i32.const 2
  )
  (func $probe3 (;14;) (type 16) (result i32)
    i32.const 3
  )
  (func $fuel (;15;) (type 15)
    global.get 0
    i32.const 1
    i32.sub
    global.set 0
    global.get 0
    i32.const 0
    i32.lt_s
    if ;; label = @1
      unreachable
    end
  )
  (func $f0 (;16;) (type $ft0)
    (local (ref null $ct0) i32 (ref null $ct0))
    call $fuel
    block ;; label = @1
      ref.func $f1
      cont.new $ct0
      local.set 0
      loop ;; label = @2
        call $fuel
        block (result (ref null $ct0)) ;; label = @3
          local.get 0
          resume $ct0
          br 2 (;@1;)
        end
        local.set 0
      end
    end
    block (result (ref null $ct0)) ;; label = @1
      local.get 0
      resume $ct0
      br 1
    end
    local.set 2
  )
  (func $f1 (;17;) (type $ft0)
    call $fuel
  )
)
