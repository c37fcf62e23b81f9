  ;; ---- The same server as a state machine: it stands behind the first parts of examples/server/guest.wat ----
  ;;
  ;; `read` and `write` return -2 if the socket is not ready. `step` then returns what the connection waits for, and is called
  ;; again: 0 it has ended, 1 a request, 2 more of a request, 3 room for a response, 4 so many milliseconds, the second result.
  ;;
  ;; What the blocking style has in local variables and return addresses is in the buffer:
  ;;   40 state: 0 head, 1 body, 2 answer, 3 write   44 bytes that have arrived   48 those that were searched
  ;;   4c length of the request   50 status   54 to be written from   58 so many bytes
  ;;   5c state after that: 0 of the next request, 1 body, 4 the end

  (func (export "step") (param $conn i32) (param $late i32) (result i32 i32)
    (local $buf i32) (local $input i32) (local $have i32) (local $n i32)
    (block $end
      (loop $request
        (if (i32.eqz (local.tee $buf (i32.load offset=0xc00 (i32.shl (local.get $conn) (i32.const 2)))))
          (then
            (br_if $end (local.get $late))
            (local.set $have (call $read (local.get $conn) (i32.const 0x800) (i32.const 0x400) (i32.const 1)))
            (if (i32.eq (local.get $have) (i32.const -2)) (then (return (i32.const 1) (i32.const 0))))
            (br_if $end (i32.le_s (local.get $have) (i32.const 0)))
            (if (i32.eqz (local.tee $buf (call $take (local.get $conn) (local.get $have))))
              (then
                (drop (call $write (local.get $conn)
                  (i32.add (global.get $no-memory) (i32.const 1)) (i32.load8_u (global.get $no-memory))))
                (br $end)))
            (memory.fill (local.get $buf) (i32.const 0) (i32.const 0x80))
            (i32.store offset=0x44 (local.get $buf) (local.get $have))))
        (local.set $input (i32.add (local.get $buf) (i32.const 0x400)))
        (loop $step
          (local.set $have (i32.load offset=0x44 (local.get $buf)))
          (block $answer
            (block $refuse
              (block $write
                (block $body
                  (block $head (br_table $head $body $answer $write (i32.load offset=0x40 (local.get $buf))))
                  ;; The head.
                  (i32.store offset=0x50 (local.get $buf) (global.get $timeout))
                  (br_if $refuse (local.get $late))
                  (i32.store offset=0x50 (local.get $buf) (global.get $fields-too-large))
                  (local.set $n (call $head-end
                    (local.get $buf) (i32.load offset=0x48 (local.get $buf)) (local.get $have)))
                  (if (i32.eqz (local.get $n))
                    (then
                      (br_if $refuse (i32.gt_u (local.get $have) (i32.const 0x2000)))
                      (i32.store offset=0x48 (local.get $buf) (local.get $have))
                      (local.set $n (call $read-more (local.get $conn) (local.get $buf) (local.get $have)))
                      (if (i32.eq (local.get $n) (i32.const -2)) (then (return (i32.const 2) (i32.const 0))))
                      (br_if $step (local.get $n))
                      (br $end)))
                  (br_if $refuse (i32.gt_s (local.get $n) (i32.const 0x2000)))
                  (i32.store offset=0x50 (local.get $buf) (global.get $bad-request))
                  (br_if $refuse (i32.lt_s (local.get $n) (i32.const 0)))
                  (i32.store offset=0x50 (local.get $buf) (call $parse (local.get $buf) (local.get $n)))
                  (br_if $refuse (i32.ne (i32.load offset=0x50 (local.get $buf)) (global.get $ok)))
                  (local.set $n (i32.add (local.get $n) (i32.load offset=0x1c (local.get $buf))))
                  (i32.store offset=0x4c (local.get $buf) (local.get $n))
                  (i32.store offset=0x40 (local.get $buf) (i32.const 1))
                  (br_if $step (i32.or
                    (i32.eqz (i32.load offset=0x24 (local.get $buf)))
                    (i32.ge_u (local.get $have) (local.get $n))))
                  (i32.store offset=0x54 (local.get $buf) (i32.add (global.get $continue) (i32.const 1)))
                  (i32.store offset=0x58 (local.get $buf) (i32.load8_u (global.get $continue)))
                  (i32.store offset=0x5c (local.get $buf) (i32.const 1))
                  (br $write))
                ;; The body.
                (i32.store offset=0x50 (local.get $buf) (global.get $timeout))
                (br_if $refuse (local.get $late))
                (if (i32.lt_u (local.get $have) (i32.load offset=0x4c (local.get $buf)))
                  (then
                    (local.set $n (call $read-more (local.get $conn) (local.get $buf) (local.get $have)))
                    (if (i32.eq (local.get $n) (i32.const -2)) (then (return (i32.const 2) (i32.const 0))))
                    (br_if $step (local.get $n))
                    (br $end)))
                (i32.store offset=0x50 (local.get $buf) (call $route (local.get $buf)))
                (br_if $answer (i32.eqz (i32.load offset=0x2c (local.get $buf))))
                (i32.store offset=0x40 (local.get $buf) (i32.const 2))
                (return (i32.const 4) (i32.load offset=0x2c (local.get $buf))))
              ;; What has to be written, and then the body, if it is in the request.
              (i32.store offset=0x40 (local.get $buf) (i32.const 3))
              (br_if $end (local.get $late))
              (if (i32.eqz (i32.load offset=0x58 (local.get $buf)))
                (then
                  (i32.store offset=0x54 (local.get $buf) (i32.load offset=0x30 (local.get $buf)))
                  (i32.store offset=0x58 (local.get $buf) (i32.load offset=0x34 (local.get $buf)))
                  (i32.store offset=0x34 (local.get $buf) (i32.const 0))))
              (if (i32.load offset=0x58 (local.get $buf))
                (then
                  (local.set $n (call $write (local.get $conn)
                    (i32.load offset=0x54 (local.get $buf)) (i32.load offset=0x58 (local.get $buf))))
                  (if (i32.eq (local.get $n) (i32.const -2)) (then (return (i32.const 3) (i32.const 0))))
                  (br_if $end (i32.le_s (local.get $n) (i32.const 0)))
                  (i32.store offset=0x54 (local.get $buf)
                    (i32.add (i32.load offset=0x54 (local.get $buf)) (local.get $n)))
                  (i32.store offset=0x58 (local.get $buf)
                    (i32.sub (i32.load offset=0x58 (local.get $buf)) (local.get $n)))
                  (br_if $step (i32.or
                    (i32.load offset=0x58 (local.get $buf)) (i32.load offset=0x34 (local.get $buf))))))
              (i32.store offset=0x40 (local.get $buf) (i32.load offset=0x5c (local.get $buf)))
              (br_if $end (i32.eq (i32.load offset=0x5c (local.get $buf)) (i32.const 4)))
              (br_if $step (i32.load offset=0x5c (local.get $buf)))
              ;; What has arrived of the next request.
              (local.set $n (i32.load offset=0x4c (local.get $buf)))
              (if (local.tee $have (i32.sub (local.get $have) (local.get $n)))
                (then
                  (memory.copy (local.get $input) (i32.add (local.get $input) (local.get $n)) (local.get $have))
                  (memory.fill (local.get $buf) (i32.const 0) (i32.const 0x80))
                  (i32.store offset=0x44 (local.get $buf) (local.get $have)))
                (else (call $give (local.get $conn))))
              (br $request))
            ;; An error after which the connection ends.
            (i32.store offset=0x20 (local.get $buf) (i32.const 0))
            (local.set $late (i32.const 0)))
          (call $respond (local.get $buf) (i32.load offset=0x50 (local.get $buf)))
          (i32.store offset=0x54 (local.get $buf) (i32.add (local.get $buf) (i32.const 0x80)))
          (i32.store offset=0x58 (local.get $buf) (i32.load offset=0x3c (local.get $buf)))
          (i32.store offset=0x5c (local.get $buf)
            (select (i32.const 0) (i32.const 4) (i32.load offset=0x20 (local.get $buf))))
          (i32.store offset=0x40 (local.get $buf) (i32.const 3))
          (br $step))))
    (call $give (local.get $conn))
    (i32.const 0) (i32.const 0))

  ;; -2: nothing has arrived; 0: nothing will.
  (func $read-more (param $conn i32) (param $buf i32) (param $have i32) (result i32) (local $n i32)
    (local.set $n (call $read
      (local.get $conn)
      (i32.add (i32.add (local.get $buf) (i32.const 0x400)) (local.get $have))
      (i32.sub (i32.const 0x6000) (local.get $have))
      (i32.const 0)))
    (if (i32.gt_s (local.get $n) (i32.const 0))
      (then (i32.store offset=0x44 (local.get $buf) (i32.add (local.get $have) (local.get $n)))))
    (local.get $n))
)
