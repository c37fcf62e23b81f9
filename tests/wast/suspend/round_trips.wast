;; Semantics, instruction table: `suspend` hands its arguments to the handler and waits for its results.
;; Rule 5: a handler is gone once used. Rule 13: without a handler a suspend traps.

(module
  (type $ft (func (param i32) (result i32)))
  (type $ct (cont $ft))
  (type $ft0 (func (result i32)))
  (type $ct0 (cont $ft0))
  (tag $ask (param i32) (result i32))
  (tag $stop (param i32))

  ;; Asks for a value with n, n-1, ... 1, and returns the sum of the answers.
  (func $asker (type $ft)
    (local $sum i32)
    (loop $l
      (local.set $sum (i32.add (local.get $sum) (suspend $ask (local.get 0))))
      (br_if $l (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))
    (local.get $sum))
  (elem declare func $asker $once $plain $stopper)

  ;; Answers each question with its tenfold.
  (func (export "ask") (param $n i32) (result i32)
    (local $c (ref null $ct)) (local $v i32)
    (local.set $c (cont.new $ct (ref.func $asker)))
    (local.set $v (local.get $n))
    (loop $l (result i32)
      (block $on_ask (result i32 (ref $ct))
        (return (resume $ct (on $ask $on_ask) (local.get $v) (local.get $c))))
      (local.set $c)
      (local.set $v (i32.mul (i32.const 10)))
      (br $l)))

  (func $plain (type $ft0) (i32.const 7))
  (func (export "no-clauses") (result i32)
    (resume $ct0 (cont.new $ct0 (ref.func $plain))))

  ;; A handler is gone once used: the second resume brings none, so the second suspend traps.
  (func $once (type $ft)
    (drop (suspend $ask (local.get 0)))
    (suspend $ask (i32.const 0)))
  (func (export "sheep") (result i32)
    (block $on_ask (result i32 (ref $ct))
      (return (resume $ct (on $ask $on_ask) (i32.const 1) (cont.new $ct (ref.func $once)))))
    (return (resume $ct)))

  (func (export "uncaught") (result i32) (suspend $ask (i32.const 1)))

  (func $stopper (type $ft0) (suspend $stop (i32.const 5)) (i32.const 6))
  ;; The captured continuation is dropped: nothing runs further.
  (func (export "abandon") (result i32)
    (block $on_stop (result i32 (ref $ct0))
      (return (resume $ct0 (on $stop $on_stop) (cont.new $ct0 (ref.func $stopper)))))
    (drop)))

(assert_return (invoke "ask" (i32.const 1)) (i32.const 10))
(assert_return (invoke "ask" (i32.const 100)) (i32.const 50500))
(assert_return (invoke "no-clauses") (i32.const 7))
(assert_trap (invoke "sheep") "unhandled tag")
(assert_trap (invoke "uncaught") "unhandled tag")
(assert_return (invoke "abandon") (i32.const 5))
(assert_return (invoke "ask" (i32.const 3)) (i32.const 60))
