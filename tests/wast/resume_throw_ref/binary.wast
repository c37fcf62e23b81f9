;; Semantics, instruction table: `resume_throw_ref` is 0xe5, and takes a type and clauses.

(module binary
  "\00\61\73\6d\01\00\00\00"  ;; magic, version
  "\01\11\05"  ;; types
  "\60\00\01\7f"  ;; 0: func [] -> [i32]
  "\5d\00"  ;; 1: cont 0
  "\60\01\7f\01\7f"  ;; 2: func [i32] -> [i32]
  "\5d\02"  ;; 3: cont 2
  "\60\00\00"  ;; 4: func [] -> []
  "\03\03\02"  ;; functions
  "\00"  ;; function 0: type 0
  "\00"  ;; function 1: type 0
  "\0d\05\02"  ;; tags
  "\00\04"  ;; tag 0: type 4
  "\00\00"  ;; tag 1: type 0
  "\07\07\01"  ;; exports
  "\03\72\75\6e\00\01"  ;; function 1 as "run"
  "\09\05\01"  ;; elements
  "\03\00\01\00"  ;; declares [0]
  "\0a\2c\02"  ;; code
  "\04\00"
  "\41\01"  ;; i32.const 1
  "\0b"  ;; end
  "\25\00"
  "\02\40"  ;; block
  "\1f\40\01\00\00\00"  ;; try_table, catch tag 0: label 0
  "\02\69"  ;; block (result exnref)
  "\1f\40\01\03\00"  ;; try_table, catch_all_ref: label 0
  "\08\00"  ;; throw 0
  "\0b"  ;; end
  "\00"  ;; unreachable
  "\0b"  ;; end
  "\d2\00"  ;; ref.func 0
  "\e0\01"  ;; cont.new 1
  "\e5\01\01\01\81\00"  ;; resume_throw_ref 1, on tag 1: switch
  "\0f"  ;; return
  "\0b"  ;; end
  "\0b"  ;; end
  "\41\2a"  ;; i32.const 42
  "\0b"  ;; end
)
(assert_return (invoke "run") (i32.const 42))

;; A clause of another kind is malformed.
(assert_malformed
(module binary
  "\00\61\73\6d\01\00\00\00"  ;; magic, version
  "\01\11\05"  ;; types
  "\60\00\01\7f"  ;; 0: func [] -> [i32]
  "\5d\00"  ;; 1: cont 0
  "\60\01\7f\01\7f"  ;; 2: func [i32] -> [i32]
  "\5d\02"  ;; 3: cont 2
  "\60\00\00"  ;; 4: func [] -> []
  "\03\02\01"  ;; functions
  "\00"  ;; function 0: type 0
  "\0d\03\01"  ;; tags
  "\00\04"  ;; tag 0: type 4
  "\07\07\01"  ;; exports
  "\03\72\75\6e\00\00"  ;; function 0 as "run"
  "\0a\0b\01"  ;; code
  "\09\00"
  "\00"  ;; unreachable
  "\e5\01\01\02\00\00"  ;; resume_throw_ref 1, clause 0x02
  "\0b"  ;; end
)
"invalid leading byte")
