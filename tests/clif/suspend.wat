(module
  (tag $none)
  (tag $values (param i32 v128) (result externref f64 i32))
  (func $empty (export "empty") (suspend $none))
  (func $exchange (export "exchange") (param i32 v128) (result externref f64 i32)
    (suspend $values (local.get 0) (local.get 1))))
