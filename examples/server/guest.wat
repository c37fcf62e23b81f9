;; An HTTP/1.1 server for one connection, in blocking style. It does not know that others run beside it, nor of stack switching.
;;
;; The memory:
;;   0x00000  texts, each behind its length
;;   0x00800  where the first bytes of a request arrive
;;   0x00c00  for each connection the address of its buffer, or 0
;;   0x11000  buffers, of 28 KiB each:  0x000 fields  0x080 the response's head  0x400 the request, and what is behind it
;;
;; A connection has a buffer while a request is under way. While it waits for the next one it has none, so that ten thousand idle
;; connections take no memory here.
;;
;; The fields of a buffer, from 0x04: what `$parse` has found, what `$route` wants, what `$respond` has made.
;;   04 method: 1 GET, 2 HEAD, 3 POST, 0 another   08 path  0c its length   10 query  14 its length
;;   18 length of the head   1c length of the body   20 keep the connection   24 expects 100-continue   28 HTTP/1.x
;;   2c sleep so many ms   30 body of the response, or 0 for the text of its status   34 its length   38 text of `Allow`, or 0
;;   3c length of the response's head
(module
  ;; How many bytes came, 0 if no more will, negative if they are too late. `first`: of a request.
  (import "host" "read"
    (func $read (param $conn i32) (param $at i32) (param $len i32) (param $first i32) (result i32)))
  ;; How many bytes went, negative if the connection is broken.
  (import "host" "write" (func $write (param $conn i32) (param $at i32) (param $len i32) (result i32)))
  (import "host" "sleep" (func $sleep (param $conn i32) (param $ms i32)))

  ;; Room for 16,384 connections.
  (memory (export "memory") 2 7170)
  (global $free (mut i32) (i32.const 0))
  (global $top (mut i32) (i32.const 0x11000))
  ;; Set by the host when it stops: no connection is kept.
  (global $stopping (export "stopping") (mut i32) (i32.const 0))
  ;; Where `$put` goes on. Nothing suspends while a response is made.
  (global $out (mut i32) (i32.const 0))

  (data (i32.const 0x000) "\06200 OK")
  (data (i32.const 0x040) "\0f400 Bad Request")
  (data (i32.const 0x080) "\0d404 Not Found")
  (data (i32.const 0x0c0) "\16405 Method Not Allowed")
  (data (i32.const 0x100) "\13408 Request Timeout")
  (data (i32.const 0x140) "\15413 Content Too Large")
  (data (i32.const 0x180) "\16417 Expectation Failed")
  (data (i32.const 0x1c0) "\23431 Request Header Fields Too Large")
  (data (i32.const 0x200) "\13501 Not Implemented")
  (data (i32.const 0x240) "\1e505 HTTP Version Not Supported")
  (data (i32.const 0x280) "\09HTTP/1.1 ")
  (data (i32.const 0x2c0) "\3b\0d\0aContent-Type: text/plain; charset=utf-8\0d\0aContent-Length: ")
  (data (i32.const 0x300) "\18\0d\0aConnection: keep-alive")
  (data (i32.const 0x340) "\13\0d\0aConnection: close")
  (data (i32.const 0x380) "\04\0d\0a\0d\0a")
  (data (i32.const 0x3c0) "\12\0d\0aAllow: GET, HEAD")
  (data (i32.const 0x400) "\0d\0d\0aAllow: POST")
  (data (i32.const 0x440) "\1aHello from a continuation\0a")
  (data (i32.const 0x480) "\06Slept\0a")
  (data (i32.const 0x4c0) "\19HTTP/1.1 100 Continue\0d\0a\0d\0a")
  (data (i32.const 0x500)
    "\4aHTTP/1.1 503 Service Unavailable\0d\0aContent-Length: 0\0d\0aConnection: close\0d\0a\0d\0a")
  ;; Names in small letters.
  (data (i32.const 0x580) "\04host")
  (data (i32.const 0x590) "\0econtent-length")
  (data (i32.const 0x5a0) "\11transfer-encoding")
  (data (i32.const 0x5c0) "\0aconnection")
  (data (i32.const 0x5d0) "\06expect")
  (data (i32.const 0x5e0) "\0c100-continue")
  (data (i32.const 0x5f0) "\05close")
  (data (i32.const 0x600) "\0akeep-alive")
  ;; Paths.
  (data (i32.const 0x640) "\01/")
  (data (i32.const 0x650) "\05/echo")
  (data (i32.const 0x660) "\06/sleep")
  (data (i32.const 0x670) "\05/trap")
  (data (i32.const 0x680) "\03ms=")

  (global $ok i32 (i32.const 0x000))
  (global $bad-request i32 (i32.const 0x040))
  (global $not-found i32 (i32.const 0x080))
  (global $not-allowed i32 (i32.const 0x0c0))
  (global $timeout i32 (i32.const 0x100))
  (global $too-large i32 (i32.const 0x140))
  (global $expectation-failed i32 (i32.const 0x180))
  (global $fields-too-large i32 (i32.const 0x1c0))
  (global $not-implemented i32 (i32.const 0x200))
  (global $version-not-supported i32 (i32.const 0x240))
  (global $protocol i32 (i32.const 0x280))
  (global $content i32 (i32.const 0x2c0))
  (global $keep-alive-line i32 (i32.const 0x300))
  (global $close-line i32 (i32.const 0x340))
  (global $empty-line i32 (i32.const 0x380))
  (global $allow-get i32 (i32.const 0x3c0))
  (global $allow-post i32 (i32.const 0x400))
  (global $hello i32 (i32.const 0x440))
  (global $slept i32 (i32.const 0x480))
  (global $continue i32 (i32.const 0x4c0))
  (global $no-memory i32 (i32.const 0x500))
  (global $host i32 (i32.const 0x580))
  (global $content-length i32 (i32.const 0x590))
  (global $transfer-encoding i32 (i32.const 0x5a0))
  (global $connection i32 (i32.const 0x5c0))
  (global $expect i32 (i32.const 0x5d0))
  (global $100-continue i32 (i32.const 0x5e0))
  (global $close i32 (i32.const 0x5f0))
  (global $keep-alive i32 (i32.const 0x600))
  (global $root i32 (i32.const 0x640))
  (global $echo i32 (i32.const 0x650))
  (global $sleep i32 (i32.const 0x660))
  (global $trap i32 (i32.const 0x670))
  (global $ms i32 (i32.const 0x680))

  ;; ---- Buffers ----

  ;; A buffer for the connection, with the bytes of a request that have arrived; 0 if there is no memory.
  (func $take (param $conn i32) (param $have i32) (result i32) (local $buf i32)
    (if (local.tee $buf (global.get $free))
      (then (global.set $free (i32.load (local.get $buf))))
      (else
        (local.set $buf (global.get $top))
        (if (i32.gt_u (i32.add (local.get $buf) (i32.const 0x7000)) (i32.shl (memory.size) (i32.const 16)))
          (then (if (i32.eq (memory.grow (i32.const 1)) (i32.const -1)) (then (return (i32.const 0))))))
        (global.set $top (i32.add (local.get $buf) (i32.const 0x7000)))))
    (i32.store offset=0xc00 (i32.shl (local.get $conn) (i32.const 2)) (local.get $buf))
    (memory.copy (i32.add (local.get $buf) (i32.const 0x400)) (i32.const 0x800) (local.get $have))
    (local.get $buf))

  ;; Gives the connection's buffer back, if it has one. The host calls this too, for connections that have ended in the middle.
  (func $give (export "ended") (param $conn i32) (local $buf i32)
    (if (local.tee $buf (i32.load offset=0xc00 (i32.shl (local.get $conn) (i32.const 2))))
      (then
        (i32.store offset=0xc00 (i32.shl (local.get $conn) (i32.const 2)) (i32.const 0))
        (i32.store (local.get $buf) (global.get $free))
        (global.set $free (local.get $buf)))))

  ;; ---- Requests ----

  ;; The length of the head with the empty line that ends it, 0 if it has not arrived, -1 if a line ends with LF alone.
  ;; The first `seen` bytes were searched before.
  (func $head-end (param $buf i32) (param $seen i32) (param $have i32) (result i32)
    (local $start i32) (local $p i32) (local $end i32)
    (local.set $start (i32.add (local.get $buf) (i32.const 0x400)))
    (local.set $p (i32.add (local.get $start) (local.get $seen)))
    (local.set $end (i32.add (local.get $start) (local.get $have)))
    (loop $next
      (if (i32.ge_u (local.get $p) (local.get $end)) (then (return (i32.const 0))))
      (if (i32.eq (i32.load8_u (local.get $p)) (i32.const 0x0a))
        (then
          (if (i32.eq (local.get $p) (local.get $start)) (then (return (i32.const -1))))
          (if (i32.ne (i32.load8_u (i32.sub (local.get $p) (i32.const 1))) (i32.const 0x0d))
            (then (return (i32.const -1))))
          (if (i32.ge_u (i32.sub (local.get $p) (local.get $start)) (i32.const 3))
            (then (if (i32.eq (i32.load16_u (i32.sub (local.get $p) (i32.const 3))) (i32.const 0x0a0d))
              (then (return (i32.sub (i32.add (local.get $p) (i32.const 1)) (local.get $start)))))))))
      (local.set $p (i32.add (local.get $p) (i32.const 1)))
      (br $next))
    (unreachable))

  ;; The first byte from `p` on that no token has: RFC 9110, 5.6.2.
  (func $token-end (param $p i32) (result i32) (local $c i32)
    (loop $next
      (local.set $c (i32.load8_u (local.get $p)))
      (if (i32.lt_u (local.get $c) (i32.const 128))
        (then (if (i64.eqz (i64.and (i64.const 1) (i64.shr_u
              (select (i64.const 0x3ff6cfa00000000) (i64.const 0x57ffffffc7fffffe) (i32.lt_u (local.get $c) (i32.const 64)))
              (i64.extend_i32_u (local.get $c)))))
          (then (return (local.get $p)))))
        (else (return (local.get $p))))
      (local.set $p (i32.add (local.get $p) (i32.const 1)))
      (br $next))
    (unreachable))

  ;; Whether the bytes are the text. `fold`, 0x20: its letters may be in capitals.
  (func $is (param $p i32) (param $len i32) (param $text i32) (param $fold i32) (result i32)
    (if (i32.ne (local.get $len) (i32.load8_u (local.get $text))) (then (return (i32.const 0))))
    (loop $next
      (if (i32.eqz (local.get $len)) (then (return (i32.const 1))))
      (local.set $len (i32.sub (local.get $len) (i32.const 1)))
      (br_if $next (i32.eq
        (i32.or (i32.load8_u (i32.add (local.get $p) (local.get $len))) (local.get $fold))
        (i32.load8_u offset=1 (i32.add (local.get $text) (local.get $len))))))
    (i32.const 0))

  ;; Whether a list, whose elements are separated by commas, has the text.
  (func $lists (param $p i32) (param $end i32) (param $text i32) (result i32) (local $q i32)
    (loop $next
      (if (i32.ge_u (local.get $p) (local.get $end)) (then (return (i32.const 0))))
      (local.set $q (call $token-end (local.get $p)))
      (if (call $is (local.get $p) (i32.sub (local.get $q) (local.get $p)) (local.get $text) (i32.const 0x20))
        (then (return (i32.const 1))))
      (local.set $p (i32.add (local.get $q) (i32.eq (local.get $p) (local.get $q))))
      (br $next))
    (unreachable))

  ;; A number in decimal digits, or -1. Large ones are 10^9.
  (func $number (param $p i32) (param $end i32) (result i32) (local $n i32) (local $digit i32)
    (if (i32.ge_u (local.get $p) (local.get $end)) (then (return (i32.const -1))))
    (loop $next
      (local.set $digit (i32.sub (i32.load8_u (local.get $p)) (i32.const 48)))
      (if (i32.gt_u (local.get $digit) (i32.const 9)) (then (return (i32.const -1))))
      (local.set $n (select
        (i32.const 1000000000)
        (i32.add (i32.mul (local.get $n) (i32.const 10)) (local.get $digit))
        (i32.ge_u (local.get $n) (i32.const 100000000))))
      (local.set $p (i32.add (local.get $p) (i32.const 1)))
      (br_if $next (i32.lt_u (local.get $p) (local.get $end))))
    (local.get $n))

  ;; Reads a head of `len` bytes, up to its empty line, into the fields. Returns the status that it is refused with, or 200.
  (func $parse (param $buf i32) (param $len i32) (result i32)
    (local $p i32) (local $q i32) (local $c i32) (local $value i32) (local $end i32) (local $name i32)
    (local $hosts i32) (local $length i32) (local $codings i32) (local $closes i32) (local $keeps i32)
    (i32.store offset=0x18 (local.get $buf) (local.get $len))
    (local.set $length (i32.const -1))
    (local.set $p (i32.add (local.get $buf) (i32.const 0x400)))
    ;; One empty line before the request is allowed.
    (if (i32.eq (i32.load16_u (local.get $p)) (i32.const 0x0a0d))
      (then (local.set $p (i32.add (local.get $p) (i32.const 2)))))

    ;; The method: "GET ", "HEAD", "POST".
    (local.set $q (call $token-end (local.get $p)))
    (if (i32.eq (local.get $q) (local.get $p)) (then (return (global.get $bad-request))))
    (if (i32.ne (i32.load8_u (local.get $q)) (i32.const 0x20)) (then (return (global.get $bad-request))))
    (local.set $c (i32.load (local.get $p)))
    (local.set $len (i32.sub (local.get $q) (local.get $p)))
    (i32.store offset=0x04 (local.get $buf)
      (i32.or (i32.or
        (i32.eq (local.get $c) (i32.const 0x20544547))
        (i32.shl (i32.and (i32.eq (local.get $c) (i32.const 0x44414548)) (i32.eq (local.get $len) (i32.const 4))) (i32.const 1)))
        (i32.mul (i32.and (i32.eq (local.get $c) (i32.const 0x54534f50)) (i32.eq (local.get $len) (i32.const 4))) (i32.const 3))))

    ;; The target: visible characters, from `p` to `end`.
    (local.set $p (i32.add (local.get $q) (i32.const 1)))
    (local.set $end (local.get $p))
    (loop $next
      (local.set $c (i32.load8_u (local.get $end)))
      (if (i32.lt_u (i32.sub (local.get $c) (i32.const 0x21)) (i32.const 0x5e))
        (then (local.set $end (i32.add (local.get $end) (i32.const 1))) (br $next))))
    (if (i32.ne (local.get $c) (i32.const 0x20)) (then (return (global.get $bad-request))))
    (if (i32.eq (local.get $p) (local.get $end)) (then (return (global.get $bad-request))))

    ;; "HTTP/1.", a digit, CRLF.
    (if (i64.ne (i64.and (i64.load offset=1 (local.get $end)) (i64.const 0xff_ffff_ffff)) (i64.const 0x2f50545448))
      (then (return (global.get $bad-request))))
    (local.set $c (i32.load offset=6 (local.get $end)))
    (if (i32.ne (i32.load16_u offset=9 (local.get $end)) (i32.const 0x0a0d))
      (then (return (global.get $bad-request))))
    (if (i32.eqz (i32.and (i32.and
          (i32.lt_u (i32.sub (i32.and (local.get $c) (i32.const 0xff)) (i32.const 48)) (i32.const 10))
          (i32.eq (i32.and (i32.shr_u (local.get $c) (i32.const 8)) (i32.const 0xff)) (i32.const 0x2e)))
          (i32.lt_u (i32.sub (i32.and (i32.shr_u (local.get $c) (i32.const 16)) (i32.const 0xff)) (i32.const 48)) (i32.const 10))))
      (then (return (global.get $bad-request))))
    (if (i32.ne (i32.and (local.get $c) (i32.const 0xff)) (i32.const 49)) (then (return (global.get $version-not-supported))))
    (i32.store offset=0x28 (local.get $buf)
      (i32.ne (i32.and (i32.shr_u (local.get $c) (i32.const 16)) (i32.const 0xff)) (i32.const 48)))

    ;; The path: of `http://authority/path` what is behind the authority.
    (local.set $q (i32.add (local.get $end) (i32.const 11)))
    (if (i64.eq (i64.and (i64.load (local.get $p)) (i64.const 0xff_ffff_ffff_ffff)) (i64.const 0x2f2f3a70747468))
      (then
        (local.set $p (i32.add (local.get $p) (i32.const 7)))
        (loop $next
          (local.set $c (i32.load8_u (local.get $p)))
          (if (i32.and
                (i32.lt_u (local.get $p) (local.get $end))
                (i32.and (i32.ne (local.get $c) (i32.const 0x2f)) (i32.ne (local.get $c) (i32.const 0x3f))))
            (then (local.set $p (i32.add (local.get $p) (i32.const 1))) (br $next)))))
      (else (if (i32.ne (i32.load8_u (local.get $p)) (i32.const 0x2f))
        (then (return (global.get $bad-request))))))
    (i32.store offset=0x08 (local.get $buf) (local.get $p))
    (local.set $value (local.get $p))
    (loop $next
      (if (i32.lt_u (local.get $value) (local.get $end))
        (then (if (i32.ne (i32.load8_u (local.get $value)) (i32.const 0x3f))
          (then (local.set $value (i32.add (local.get $value) (i32.const 1))) (br $next))))))
    (i32.store offset=0x0c (local.get $buf) (i32.sub (local.get $value) (local.get $p)))
    (i32.store offset=0x10 (local.get $buf) (i32.add (local.get $value) (i32.const 1)))
    (i32.store offset=0x14 (local.get $buf)
      (i32.sub (i32.sub (local.get $end) (local.get $value)) (i32.lt_u (local.get $value) (local.get $end))))

    ;; The fields, up to the empty line.
    (local.set $p (local.get $q))
    (block $fields-end
      (loop $field
        (br_if $fields-end (i32.eq (i32.load16_u (local.get $p)) (i32.const 0x0a0d)))
        (local.set $name (local.get $p))
        (local.set $q (call $token-end (local.get $p)))
        (local.set $len (i32.sub (local.get $q) (local.get $p)))
        (if (i32.eqz (local.get $len)) (then (return (global.get $bad-request))))
        (if (i32.ne (i32.load8_u (local.get $q)) (i32.const 0x3a)) (then (return (global.get $bad-request))))
        ;; The value from `value` to `end`, without the blanks around it; the next line is at `p`.
        (local.set $value (i32.add (local.get $q) (i32.const 1)))
        (loop $blank
          (if (call $blank (local.get $value))
            (then (local.set $value (i32.add (local.get $value) (i32.const 1))) (br $blank))))
        (local.set $end (local.get $value))
        (loop $next
          (local.set $c (i32.load8_u (local.get $end)))
          (if (i32.and
                (i32.or (i32.ge_u (local.get $c) (i32.const 0x20)) (i32.eq (local.get $c) (i32.const 9)))
                (i32.ne (local.get $c) (i32.const 0x7f)))
            (then (local.set $end (i32.add (local.get $end) (i32.const 1))) (br $next))))
        (if (i32.ne (i32.load16_u (local.get $end)) (i32.const 0x0a0d)) (then (return (global.get $bad-request))))
        (local.set $p (i32.add (local.get $end) (i32.const 2)))
        (loop $blank
          (if (i32.gt_u (local.get $end) (local.get $value))
            (then (if (call $blank (i32.sub (local.get $end) (i32.const 1)))
              (then (local.set $end (i32.sub (local.get $end) (i32.const 1))) (br $blank))))))

        (if (call $is (local.get $name) (local.get $len) (global.get $host) (i32.const 0x20))
          (then (local.set $hosts (i32.add (local.get $hosts) (i32.const 1))) (br $field)))
        (if (call $is (local.get $name) (local.get $len) (global.get $content-length) (i32.const 0x20))
          (then
            (local.set $c (call $number (local.get $value) (local.get $end)))
            ;; A second one must say the same.
            (if (i32.or
                  (i32.eq (local.get $c) (i32.const -1))
                  (i32.and (i32.ne (local.get $length) (i32.const -1)) (i32.ne (local.get $length) (local.get $c))))
              (then (return (global.get $bad-request))))
            (local.set $length (local.get $c))
            (br $field)))
        (if (call $is (local.get $name) (local.get $len) (global.get $transfer-encoding) (i32.const 0x20))
          (then (local.set $codings (i32.const 1)) (br $field)))
        (if (call $is (local.get $name) (local.get $len) (global.get $connection) (i32.const 0x20))
          (then
            (local.set $closes
              (i32.or (local.get $closes) (call $lists (local.get $value) (local.get $end) (global.get $close))))
            (local.set $keeps
              (i32.or (local.get $keeps) (call $lists (local.get $value) (local.get $end) (global.get $keep-alive))))
            (br $field)))
        (if (call $is (local.get $name) (local.get $len) (global.get $expect) (i32.const 0x20))
          (then (i32.store offset=0x24 (local.get $buf)
            (select (i32.const 1) (i32.const 2)
              (call $is (local.get $value) (i32.sub (local.get $end) (local.get $value)) (global.get $100-continue) (i32.const 0x20))))))
        (br $field)))

    ;; HTTP/1.1 needs one `Host`, HTTP/1.0 none.
    (if (i32.or
          (i32.gt_u (local.get $hosts) (i32.const 1))
          (i32.lt_u (local.get $hosts) (i32.load offset=0x28 (local.get $buf))))
      (then (return (global.get $bad-request))))
    ;; Two lengths could be read as one request or as two.
    (if (local.get $codings)
      (then (return (select (global.get $not-implemented) (global.get $bad-request) (i32.and
        (i32.eq (local.get $length) (i32.const -1)) (i32.load offset=0x28 (local.get $buf)))))))
    (if (i32.eqz (i32.load offset=0x28 (local.get $buf)))
      (then (i32.store offset=0x24 (local.get $buf) (i32.const 0))))
    (if (i32.eq (i32.load offset=0x24 (local.get $buf)) (i32.const 2))
      (then (return (global.get $expectation-failed))))
    (if (i32.gt_s (local.get $length) (i32.const 0x4000)) (then (return (global.get $too-large))))
    (i32.store offset=0x1c (local.get $buf)
      (select (i32.const 0) (local.get $length) (i32.eq (local.get $length) (i32.const -1))))
    (i32.store offset=0x20 (local.get $buf) (i32.and
      (i32.or (local.get $keeps) (i32.load offset=0x28 (local.get $buf)))
      (i32.eqz (local.get $closes))))
    (global.get $ok))

  ;; Whether a byte is a space or a tab.
  (func $blank (param $p i32) (result i32)
    (i32.or
      (i32.eq (i32.load8_u (local.get $p)) (i32.const 0x20))
      (i32.eq (i32.load8_u (local.get $p)) (i32.const 0x09))))

  ;; ---- Responses ----

  ;; What a request is answered with: its status. The other fields say the rest.
  (func $route (param $buf i32) (result i32) (local $path i32) (local $len i32) (local $method i32) (local $ms i32)
    (local.set $path (i32.load offset=0x08 (local.get $buf)))
    (local.set $len (i32.load offset=0x0c (local.get $buf)))
    (local.set $method (i32.load offset=0x04 (local.get $buf)))
    (if (call $is (local.get $path) (local.get $len) (global.get $echo) (i32.const 0))
      (then
        (if (i32.ne (local.get $method) (i32.const 3))
          (then
            (i32.store offset=0x38 (local.get $buf) (global.get $allow-post))
            (return (global.get $not-allowed))))
        (i32.store offset=0x30 (local.get $buf)
          (i32.add (i32.add (local.get $buf) (i32.const 0x400)) (i32.load offset=0x18 (local.get $buf))))
        (i32.store offset=0x34 (local.get $buf) (i32.load offset=0x1c (local.get $buf)))
        (return (global.get $ok))))
    ;; `http://authority` has no path.
    (if (i32.eqz (local.get $len)) (then (local.set $path (i32.add (global.get $root) (i32.const 1))) (local.set $len (i32.const 1))))
    (block $body
      (block $known
        (if (call $is (local.get $path) (local.get $len) (global.get $root) (i32.const 0))
          (then
            (i32.store offset=0x30 (local.get $buf) (global.get $hello))
            (br $known)))
        (if (call $is (local.get $path) (local.get $len) (global.get $sleep) (i32.const 0))
          (then
            (local.set $path (i32.load offset=0x10 (local.get $buf)))
            (local.set $len (i32.load offset=0x14 (local.get $buf)))
            (local.set $ms (i32.const -1))
            (if (i32.gt_u (local.get $len) (i32.const 3))
              (then (if (call $is (local.get $path) (i32.const 3) (global.get $ms) (i32.const 0))
                (then (local.set $ms (call $number
                  (i32.add (local.get $path) (i32.const 3)) (i32.add (local.get $path) (local.get $len))))))))
            ;; A minute at most.
            (if (i32.gt_u (local.get $ms) (i32.const 60000)) (then (return (global.get $bad-request))))
            (i32.store offset=0x2c (local.get $buf) (local.get $ms))
            (i32.store offset=0x30 (local.get $buf) (global.get $slept))
            (br $known)))
        ;; What a mistake of the guest's does to the others: nothing.
        (if (call $is (local.get $path) (local.get $len) (global.get $trap) (i32.const 0)) (then (unreachable)))
        (return (global.get $not-found)))
      (br_if $body (i32.lt_u (i32.sub (local.get $method) (i32.const 1)) (i32.const 2)))
      (i32.store offset=0x2c (local.get $buf) (i32.const 0))
      (i32.store offset=0x30 (local.get $buf) (i32.const 0))
      (i32.store offset=0x38 (local.get $buf) (global.get $allow-get))
      (return (global.get $not-allowed)))
    ;; The text, behind its length.
    (local.set $path (i32.load offset=0x30 (local.get $buf)))
    (i32.store offset=0x34 (local.get $buf) (i32.load8_u (local.get $path)))
    (i32.store offset=0x30 (local.get $buf) (i32.add (local.get $path) (i32.const 1)))
    (global.get $ok))

  (func $put (param $p i32) (param $len i32)
    (memory.copy (global.get $out) (local.get $p) (local.get $len))
    (global.set $out (i32.add (global.get $out) (local.get $len))))

  (func $put-text (param $text i32)
    (call $put (i32.add (local.get $text) (i32.const 1)) (i32.load8_u (local.get $text))))

  (func $put-number (param $n i32)
    (if (i32.ge_u (local.get $n) (i32.const 10))
      (then (call $put-number (i32.div_u (local.get $n) (i32.const 10)))))
    (i32.store8 (global.get $out) (i32.add (i32.rem_u (local.get $n) (i32.const 10)) (i32.const 48)))
    (global.set $out (i32.add (global.get $out) (i32.const 1))))

  ;; Makes the response's head, and puts the body behind it if that is not in the request. What then has to be written of the
  ;; request is `offset=0x30` and `offset=0x34`.
  (func $respond (param $buf i32) (param $status i32) (local $keep i32) (local $body i32) (local $len i32)
    (local.set $keep (i32.and (i32.load offset=0x20 (local.get $buf)) (i32.eqz (global.get $stopping))))
    (i32.store offset=0x20 (local.get $buf) (local.get $keep))
    (local.set $len (i32.load offset=0x34 (local.get $buf)))
    (if (i32.eqz (local.tee $body (i32.load offset=0x30 (local.get $buf))))
      (then
        (local.set $body (i32.add (local.get $status) (i32.const 1)))
        (local.set $len (i32.load8_u (local.get $status)))))
    (global.set $out (i32.add (local.get $buf) (i32.const 0x80)))
    (call $put-text (global.get $protocol))
    (call $put-text (local.get $status))
    (call $put-text (global.get $content))
    (call $put-number (local.get $len))
    (if (i32.load offset=0x38 (local.get $buf))
      (then (call $put-text (i32.load offset=0x38 (local.get $buf)))))
    (if (i32.eqz (local.get $keep))
      (then (call $put-text (global.get $close-line)))
      (else (if (i32.eqz (i32.load offset=0x28 (local.get $buf))) (then (call $put-text (global.get $keep-alive-line))))))
    (call $put-text (global.get $empty-line))
    (if (i32.eq (i32.load offset=0x04 (local.get $buf)) (i32.const 2)) (then (local.set $len (i32.const 0))))
    (if (i32.lt_u (local.get $body) (local.get $buf))
      (then (call $put (local.get $body) (local.get $len)) (local.set $len (i32.const 0))))
    (i32.store offset=0x30 (local.get $buf) (local.get $body))
    (i32.store offset=0x34 (local.get $buf) (local.get $len))
    (i32.store offset=0x3c (local.get $buf)
      (i32.sub (i32.sub (global.get $out) (local.get $buf)) (i32.const 0x80))))

  ;; ---- Blocking style from here on: benches/server/machine.wat has a state machine in its place ----

  (func (export "serve") (param $conn i32)
    (call $requests (local.get $conn))
    (call $give (local.get $conn)))

  ;; Serves requests until the connection ends.
  (func $requests (param $conn i32) (local $buf i32) (local $have i32) (local $n i32) (local $seen i32) (local $status i32)
    (loop $request
      (if (i32.eqz (local.get $have))
        (then
          ;; Another connection may use the same place, but not between the end of this read and the copy.
          (local.set $have (call $read (local.get $conn) (i32.const 0x800) (i32.const 0x400) (i32.const 1)))
          (if (i32.le_s (local.get $have) (i32.const 0)) (then (return)))
          (if (i32.eqz (local.tee $buf (call $take (local.get $conn) (local.get $have))))
            (then (drop (call $write-text (local.get $conn) (global.get $no-memory))) (return)))))
      (memory.fill (local.get $buf) (i32.const 0) (i32.const 0x80))

      ;; The head.
      (local.set $seen (i32.const 0))
      (loop $more
        (local.set $n (call $head-end (local.get $buf) (local.get $seen) (local.get $have)))
        (if (i32.eqz (local.get $n))
          (then
            (if (i32.gt_u (local.get $have) (i32.const 0x2000))
              (then (call $refuse (local.get $conn) (local.get $buf) (global.get $fields-too-large)) (return)))
            (local.set $seen (local.get $have))
            (local.set $have (call $read-more (local.get $conn) (local.get $buf) (local.get $have)))
            (br_if $more (local.get $have))
            (return))))
      (if (i32.gt_s (local.get $n) (i32.const 0x2000))
        (then (call $refuse (local.get $conn) (local.get $buf) (global.get $fields-too-large)) (return)))
      (local.set $status (global.get $bad-request))
      (if (i32.gt_s (local.get $n) (i32.const 0))
        (then (local.set $status (call $parse (local.get $buf) (local.get $n)))))
      (if (i32.ne (local.get $status) (global.get $ok))
        (then (call $refuse (local.get $conn) (local.get $buf) (local.get $status)) (return)))

      ;; The body, behind the head.
      (local.set $n (i32.add (local.get $n) (i32.load offset=0x1c (local.get $buf))))
      (if (i32.and (i32.load offset=0x24 (local.get $buf)) (i32.lt_u (local.get $have) (local.get $n)))
        (then (if (i32.eqz (call $write-text (local.get $conn) (global.get $continue))) (then (return)))))
      (loop $more
        (if (i32.lt_u (local.get $have) (local.get $n))
          (then
            (local.set $have (call $read-more (local.get $conn) (local.get $buf) (local.get $have)))
            (br_if $more (local.get $have))
            (return))))

      ;; The response.
      (local.set $status (call $route (local.get $buf)))
      (if (i32.load offset=0x2c (local.get $buf))
        (then (call $sleep (local.get $conn) (i32.load offset=0x2c (local.get $buf)))))
      (if (i32.eqz (call $send (local.get $conn) (local.get $buf) (local.get $status))) (then (return)))
      (if (i32.eqz (i32.load offset=0x20 (local.get $buf))) (then (return)))

      ;; What has arrived of the next request.
      (if (local.tee $have (i32.sub (local.get $have) (local.get $n)))
        (then (memory.copy
          (i32.add (local.get $buf) (i32.const 0x400))
          (i32.add (i32.add (local.get $buf) (i32.const 0x400)) (local.get $n))
          (local.get $have)))
        (else (call $give (local.get $conn))))
      (br $request)))

  ;; Reads more of a request, of which `have` bytes are in the buffer. Returns how many there are then, or 0: the connection has ended.
  (func $read-more (param $conn i32) (param $buf i32) (param $have i32) (result i32) (local $n i32)
    (local.set $n (call $read
      (local.get $conn)
      (i32.add (i32.add (local.get $buf) (i32.const 0x400)) (local.get $have))
      (i32.sub (i32.const 0x6000) (local.get $have))
      (i32.const 0)))
    (if (i32.gt_s (local.get $n) (i32.const 0)) (then (return (i32.add (local.get $have) (local.get $n)))))
    (if (local.get $n) (then
      (i32.store offset=0x20 (local.get $buf) (i32.const 0))
      (call $refuse (local.get $conn) (local.get $buf) (global.get $timeout))))
    (i32.const 0))

  ;; Answers with an error after which the connection ends: nobody knows where the next request begins.
  (func $refuse (param $conn i32) (param $buf i32) (param $status i32)
    (drop (call $send (local.get $conn) (local.get $buf) (local.get $status))))

  (func $send (param $conn i32) (param $buf i32) (param $status i32) (result i32)
    (call $respond (local.get $buf) (local.get $status))
    (if (i32.eqz (call $write-all
          (local.get $conn) (i32.add (local.get $buf) (i32.const 0x80)) (i32.load offset=0x3c (local.get $buf))))
      (then (return (i32.const 0))))
    (call $write-all (local.get $conn) (i32.load offset=0x30 (local.get $buf)) (i32.load offset=0x34 (local.get $buf))))

  (func $write-text (param $conn i32) (param $text i32) (result i32)
    (call $write-all
      (local.get $conn) (i32.add (local.get $text) (i32.const 1)) (i32.load8_u (local.get $text))))

  ;; Whether all bytes went.
  (func $write-all (param $conn i32) (param $at i32) (param $len i32) (result i32) (local $n i32)
    (loop $more
      (if (i32.eqz (local.get $len)) (then (return (i32.const 1))))
      (local.set $n (call $write (local.get $conn) (local.get $at) (local.get $len)))
      (local.set $at (i32.add (local.get $at) (local.get $n)))
      (local.set $len (i32.sub (local.get $len) (local.get $n)))
      (br_if $more (i32.gt_s (local.get $n) (i32.const 0))))
    (i32.const 0))
)
