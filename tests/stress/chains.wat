;; Chains of stacks: each stack resumes the next, and the innermost suspends through all of them, so that one reference is to the
;; whole chain. A chain goes on, ends by an exception that each of its stacks catches, or is abandoned.
;;
;; `run seed n` takes n steps, and returns a sum of what the stacks' objects hold. It traps if a chain comes to another sum.
(module
  (type $object (struct (field $value (mut i64)) (field $link (mut (ref null eq)))))
  (type $lf (func (param i32 (ref null $object)) (result i64))) (type $l (cont $lf))
  (type $cf (func (param i64) (result i64))) (type $c (cont $cf))
  (type $rf (func (result i64))) (type $r (cont $rf))
  ;; All stacks of a chain together hold $total.
  (type $chain (struct (field $k (mut (ref null $c))) (field $total (mut i64))))
  (type $chains (array (mut (ref null $chain))))
  (tag $wait (param i64) (result i64))
  (tag $stop (param (ref $object)))
  (tag $inner)
  (global $seed (mut i64) (i64.const 0))
  (global $new (mut i64) (i64.const 0))
  (elem declare func $level)

  (func $random (param $below i32) (result i32)
    (global.set $seed (i64.add (i64.const 1442695040888963407) (i64.mul (i64.const 6364136223846793005) (global.get $seed))))
    (i32.rem_u (i32.wrap_i64 (i64.shr_u (global.get $seed) (i64.const 33))) (local.get $below)))

  ;; An object that refers to itself by way of another. What it holds is added to $new.
  (func $object (result (ref $object)) (local $object (ref $object)) (local $value i64)
    (local.set $value (i64.extend_i32_u (call $random (i32.const 100000))))
    (global.set $new (i64.add (global.get $new) (local.get $value)))
    (local.set $object (struct.new $object (local.get $value) (ref.null eq)))
    (struct.set $object $link (local.get $object) (struct.new $object (local.get $value) (local.get $object)))
    (local.get $object))

  ;; What the object holds, also by way of its link.
  (func $held (param $object (ref $object)) (result i64) (local $value i64)
    (local.set $value (struct.get $object $value (ref.cast (ref $object)
      (struct.get $object $link (local.get $object)))))
    (if (i64.ne (local.get $value) (struct.get $object $value (local.get $object))) (then (unreachable)))
    (local.get $value))

  ;; Returns what all levels from here hold, with what the innermost was resumed with. If stopped, adds what this level holds to
  ;; the object that is thrown.
  (func $level (type $lf) (param $depth i32) (param $given (ref null $object)) (result i64)
    (local $own (ref $object)) (local $sum i64) (local $stopped (ref $object))
    (local.set $own (call $object))
    (block $stop (result (ref $object))
      (try_table (catch $stop $stop)
        (if (i32.eqz (local.get $depth))
          (then (local.set $sum (suspend $wait (i64.const 1))))
          (else
            (block $never (result (ref $r))
              (local.set $sum
                (resume $r (on $inner $never)
                  (cont.bind $l $r (i32.sub (local.get $depth) (i32.const 1)) (call $object)
                    (cont.new $l (ref.func $level)))))
              (br 1))
            (unreachable))))
      (local.set $sum (i64.add (local.get $sum) (call $held (local.get $own))))
      (if (i32.eqz (ref.is_null (local.get $given)))
        (then (local.set $sum (i64.add (local.get $sum) (call $held (ref.as_non_null (local.get $given)))))))
      (return (local.get $sum)))
    (local.set $stopped)
    (local.set $sum (call $held (local.get $own)))
    (if (i32.eqz (ref.is_null (local.get $given)))
      (then (local.set $sum (i64.add (local.get $sum) (call $held (ref.as_non_null (local.get $given)))))))
    (struct.set $object $value (local.get $stopped)
      (i64.add (local.get $sum) (struct.get $object $value (local.get $stopped))))
    (throw $stop (local.get $stopped)))

  (func $start (result (ref $chain)) (local $k (ref null $c))
    (global.set $new (i64.const 0))
    (block $waits (result i64 (ref $c))
      (resume $l (on $wait $waits) (call $random (i32.const 12)) (ref.null $object) (cont.new $l (ref.func $level)))
      (unreachable))
    (local.set $k) (drop)
    (struct.new $chain (local.get $k) (global.get $new)))

  (func $finish (param $chain (ref $chain)) (result i64) (local $sum i64)
    (block $waits (result i64 (ref $c))
      (local.set $sum (resume $c (on $wait $waits) (i64.const 7) (struct.get $chain $k (local.get $chain))))
      (if (i64.ne (local.get $sum) (i64.add (i64.const 7) (struct.get $chain $total (local.get $chain)))) (then (unreachable)))
      (return (local.get $sum)))
    (unreachable))

  (func $stop (param $chain (ref $chain)) (result i64) (local $sum i64)
    (local.set $sum (struct.get $object $value
      (block $stopped (result (ref $object))
        (try_table (catch $stop $stopped)
          (drop (resume_throw $c $stop (struct.new $object (i64.const 0) (ref.null eq)) (struct.get $chain $k (local.get $chain)))))
        (unreachable))))
    (if (i64.ne (local.get $sum) (struct.get $chain $total (local.get $chain))) (then (unreachable)))
    (local.get $sum))

  (func (export "run") (param $seed i32) (param $n i32) (result i64)
    (local $chains (ref $chains)) (local $i i32) (local $sum i64) (local $chain (ref null $chain)) (local $how i32)
    (global.set $seed (i64.extend_i32_u (local.get $seed)))
    (local.set $chains (array.new_default $chains (i32.const 128)))
    (loop $next
      (local.set $i (call $random (i32.const 128)))
      (local.set $chain (array.get $chains (local.get $chains) (local.get $i)))
      (if (ref.is_null (local.get $chain))
        (then (array.set $chains (local.get $chains) (local.get $i) (call $start)))
        (else
          (array.set $chains (local.get $chains) (local.get $i) (ref.null $chain))
          (local.set $how (call $random (i32.const 3)))
          (if (i32.eqz (local.get $how))
            (then (local.set $sum (i64.add (i64.mul (i64.const 3) (local.get $sum)) (call $finish (ref.as_non_null (local.get $chain)))))))
          (if (i32.eq (local.get $how) (i32.const 1))
            (then (local.set $sum (i64.add (i64.mul (i64.const 3) (local.get $sum)) (call $stop (ref.as_non_null (local.get $chain)))))))))
      (br_if $next (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
    (local.get $sum)))
