;; What this program must do; there was an engine, or a model, that said otherwise.
;; expect: event cont null
;; expect: event f32 0x4000000c
;; expect: event f32 0x7fc0000b
;; expect: event cont null
;; expect: event i32 1009
;; expect: return exn null
;; expect: alive 0 to 0
(module
  (rec
    (type $ft0 (;0;) (func))
    (type $ft1 (;1;) (func (param externref (ref null $ct1))))
    (type $ft2 (;2;) (func (param (ref null cont) funcref externref) (result f32)))
    (type $ft3 (;3;) (func (param i32 (ref null cont) f32 f32 i64 (ref null cont)) (result v128 f32 exnref i32 i32 i32 i32 i32 i32 i32)))
    (type $ft4 (;4;) (func (result exnref)))
    (type $ft5 (;5;) (func (result externref externref)))
    (type $ft6 (;6;) (func (param v128 f32 exnref i32 i32 i32 i32 i32 i32 i32)))
    (type $ft7 (;7;) (func (result i32 (ref null cont) f32 f32 i64 (ref null cont) (ref null $ct2))))
    (type $ct0 (;8;) (cont $ft0))
    (type $ct1 (;9;) (cont $ft1))
    (type $ct2 (;10;) (cont $ft6))
  )
  (type (;11;) (func (param i32)))
  (type (;12;) (func (param i64)))
  (type (;13;) (func (param f32)))
  (type (;14;) (func (param f64)))
  (type (;15;) (func (param v128)))
  (type (;16;) (func (param funcref)))
  (type (;17;) (func (param externref)))
  (type (;18;) (func (param exnref)))
  (type (;19;) (func (param (ref null cont))))
  (type (;20;) (func (param i32) (result externref)))
  (type (;21;) (func))
  (type (;22;) (func (result i32)))
  (import "" "event_i32" (func $event_i32 (;0;) (type 11)))
  (import "" "event_i64" (func $event_i64 (;1;) (type 12)))
  (import "" "event_f32" (func $event_f32 (;2;) (type 13)))
  (import "" "event_f64" (func $event_f64 (;3;) (type 14)))
  (import "" "event_v128" (func $event_v128 (;4;) (type 15)))
  (import "" "event_func" (func $event_func (;5;) (type 16)))
  (import "" "event_extern" (func $event_extern (;6;) (type 17)))
  (import "" "event_exn" (func $event_exn (;7;) (type 18)))
  (import "" "event_anycont" (func $event_anycont (;8;) (type 19)))
  (import "" "make_extern" (func $make_extern (;9;) (type 20)))
  (import "" "gc" (func $gc (;10;) (type 21)))
  (tag $t0 (;0;) (type $ft0))
  (tag $t1 (;1;) (type $ft2) (param (ref null cont) funcref externref) (result f32))
  (tag $t2 (;2;) (type $ft3) (param i32 (ref null cont) f32 f32 i64 (ref null cont)) (result v128 f32 exnref i32 i32 i32 i32 i32 i32 i32))
  (tag $t3 (;3;) (type $ft0))
  (global (;0;) (mut i32) i32.const 300)
  (export "run0" (func $f0))
  (export "tag0" (tag 0))
  (export "tag1" (tag 1))
  (export "tag2" (tag 2))
  (export "tag3" (tag 3))
  (elem (;0;) declare func $probe0 $probe1 $probe2 $probe3 $f0 $f1)
  (func $probe0 (;11;) (type 22) (result i32)
    i32.const 0
  )
  (func $probe1 (;12;) (type 22) (result i32)
    i32.const 1
  )
  (func $probe2 (;13;) (type 22) (result i32)
    i32.const 2
  )
  (func $probe3 (;14;) (type 22) (result i32)
    i32.const 3
  )
  (func $fuel (;15;) (type 21)
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
  (func $f0 (;16;) (type $ft4) (result exnref)
    (local (ref null $ct0) (ref null $ct2))
    call $fuel
    ref.func $f1
    cont.new $ct0
    local.set 0
    block ;; label = @1
      block (type $ft7) (result i32 (ref null cont) f32 f32 i64 (ref null cont) (ref null $ct2)) ;; label = @2
        local.get 0
        resume $ct0 (on $t2 0 (;@2;))
        br 1 (;@1;)
      end
      local.set 1
      call $event_anycont
      drop
      call $event_f32
      call $event_f32
      call $event_anycont
      call $event_i32
    end
    ref.null exn
  )
  (func $f1 (;17;) (type $ft0)
    call $fuel
    i32.const 1009
    ref.null cont
    f32.const nan:0x40000b (;=NaN;)
    f32.const 0x1.000018p+1 (;=2.0000029;)
    i64.const 55834574861
    ref.null cont
    suspend $t2
    call $event_i32
    call $event_i32
    call $event_i32
    call $event_i32
    call $event_i32
    call $event_i32
    call $event_i32
    call $event_exn
    call $event_f32
    call $event_v128
  )
)
