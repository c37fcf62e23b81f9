;; What this program must do; there was an engine, or a model, that said otherwise.
;; expect: trap null reference
;; expect: alive 0 to 0
(module
  (rec
    (type $ft0 (;0;) (func (result f32 exnref)))
    (type $ft1 (;1;) (func (param externref (ref null $ct1)) (result f32 exnref)))
    (type $ft2 (;2;) (func))
    (type $ft3 (;3;) (func (param (ref null $ct2))))
    (type $ft4 (;4;) (func (result exnref)))
    (type $ft5 (;5;) (func (param i32 i32)))
    (type $ft6 (;6;) (func (result externref f64)))
    (type $ft7 (;7;) (func (result i64)))
    (type $ft8 (;8;) (func (param i32 i32 i32 i32)))
    (type $ft9 (;9;) (func (param exnref)))
    (type $ft10 (;10;) (func (result (ref null $ct4))))
    (type $ft11 (;11;) (func (param f32 (ref null cont))))
    (type $ft12 (;12;) (func (result i32 i32)))
    (type $ft13 (;13;) (func (param exnref) (result f32 exnref)))
    (type $ft14 (;14;) (func (result (ref null $ct6))))
    (type $ct0 (;15;) (cont $ft0))
    (type $ct1 (;16;) (cont $ft1))
    (type $ct2 (;17;) (cont $ft3))
    (type $ct3 (;18;) (cont $ft8))
    (type $ct4 (;19;) (cont $ft9))
    (type $ct5 (;20;) (cont $ft2))
    (type $ct6 (;21;) (cont $ft13))
  )
  (type (;22;) (func (param i32)))
  (type (;23;) (func (param i64)))
  (type (;24;) (func (param f32)))
  (type (;25;) (func (param f64)))
  (type (;26;) (func (param v128)))
  (type (;27;) (func (param funcref)))
  (type (;28;) (func (param externref)))
  (type (;29;) (func (param exnref)))
  (type (;30;) (func (param (ref null cont))))
  (type (;31;) (func (param i32) (result externref)))
  (type (;32;) (func))
  (type (;33;) (func (result i32)))
  (import "" "event_i32" (func $event_i32 (;0;) (type 22)))
  (import "" "event_i64" (func $event_i64 (;1;) (type 23)))
  (import "" "event_f32" (func $event_f32 (;2;) (type 24)))
  (import "" "event_f64" (func $event_f64 (;3;) (type 25)))
  (import "" "event_v128" (func $event_v128 (;4;) (type 26)))
  (import "" "event_func" (func $event_func (;5;) (type 27)))
  (import "" "event_extern" (func $event_extern (;6;) (type 28)))
  (import "" "event_exn" (func $event_exn (;7;) (type 29)))
  (import "" "event_anycont" (func $event_anycont (;8;) (type 30)))
  (import "" "make_extern" (func $make_extern (;9;) (type 31)))
  (import "" "gc" (func $gc (;10;) (type 32)))
  (import "" "host0" (func $host0 (;11;) (type $ft11)))
  (import "" "host1" (func $host1 (;12;) (type $ft2)))
  (tag $t0 (;0;) (type $ft0) (result f32 exnref))
  (tag $t1 (;1;) (type $ft2))
  (tag $t2 (;2;) (type $ft4) (result exnref))
  (tag $t3 (;3;) (type $ft5) (param i32 i32))
  (global (;0;) (mut i32) i32.const 300)
  (export "run0" (func $f0))
  (export "tag0" (tag 0))
  (export "tag1" (tag 1))
  (export "tag2" (tag 2))
  (export "tag3" (tag 3))
  (elem (;0;) declare func $probe0 $probe1 $probe2 $probe3 $f0 $f1 $host0 $host1)
  (func $probe0 (;13;) (type 33) (result i32)
    i32.const 0
  )
  (func $probe1 (;14;) (type 33) (result i32)
    i32.const 1
  )
  (func $probe2 (;15;) (type 33) (result i32)
    i32.const 2
  )
  (func $probe3 (;16;) (type 33) (result i32)
    i32.const 3
  )
  (func $fuel (;17;) (type 32)
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
  (func $f0 (;18;) (type $ft7) (result i64)
    (local (ref null $ct6) (ref null $ct4) (ref null $ct4))
    call $fuel
    block ;; label = @1
      block (result (ref null $ct4)) ;; label = @2
        block (result (ref null $ct4)) ;; label = @3
          ref.func $f1
          cont.new $ct5
          resume $ct5 (on $t2 0 (;@3;)) (on $t2 1 (;@2;))
          br 2 (;@1;)
        end
        ref.null exn
        local.get 1
        resume $ct4
      end
      local.set 2
    end
    i64.const 120259084316
  )
  (func $f1 (;19;) (type $ft2)
    call $fuel
    suspend $t2
    call $event_exn
  )
)
