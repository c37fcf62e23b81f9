//! Host calls within each other, each made in a way of its own. A way is a number of base four, with a digit for each level
//! below a 1: the innermost level is where the 1 is all that is left.

#![allow(dead_code, reason = "each test target uses its part")]

/// A module whose export `level` goes the way that is its argument, by a host function `host` that calls `level` with what is
/// left, and calls `collect` at the end. Every function has references in locals, which collections must find; `wrong` counts
/// those that they did not.
///
/// `imports` are further imports and types, and `first` is what each level does first.
pub(crate) fn module(imports: &str, first: &str) -> String {
    const TEXT: &str = r#"(module
        (import "" "host" (func $host (param i32)))
        (import "" "collect" (func $collect))
        (type $s (struct (field i32)))
        IMPORTS
        (type $ft (func (param i32))) (type $ct (cont $ft))
        (type $uf (func)) (type $uc (cont $uf)) (tag $t)
        (elem declare func $host $called $waits)
        (global $wrong (export "wrong") (mut i32) (i32.const 0))
        (func (export "churn") (local $i i32)
          (local.set $i (i32.const 200))
          (loop $l (drop (struct.new $s (i32.const 9)))
            (br_if $l (local.tee $i (i32.sub (local.get $i) (i32.const 1))))))
        (func $check (param $s (ref null $s)) (param $n i32)
          (if (i32.ne (struct.get $s 0 (local.get $s)) (local.get $n))
            (then (global.set $wrong (i32.add (global.get $wrong) (i32.const 1))))))
        (func $called (type $ft) (local $a (ref null $s))
          (local.set $a (struct.new $s (i32.const 11)))
          (call $host (local.get 0))
          (call $check (local.get $a) (i32.const 11)))
        (func $waits (type $ft) (local $a (ref null $s))
          (local.set $a (struct.new $s (i32.const 13)))
          (suspend $t)
          (call $host (local.get 0))
          (call $check (local.get $a) (i32.const 13)))
        (func $level (export "level") (param $how i32)
          (local $a (ref null $s)) (local $b (ref null $s)) (local $way i32) (local $k (ref null $uc))
          (local.set $a (struct.new $s (i32.const 111)))
          (local.set $b (struct.new $s (i32.const 222)))
          FIRST
          (if (i32.eq (local.get $how) (i32.const 1))
            (then (call $collect))
            (else
              (local.set $way (i32.and (local.get $how) (i32.const 3)))
              (local.set $how (i32.shr_u (local.get $how) (i32.const 2)))
              (block $done
                (block $3 (block $2 (block $1 (block $0
                  (br_table $0 $1 $2 $3 (local.get $way)))
                  ;; A host function as body.
                  (resume $ct (local.get $how) (cont.new $ct (ref.func $host))) (br $done))
                  ;; One that Wasm on a continuation calls.
                  (resume $ct (local.get $how) (cont.new $ct (ref.func $called))) (br $done))
                  ;; One that Wasm calls where it is.
                  (call $host (local.get $how)) (br $done))
                ;; One that is called by what was suspended and resumed.
                (block $h (result (ref $uc))
                  (resume $ct (on $t $h) (local.get $how) (cont.new $ct (ref.func $waits))) (unreachable))
                (local.set $k)
                (resume $uc (local.get $k)))))
          (call $check (local.get $a) (i32.const 111))
          (call $check (local.get $b) (i32.const 222))))"#;
    TEXT.replace("IMPORTS", imports).replace("FIRST", first)
}

/// The names that a backtrace has at the innermost level, from the inside out.
pub(crate) fn names(mut way: i32) -> Vec<&'static str> {
    let mut names = vec!["level"];
    while way != 1 {
        match way & 3 {
            1 => names.push("called"),
            3 => names.push("waits"),
            _ => {}
        }
        names.push("level");
        way >>= 2;
    }
    names.reverse();
    names
}

/// All ways of up to so many levels.
pub(crate) fn ways(levels: u32) -> impl Iterator<Item = i32> {
    (0..=levels).flat_map(|levels| (0..1 << (2 * levels)).map(move |digits| 1 << (2 * levels) | digits))
}
