;; References to continuations in objects, read and written. Of a final type there are no subtypes, so that no call has to find out
;; whether another type is one; `$open` is not final.
(module
  (type $ft (func)) (type $ct (cont $ft))
  (type $of (sub (func))) (type $open (sub (cont $of)))
  (type $box (struct (field $final (mut (ref null $ct))) (field $open (mut (ref null $open))) (field $any (mut contref))))

  (func (export "read") (param (ref $box)) (result (ref null $ct))
    (struct.get $box $final (local.get 0)))
  (func (export "write") (param (ref $box) (ref null $ct))
    (struct.set $box $final (local.get 0) (local.get 1)))
  (func (export "read-open") (param (ref $box)) (result (ref null $open))
    (struct.get $box $open (local.get 0)))
  (func (export "write-any") (param (ref $box) contref)
    (struct.set $box $any (local.get 0) (local.get 1))))
