;; Actors: each has a mailbox; `$recv` waits for a message, `$send` never waits.
;;
;; A squarer answers whoever asks; a client sends three numbers and prints the answers. An actor that
;; waits for a message that never comes is left behind: the program ends when nobody can go on.
;;
;; Source feature: actors. Instructions: cont.new, cont.bind, resume (three clauses), suspend.
;; Run: cargo xtask wasmtime run -W stack-switching examples/actors.wat
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

  (data (i32.const 64) "squared: \n")

  (type $ft (func (param i32)))  (type $actor (cont $ft))  ;; takes its own number, or a message
  (type $gf (func))              (type $ready (cont $gf))
  (tag $spawn (param (ref $actor)) (result i32))
  (tag $send (param i32 i32))
  (tag $recv (result i32))

  ;; Per actor: the task that can go on, or that waits for a message; and a mailbox, a ring of 8 messages
  ;; at 256 + 64 * actor, with first and last at 128 + 8 * actor.
  (table $ready 4 (ref null $ready))
  (table $waiting 4 (ref null $actor))
  (global $actors (mut i32) (i32.const 0))
  (func $ends (param $a i32) (result i32) (i32.add (i32.const 128) (i32.mul (local.get $a) (i32.const 8))))
  (func $slot (param $a i32) (param $i i32) (result i32)
    (i32.add (i32.add (i32.const 256) (i32.mul (local.get $a) (i32.const 64)))
      (i32.mul (i32.and (local.get $i) (i32.const 7)) (i32.const 8))))
  (func $has_mail (param $a i32) (result i32)
    (i32.ne (i32.load (call $ends (local.get $a))) (i32.load offset=4 (call $ends (local.get $a)))))
  (func $post (param $a i32) (param $message i32)
    (local $last i32)
    (local.set $last (i32.load offset=4 (call $ends (local.get $a))))
    (i32.store (call $slot (local.get $a) (local.get $last)) (local.get $message))
    (i32.store offset=4 (call $ends (local.get $a)) (i32.add (local.get $last) (i32.const 1))))
  (func $take (param $a i32) (result i32)
    (local $first i32)
    (local.set $first (i32.load (call $ends (local.get $a))))
    (i32.store (call $ends (local.get $a)) (i32.add (local.get $first) (i32.const 1)))
    (i32.load (call $slot (local.get $a) (local.get $first))))
  (func $start (param $body (ref $actor)) (result i32)
    (table.set $ready (global.get $actors)
      (cont.bind $actor $ready (global.get $actors) (local.get $body)))
    (global.set $actors (i32.add (global.get $actors) (i32.const 1)))
    (i32.sub (global.get $actors) (i32.const 1)))

  ;; Runs actor `$a` until it waits or ends.
  (func $step (param $a i32)
    (local $k (ref null $ready)) (local $w (ref null $actor)) (local $to i32) (local $message i32)
    (local $body (ref null $actor))
    (local.set $k (table.get $ready (local.get $a)))
    (table.set $ready (local.get $a) (ref.null $ready))
    (loop $go
      (block $on_recv (result (ref $actor))
        (block $on_send (result i32 i32 (ref $ready))
          (block $on_spawn (result (ref $actor) (ref $actor))
            (resume $ready (on $spawn $on_spawn) (on $send $on_send) (on $recv $on_recv) (local.get $k))
            (return))
          (local.set $w) (local.set $body)
          (local.set $k (cont.bind $actor $ready
            (call $start (ref.as_non_null (local.get $body))) (local.get $w)))
          (br $go))
        (local.set $k) (local.set $message) (local.set $to)
        (call $post (local.get $to) (local.get $message))
        (br $go))
      (local.set $w)
      (table.set $waiting (local.get $a) (local.get $w))))

  ;; Gives waiting actors their mail, and runs who can go on, until nobody can.
  (func $run
    (local $a i32) (local $busy i32)
    (loop $again
      (local.set $a (i32.const 0))
      (local.set $busy (i32.const 0))
      (loop $each
        (if (i32.and (i32.eqz (ref.is_null (table.get $waiting (local.get $a)))) (call $has_mail (local.get $a)))
          (then
            (table.set $ready (local.get $a)
              (cont.bind $actor $ready (call $take (local.get $a)) (table.get $waiting (local.get $a))))
            (table.set $waiting (local.get $a) (ref.null $actor))))
        (if (i32.eqz (ref.is_null (table.get $ready (local.get $a))))
          (then
            (local.set $busy (i32.const 1))
            (call $step (local.get $a))))
        (br_if $each (i32.lt_u (local.tee $a (i32.add (local.get $a) (i32.const 1))) (global.get $actors))))
      (br_if $again (local.get $busy))))

  ;; Answers for ever: messages come in pairs, who asks and the number.
  (func $squarer (param $me i32)
    (local $from i32) (local $n i32)
    (loop $l
      (local.set $from (suspend $recv))
      (local.set $n (suspend $recv))
      (suspend $send (local.get $from) (i32.mul (local.get $n) (local.get $n)))
      (br $l)))
  (func $client (param $me i32)
    (local $squarer i32) (local $n i32)
    (local.set $squarer (suspend $spawn (cont.new $actor (ref.func $squarer))))
    (local.set $n (i32.const 10))
    (loop $ask
      (suspend $send (local.get $squarer) (local.get $me))
      (suspend $send (local.get $squarer) (local.get $n))
      (br_if $ask (i32.lt_u (local.tee $n (i32.add (local.get $n) (i32.const 1))) (i32.const 13))))
    (loop $answers
      (call $write (i32.const 64) (i32.const 9))
      (call $number (suspend $recv))
      (call $write (i32.const 73) (i32.const 1))
      (br_if $answers (i32.gt_u (local.tee $n (i32.sub (local.get $n) (i32.const 1))) (i32.const 10)))))
  (elem declare func $squarer $client)

  (func (export "_start")
    (drop (call $start (cont.new $actor (ref.func $client))))
    (call $run)))

;;> squared: 100
;;> squared: 121
;;> squared: 144
