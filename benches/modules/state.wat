;;! operation = "a get or a put: suspend, one clause of two, resume"
;;! size = 300000
;;! talk = 4.48
;;! micro = true
;; State as an effect: a client asks for it (`$get`) and replaces it (`$put`) by suspending, and a handler keeps it
;; in a local.
;;
;; `run n` has the client do n of them in turn: it gets s and puts 5 s + i, for i = n, n - 2, ... If n is odd it ends
;; with a get. The result is what the client got or put last, and must be what the same arithmetic gives in a loop.
(module
  (type $af (func (param i64) (result i64))) (type $answered (cont $af))
  (type $rf (func (result i64)))             (type $rest (cont $rf))
  (tag $get (result i64))
  (tag $put (param i64))

  (func $client (type $af) (param $n i64) (result i64)
    (local $s i64)
    (loop $next
      (if (i64.gt_u (local.get $n) (i64.const 1))
        (then
          (local.set $s (i64.add (i64.mul (suspend $get) (i64.const 5)) (local.get $n)))
          (suspend $put (local.get $s))
          (local.set $n (i64.sub (local.get $n) (i64.const 2)))
          (br $next))))
    (if (i64.eqz (local.get $n)) (then (return (local.get $s))))
    (suspend $get))
  (elem declare func $client)

  ;; Runs `$client` to its end, with `$state` at first.
  (func $handle (param $client (ref $rest)) (param $state i64) (result i64)
    ;; Null, or what waits for an answer.
    (local $asking (ref null $answered))
    (loop $next
      (block $on_put (result i64 (ref $rest))
        (block $on_get (result (ref $answered))
          (if (ref.is_null (local.get $asking))
            (then
              (return (resume $rest (on $get $on_get) (on $put $on_put) (local.get $client)))))
          (return
            (resume $answered (on $get $on_get) (on $put $on_put)
              (local.get $state) (local.get $asking))))
        (local.set $asking)
        (br $next))
      (local.set $client)
      (local.set $state)
      (local.set $asking (ref.null $answered))
      (br $next))
    (unreachable))

  (func (export "run") (param $n i32) (result i64)
    (call $handle
      (cont.bind $answered $rest
        (i64.extend_i32_u (local.get $n)) (cont.new $answered (ref.func $client)))
      (i64.const 1)))

  (func (export "expected") (param $n i32) (result i64)
    (local $s i64)
    (local.set $s (i64.const 1))
    (loop $next
      (if (i32.gt_u (local.get $n) (i32.const 1))
        (then
          (local.set $s
            (i64.add (i64.mul (local.get $s) (i64.const 5)) (i64.extend_i32_u (local.get $n))))
          (local.set $n (i32.sub (local.get $n) (i32.const 2)))
          (br $next))))
    (local.get $s)))
