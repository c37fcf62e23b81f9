;; Semantics, instruction table: the opcodes 0xe0 to 0xe3 and 0xe6. Types: the composite type is -0x23, the heap
;; types `cont` and `nocont` are -0x18 and -0x0b. Handler clauses: 0x00 is `(on $t $label)`, 0x01 is
;; `(on $t switch)`. (0xe4 and 0xe5 are in the folders of their instructions.)

;; cont.new, cont.bind, resume.
(module binary
  "\00\61\73\6d\01\00\00\00"  ;; magic, version
  "\01\0e\04"  ;; types
  "\60\00\01\7f"  ;; 0: func [] -> [i32]
  "\5d\00"  ;; 1: cont 0
  "\60\01\7f\01\7f"  ;; 2: func [i32] -> [i32]
  "\5d\02"  ;; 3: cont 2
  "\03\03\02"  ;; functions
  "\02"  ;; function 0: type 2
  "\00"  ;; function 1: type 0
  "\07\07\01"  ;; exports
  "\03\72\75\6e\00\01"  ;; function 1 as "run"
  "\09\05\01"  ;; elements
  "\03\00\01\00"  ;; declares [0]
  "\0a\18\02"  ;; code
  "\07\00"
  "\20\00"  ;; local.get 0
  "\41\01"  ;; i32.const 1
  "\6a"  ;; i32.add
  "\0b"  ;; end
  "\0e\00"
  "\41\29"  ;; i32.const 41
  "\d2\00"  ;; ref.func 0
  "\e0\03"  ;; cont.new 3
  "\e1\03\01"  ;; cont.bind 3 1
  "\e3\01\00"  ;; resume 1, no clause
  "\0b"  ;; end
)
(assert_return (invoke "run") (i32.const 42))

;; suspend, and the clauses of both kinds; tags and labels may take several bytes.
(module binary
  "\00\61\73\6d\01\00\00\00"  ;; magic, version
  "\01\14\05"  ;; types
  "\60\00\01\7f"  ;; 0: func [] -> [i32]
  "\5d\00"  ;; 1: cont 0
  "\60\01\7f\01\7f"  ;; 2: func [i32] -> [i32]
  "\5d\02"  ;; 3: cont 2
  "\60\00\02\7f\63\03"  ;; 4: func [] -> [i32 (ref null 3)]
  "\03\03\02"  ;; functions
  "\00"  ;; function 0: type 0
  "\00"  ;; function 1: type 0
  "\0d\05\02"  ;; tags
  "\00\02"  ;; tag 0: type 2
  "\00\00"  ;; tag 1: type 0
  "\07\07\01"  ;; exports
  "\03\72\75\6e\00\01"  ;; function 1 as "run"
  "\09\05\01"  ;; elements
  "\03\00\01\00"  ;; declares [0]
  "\0a\25\02"  ;; code
  "\09\00"
  "\41\14"  ;; i32.const 20
  "\e2\00"  ;; suspend 0
  "\41\01"  ;; i32.const 1
  "\6a"  ;; i32.add
  "\0b"  ;; end
  "\19\00"
  "\02\04"  ;; block 4
  "\d2\00"  ;; ref.func 0
  "\e0\01"  ;; cont.new 1
  "\e3\01\02"  ;; resume 1, two clauses:
  "\01\01"  ;; on tag 1: switch
  "\00\80\00\80\00"  ;; on tag 0: label 0
  "\0f"  ;; return
  "\0b"  ;; end
  "\1a"  ;; drop
  "\41\bc\00"  ;; i32.const 60
  "\6a"  ;; i32.add
  "\0b"  ;; end
)
(assert_return (invoke "run") (i32.const 80))

;; switch.
(module binary
  "\00\61\73\6d\01\00\00\00"  ;; magic, version
  "\01\11\03"  ;; types
  "\4e\02\60\01\63\01\01\7f\5d\00"  ;; rec 0: func [(ref null 1)] -> [i32], 1: cont 0
  "\60\00\01\7f"  ;; 2: func [] -> [i32]
  "\5d\02"  ;; 3: cont 2
  "\03\04\03"  ;; functions
  "\00"  ;; function 0: type 0
  "\02"  ;; function 1: type 2
  "\02"  ;; function 2: type 2
  "\0d\03\01"  ;; tags
  "\00\02"  ;; tag 0: type 2
  "\07\07\01"  ;; exports
  "\03\72\75\6e\00\02"  ;; function 2 as "run"
  "\09\06\01"  ;; elements
  "\03\00\02\00\01"  ;; declares [0, 1]
  "\0a\1f\03"  ;; code
  "\04\00"
  "\41\21"  ;; i32.const 33
  "\0b"  ;; end
  "\0c\00"
  "\d2\00"  ;; ref.func 0
  "\e0\01"  ;; cont.new 1
  "\e6\01\00"  ;; switch 1 0
  "\1a"  ;; drop
  "\41\22"  ;; i32.const 34
  "\0b"  ;; end
  "\0b\00"
  "\d2\01"  ;; ref.func 1
  "\e0\03"  ;; cont.new 3
  "\e3\03\01\01\00"  ;; resume 3, on tag 0: switch
  "\0b"  ;; end
)
(assert_return (invoke "run") (i32.const 33))

;; The heap types, in full and abbreviated.
(module binary
  "\00\61\73\6d\01\00\00\00"  ;; magic, version
  "\01\11\03"  ;; types
  "\60\00\01\7f"  ;; 0: func [] -> [i32]
  "\60\02\68\75\00"  ;; 1: func [contref nullcontref] -> []
  "\60\02\64\68\63\75\00"  ;; 2: func [(ref cont) (ref null nocont)] -> []
  "\03\04\03"  ;; functions
  "\00"  ;; function 0: type 0
  "\01"  ;; function 1: type 1
  "\02"  ;; function 2: type 2
  "\07\07\01"  ;; exports
  "\03\72\75\6e\00\00"  ;; function 0 as "run"
  "\0a\1d\03"  ;; code
  "\09\00"
  "\d0\68"  ;; ref.null cont
  "\d1"  ;; ref.is_null
  "\d0\75"  ;; ref.null nocont
  "\d1"  ;; ref.is_null
  "\6a"  ;; i32.add
  "\0b"  ;; end
  "\08\00"
  "\20\00"  ;; local.get 0
  "\20\01"  ;; local.get 1
  "\10\01"  ;; call 1
  "\0b"  ;; end
  "\08\00"
  "\20\00"  ;; local.get 0
  "\20\01"  ;; local.get 1
  "\10\01"  ;; call 1
  "\0b"  ;; end
)
(assert_return (invoke "run") (i32.const 2))

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
  "\e3\01\01\02\00\00"  ;; resume 1, clause 0x02
  "\0b"  ;; end
)
"invalid leading byte")
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
  "\e3\01\01\80\00\00"  ;; resume 1, clause 0x80
  "\0b"  ;; end
)
"invalid leading byte")
;; 0xe7 is no instruction.
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
  "\0a\07\01"  ;; code
  "\05\00"
  "\00"  ;; unreachable
  "\e7\01"
  "\0b"  ;; end
)
"illegal opcode")
;; The vector of clauses ends early: the second clause is the `end` of the function.
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
  "\0a\0a\01"  ;; code
  "\08\00"
  "\00"  ;; unreachable
  "\e3\01\02\01\00"  ;; resume 1, two clauses
  "\0b"  ;; end
)
"invalid leading byte")
