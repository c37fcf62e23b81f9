;; Rules 3 and 4 where a search goes out through several resumes, more than once: what was around a continuation when it
;; was captured need not be around it the next time, also if others took it along and brought it back.

;; $y suspends to $main through $f. Then $z, which it resumes, suspends to $f and takes $y along: $y gets another
;; resume, with clauses that come first, though it has not suspended in between.
(module
  (type $ft (func)) (type $ct (cont $ft))
  (tag $t) (tag $u) (tag $other)
  (global $seen (mut i32) (i32.const 0))
  (elem declare func $f $y $z)
  (func $note (param i32) (global.set $seen (i32.add (i32.mul (global.get $seen) (i32.const 10)) (local.get 0))))

  (func $z (suspend $u))
  (func $y
    (suspend $t)
    (resume $ct (cont.new $ct (ref.func $z)))
    (suspend $t))
  (func $f (local $k (ref $ct))
    (block $on (result (ref $ct))
      (resume $ct (on $u $on) (cont.new $ct (ref.func $y))) (unreachable))
    (local.set $k)
    (call $note (i32.const 2))
    (block $on (result (ref $ct))
      (resume $ct (on $other $on) (on $t $on) (local.get $k)) (unreachable))
    (local.set $k)
    (call $note (i32.const 3))
    (resume $ct (local.get $k)))
  (func (export "run") (result i32) (local $k (ref $ct))
    (global.set $seen (i32.const 0))
    (local.set $k (cont.new $ct (ref.func $f)))
    (loop $again
      (block $on (result (ref $ct))
        (resume $ct (on $other $on) (on $t $on) (local.get $k))
        (return (global.get $seen)))
      (local.set $k)
      (call $note (i32.const 1))
      (br $again))
    (unreachable)))
(assert_return (invoke "run") (i32.const 123))
(assert_return (invoke "run") (i32.const 123))

;; The same, but that $f returns before $y goes on, and others run where it was.
(module
  (type $ft (func)) (type $ct (cont $ft))
  (tag $t) (tag $u) (tag $other)
  (global $held (mut (ref null $ct)) (ref.null $ct))
  (elem declare func $f $y $z $below)
  (func $z (suspend $u))
  (func $y
    (suspend $t)
    (resume $ct (cont.new $ct (ref.func $z)))
    (suspend $t))
  (func $f
    (block $on (result (ref $ct))
      (resume $ct (on $u $on) (cont.new $ct (ref.func $y))) (unreachable))
    (global.set $held))
  (func $below
    (block $on (result (ref $ct)) (resume $ct (on $u $on) (on $other $on) (global.get $held)) (return))
    (unreachable))
  (func (export "run") (param $others i32) (result i32) (local $k (ref $ct))
    (block $on (result (ref $ct))
      (resume $ct (on $t $on) (cont.new $ct (ref.func $f))) (unreachable))
    (local.set $k)
    (resume $ct (local.get $k))
    (block $on (result (ref $ct))
      (if (local.get $others)
        (then (resume $ct (on $other $on) (on $t $on) (cont.new $ct (ref.func $below)))))
      (resume $ct (on $other $on) (on $t $on) (global.get $held))
      (unreachable))
    (local.set $k)
    (resume $ct (local.get $k))
    (i32.const 5))
  (func (export "unhandled") (local $k (ref $ct))
    (block $on (result (ref $ct))
      (resume $ct (on $t $on) (cont.new $ct (ref.func $f))) (unreachable))
    (local.set $k)
    (resume $ct (local.get $k))
    (block $on (result (ref $ct)) (resume $ct (on $other $on) (global.get $held)) (return))
    (unreachable)))
(assert_return (invoke "run" (i32.const 0)) (i32.const 5))
(assert_return (invoke "run" (i32.const 1)) (i32.const 5))
(assert_trap (invoke "unhandled") "unhandled tag")
(assert_return (invoke "run" (i32.const 1)) (i32.const 5))

;; It is a switch that takes $y along: $z's prompt is the resume that runs $y. And what $y does afterwards is a switch.
(module
  (type $ft (func (result i32))) (type $ct (cont $ft))
  (type $tf (func (param (ref null $ct)) (result i32))) (type $tc (cont $tf))
  (tag $p (result i32)) (tag $q (result i32)) (tag $other (result i32))
  (global $held (mut (ref null $ct)) (ref.null $ct))
  (elem declare func $f $y $z $back $keep)
  ;; Goes back where it came from, so that the prompt is looked for again.
  (func $back (type $tf) (resume $ct (local.get 0)))
  (func $keep (type $tf) (global.set $held (local.get 0)) (i32.const 40))
  (func $z (type $ft) (switch $tc $q (cont.new $tc (ref.func $keep))) (i32.const 1))
  (func $y (type $ft)
    (switch $tc $p (cont.new $tc (ref.func $back)))
    (drop (resume $ct (cont.new $ct (ref.func $z))))
    (switch $tc $p (cont.new $tc (ref.func $keep)))
    (i32.const 2))
  (func $f (type $ft)
    ;; 40 is what $keep returned in place of $y.
    (drop (resume $ct (on $q switch) (cont.new $ct (ref.func $y))))
    (i32.add (i32.const 300) (resume $ct (on $other switch) (on $p switch) (global.get $held))))
  (func (export "run") (result i32)
    (i32.add (i32.const 7000) (resume $ct (on $p switch) (cont.new $ct (ref.func $f)))))
  (func (export "end") (result i32) (resume $ct (global.get $held))))
(assert_return (invoke "run") (i32.const 7340))
(assert_return (invoke "end") (i32.const 2))
(assert_return (invoke "run") (i32.const 7340))


;; One tag for both kinds of clause, handled at different distances, and another in turn; each time there is one more
;; resume around it that has no clause for either.
(module
  (type $ft (func)) (type $ct (cont $ft))
  (type $uf (func (param (ref null $ct)))) (type $uc (cont $uf))
  (tag $both) (tag $near) (tag $none)
  (global $seen (mut i64) (i64.const 0))
  (elem declare func $leaf $below $nearer $to)
  (func $note (param i64) (global.set $seen (i64.add (i64.mul (global.get $seen) (i64.const 10)) (local.get 0))))

  (func $leaf (local $n i32)
    (loop $l
      (suspend $both)
      (switch $uc $both (cont.new $uc (ref.func $to)))
      (suspend $near)
      (br_if $l (i32.lt_u (local.tee $n (i32.add (local.get $n) (i32.const 1))) (i32.const 3)))))
  (func $to (type $uf) (call $note (i64.const 4)) (resume $ct (local.get 0)))
  (func $below (type $uf) (resume $ct (local.get 0)))
  (func $bind-below (param (ref null $ct)) (result (ref $ct))
    (cont.bind $uc $ct (local.get 0) (cont.new $uc (ref.func $below))))
  (func $nearer (type $uf)
    (loop $l
      (block $on (result (ref $ct))
        (resume $ct (on $none $on) (on $near $on) (on $none switch) (on $both switch) (local.get 0))
        (return))
      (local.set 0)
      (call $note (i64.const 2))
      (br $l)))
  (func (export "run") (result i64) (local $k (ref $ct))
    (global.set $seen (i64.const 0))
    (local.set $k (cont.bind $uc $ct
      (call $bind-below (cont.new $ct (ref.func $leaf))) (cont.new $uc (ref.func $nearer))))
    (loop $l
      (block $on (result (ref $ct))
        (resume $ct (on $none $on) (on $both $on) (local.get $k))
        (return (global.get $seen)))
      (local.set $k (call $bind-below))
      (call $note (i64.const 1))
      (br $l))
    (unreachable)))
(assert_return (invoke "run") (i64.const 142142142))
(assert_return (invoke "run") (i64.const 142142142))

;; Two tags in turn, both handled far out and at the same resume. Then one of them moves inwards, and back outwards: what the
;; suspending continuation knows of that tag is not valid any more.
(module
  (type $ft (func)) (type $ct (cont $ft))
  (tag $p (param i32)) (tag $q (param i32))
  (global $seen (mut i64) (i64.const 0))
  (global $held (mut (ref null $ct)) (ref.null $ct))
  (elem declare func $leaf $below $inner)
  (func $note (param $who i32)
    (global.set $seen (i64.add (i64.mul (global.get $seen) (i64.const 10)) (i64.extend_i32_u (local.get $who)))))
  (func $leaf
    (loop $l
      (suspend $p (i32.const 1))
      (suspend $q (i32.const 2))
      (br $l)))
  ;; Between the leaf and all handlers.
  (func $below (resume $ct (cont.new $ct (ref.func $leaf))))
  ;; Takes $q by itself, three times, and leaves $p to whoever runs it. Then it lets the outer one have both again.
  (func $inner (local $n i32) (local $k (ref null $ct))
    (local.set $k (global.get $held))
    (loop $l
      (block $on_q (result i32 (ref $ct))
        (resume $ct (on $q $on_q) (local.get $k))
        (unreachable))
      (local.set $k)
      (call $note (i32.add (i32.const 4)))
      (br_if $l (i32.lt_u (local.tee $n (i32.add (local.get $n) (i32.const 1))) (i32.const 3))))
    (resume $ct (local.get $k)))
  (func (export "run") (result i64) (local $k (ref null $ct)) (local $n i32)
    (global.set $seen (i64.const 0))
    (local.set $k (cont.new $ct (ref.func $below)))
    (loop $l
      (block $on_q (result i32 (ref $ct))
        (block $on_p (result i32 (ref $ct))
          (resume $ct (on $p $on_p) (on $q $on_q) (local.get $k))
          (unreachable)))
      (local.set $k)
      (call $note)
      ;; After 1 2 1 2 1: $q is next, and $inner is there first.
      (if (i32.eq (local.tee $n (i32.add (local.get $n) (i32.const 1))) (i32.const 5))
        (then
          (global.set $held (local.get $k))
          (local.set $k (cont.new $ct (ref.func $inner)))))
      (br_if $l (i32.lt_u (local.get $n) (i32.const 12))))
    (global.get $seen)))
(assert_return (invoke "run") (i64.const 121216161612121))
(assert_return (invoke "run") (i64.const 121216161612121))
