(module
  (rec
    (type $f (func (param i32 (ref null $c))))
    (type $c (cont $f)))
  (tag $t)
  (func $switch (export "switch") (param i32 (ref null $c)) (result i32 (ref null $c))
    (switch $c $t (local.get 0) (local.get 1))))
