//! Long chains of continuations, captured, spliced and ended at random: the backend that remembers where a search for a
//! handler ended against the one that looks each time.
//!
//! One function is the body of all continuations. It draws what it does next: it suspends, switches, resumes what it or
//! others have left in tables, below one of many lists of clauses, throws, returns, or calls the host, which calls back.
//! Who did what, and which handler took it, is logged.

mod support;

use oorandom::Rand32;
use std::fmt::Write;
use std::ops::Range;
use wasmfx::wasmtime::*;

const SEEDS: u64 = 50;
/// Calls of the host for each, in one store.
const ENTRIES: i32 = 12;
/// What the bodies may do in one such call.
const STEPS: i32 = 400;

/// Instructions with clauses in each body.
const RESUMES: [(&str, usize); 3] = [
    ("resume $k CLAUSES (local.get $me) (local.get $k)", 9),
    ("resume_throw $k $e CLAUSES (local.get $me) (local.get $k)", 3),
    ("resume $s CLAUSES (local.get $me) (ref.null $s) (local.get $s)", 3),
];

/// The labels that the clauses of an instruction may have, with what they receive.
const TAGS: [(&str, &str); 5] = [("$a", "i32"), ("$b", "i32"), ("$c", "i32"), ("$v", ""), ("$w", "")];

/// What is logged with what the handler of the first tag receives; the next tags' follow.
const TAKEN: i32 = 200;

/// Clauses for everything that a body does.
const ALL: &str =
    "(on $v switch) (on $a $on$a) (on $b $on$b) (on $v $on$v) (on $c $on$c) (on $w $on$w) (on $w switch)";

/// Up to five clauses, some of them again, and in any order.
fn clauses(random: &mut Rand32) -> String {
    let mut text = String::new();
    for _ in 0..random.rand_range(0..6) {
        match random.rand_range(0..8) {
            0..5 => {
                let (tag, _) = TAGS[random.rand_range(0..5) as usize];
                write!(text, "(on {tag} $on{tag})").unwrap();
            }
            5..7 => text += "(on $v switch)",
            _ => text += "(on $w switch)",
        }
    }
    text
}

/// One of the instructions, picked by `$how`, with labels around them. What is captured goes to `$k`, and what was
/// returned is logged.
fn resume(instructions: &[String]) -> String {
    let labels: Vec<_> = (0..instructions.len()).map(|i| format!("$r{i}")).collect();
    let mut text = String::new();
    for label in labels.iter().rev() {
        write!(text, "(block {label} ").unwrap();
    }
    write!(text, "(br_table {} (local.get $how))", labels.join(" ")).unwrap();
    for instruction in instructions {
        write!(text, ")\n (call $log (i32.const 100) ({instruction})) (br $done)").unwrap();
    }
    for (i, (tag, payload)) in TAGS.iter().enumerate() {
        let log = if payload.is_empty() { "(local.get $how)" } else { "" };
        text = format!(
            "(block $on{tag} (result {payload} (ref $k)) {text})
             (local.set $k) {log} (local.set $got) (call $log (i32.const {}) (local.get $got)) (br $captured)",
            TAKEN + i as i32
        );
    }
    format!("(block $captured (block $done {text}) (local.set $k (ref.null $k)))")
}

/// A module with lists of clauses of its own.
fn module(seed: u64) -> String {
    let random = &mut Rand32::new(seed);
    let mut bodies = String::new();
    for catches in [false, true] {
        let mut instructions = Vec::new();
        for (instruction, count) in RESUMES {
            for _ in 0..count {
                // Some are alike.
                let clauses = if random.rand_range(0..4) == 0 { ALL.to_string() } else { clauses(random) };
                instructions.push(instruction.replace("CLAUSES", &clauses));
            }
        }
        let mut run = resume(&instructions);
        if catches {
            run = format!(
                "(block $tried
                   (block $caught (result i32) (try_table (catch $e $caught) {run}) (br $tried))
                   (local.set $got) (call $log (i32.const 300) (local.get $got))
                   (if (i32.eqz (call $next (i32.const 3))) (then (throw $e (local.get $me))))
                   (local.set $k (ref.null $k)))"
            );
        }
        write!(
            bodies,
            "{}",
            BODY.replace("$body", if catches { "$body1" } else { "$body0" }).replace("RESUME", &run)
        )
        .unwrap();
    }
    MODULE
        .replace("BODIES", &bodies)
        .replace("RESUME", &resume(&[format!("resume $k {ALL} (local.get $me) (local.get $k)")]))
}

const BODY: &str = r#"
  (func $body (type $kf) (local $me i32) (local $got i32) (local $how i32) (local $op i32)
      (local $k (ref null $k)) (local $s (ref null $s))
    (local.set $me (call $born))
    (call $log (local.get $me) (local.get 0))
    (loop $again
      (global.set $steps (i32.sub (global.get $steps) (i32.const 1)))
      (if (i32.le_s (global.get $steps) (i32.const 0)) (then (return (local.get $me))))
      (local.set $op (call $next (i32.const 64)))
      (call $log (local.get $me) (local.get $op))
      (block $back
        (block $suspend (block $switch (block $resume (block $other
          (br_if $suspend (i32.lt_u (local.get $op) (i32.const 18)))
          (br_if $switch (i32.lt_u (local.get $op) (i32.const 25)))
          (br_if $resume (i32.lt_u (local.get $op) (i32.const 54)))
          (br $other))
          ;; $other
          (if (i32.lt_u (local.get $op) (i32.const 59)) (then (return (local.get $me))))
          (if (i32.eq (local.get $op) (i32.const 59)) (then (throw $e (local.get $me))))
          (if (i32.eq (local.get $op) (i32.const 60))
            (then (call $log (i32.const 400) (call $host (call $next (i32.const 4))))))
          (if (i32.eq (local.get $op) (i32.const 61))
            (then (if (i32.eqz (call $next (i32.const 20))) (then (unreachable)))))
          (if (i32.gt_u (local.get $op) (i32.const 61))
            (then
              (local.set $k (call $take))
              (if (i32.eqz (ref.is_null (local.get $k)))
                (then (call $put (cont.bind $k $k (local.get $k)))))))
          (br $back))
          ;; $resume: something of this function, of a table, or new
          (local.set $how (call $next (i32.const 15)))
          (if (i32.lt_u (local.get $how) (i32.const 12))
            (then
              (if (call $next (i32.const 3)) (then (local.set $k (call $take))))
              (if (ref.is_null (local.get $k)) (then (local.set $k (call $new)))))
            (else
              (local.set $s (call $take-s))
              (if (ref.is_null (local.get $s)) (then (local.set $s (cont.new $s (ref.func $start)))))))
          RESUME
          ;; At once again, or later.
          (if (i32.eqz (ref.is_null (local.get $k)))
            (then
              (if (call $next (i32.const 2))
                (then (local.set $how (call $next (i32.const 9))) RESUME))
              (if (i32.eqz (ref.is_null (local.get $k))) (then (call $put (local.get $k))))
              (local.set $k (ref.null $k))))
          (br $back))
          ;; $switch
          (local.set $s (call $take-s))
          (if (ref.is_null (local.get $s)) (then (local.set $s (cont.new $s (ref.func $start)))))
          (if (result i32 (ref null $s)) (i32.and (local.get $op) (i32.const 1))
            (then (switch $s $v (local.get $me) (local.get $s)))
            (else (switch $s $w (local.get $me) (local.get $s))))
          (local.set $s) (local.set $got)
          (call $log (i32.const 500) (local.get $got))
          (call $put-s (local.get $s))
          (br $back))
        ;; $suspend
        (block $w (block $v (block $c (block $b (block $a
          (br_table $a $b $c $v $w $a $b $c $v $a (local.get $op)))
          (br $back (call $log (i32.const 600) (suspend $a (local.get $me)))))
          (br $back (call $log (i32.const 601) (suspend $b (local.get $me)))))
          (br $back (call $log (i32.const 602) (suspend $c (local.get $me)))))
          (br $back (call $log (i32.const 603) (suspend $v))))
        (call $log (i32.const 604) (suspend $w)))
      (br $again))
    (unreachable))
"#;

const MODULE: &str = r#"(module
  (import "" "log" (func $log (param i32 i32)))
  (import "" "host" (func $host (param i32) (result i32)))
  (type $kf (func (param i32) (result i32))) (type $k (cont $kf))
  (rec (type $sf (func (param i32 (ref null $s)) (result i32))) (type $s (cont $sf)))
  (tag $a (param i32) (result i32)) (tag $b (param i32) (result i32)) (tag $c (param i32) (result i32))
  (tag $v (result i32)) (tag $w (result i32))
  (tag $e (param i32)) (tag $end)
  (table $ks 6 (ref null $k)) (table $ss 3 (ref null $s))
  (global $state (export "state") (mut i64) (i64.const 1))
  (global $steps (export "steps") (mut i32) (i32.const 0))
  (global $ids (mut i32) (i32.const 1000))
  (elem declare func $body0 $body1 $start)

  (func $next (param i32) (result i32)
    (global.set $state (i64.xor (global.get $state) (i64.shl (global.get $state) (i64.const 13))))
    (global.set $state (i64.xor (global.get $state) (i64.shr_u (global.get $state) (i64.const 7))))
    (global.set $state (i64.xor (global.get $state) (i64.shl (global.get $state) (i64.const 17))))
    (i32.rem_u (i32.wrap_i64 (i64.shr_u (global.get $state) (i64.const 11))) (local.get 0)))
  (func $born (result i32)
    (global.set $ids (i32.add (global.get $ids) (i32.const 1))) (global.get $ids))
  (func $new (result (ref $k))
    (if (result (ref $k)) (call $next (i32.const 2))
      (then (cont.new $k (ref.func $body0))) (else (cont.new $k (ref.func $body1)))))

  (func $take (result (ref null $k)) (local $i i32)
    (local.set $i (call $next (i32.const 6)))
    (table.get $ks (local.get $i)) (table.set $ks (local.get $i) (ref.null $k)))
  (func $take-s (result (ref null $s)) (local $i i32)
    (local.set $i (call $next (i32.const 3)))
    (table.get $ss (local.get $i)) (table.set $ss (local.get $i) (ref.null $s)))
  ;; What was there before ends.
  (func $put (param (ref null $k)) (local $i i32)
    (local.set $i (call $next (i32.const 6)))
    (table.get $ks (local.get $i)) (table.set $ks (local.get $i) (local.get 0)) (local.set 0)
    (if (ref.is_null (local.get 0)) (then (return)))
    (block $ended (try_table (catch $end $ended) (drop (resume_throw $k $end (local.get 0))))))
  (func $put-s (param (ref null $s)) (local $i i32)
    (local.set $i (call $next (i32.const 3)))
    (table.get $ss (local.get $i)) (table.set $ss (local.get $i) (local.get 0)) (local.set 0)
    (if (ref.is_null (local.get 0)) (then (return)))
    (block $ended (try_table (catch $end $ended) (drop (resume_throw $s $end (local.get 0))))))

  (func $start (type $sf)
    (call $put-s (local.get 1))
    (if (call $next (i32.const 2)) (then (return_call $body0 (local.get 0))))
    (return_call $body1 (local.get 0)))
  BODIES
  (func (export "enter") (result i32) (local $me i32) (local $got i32) (local $how i32) (local $k (ref null $k))
    (local.set $me (call $born))
    (loop $again
      (if (i32.eqz (call $next (i32.const 3)))
        (then
          (if (i32.eqz (ref.is_null (local.get $k))) (then (call $put (local.get $k))))
          (local.set $k (call $take))))
      (if (ref.is_null (local.get $k)) (then (local.set $k (call $new))))
      RESUME
      (br_if $again (i32.gt_s (global.get $steps) (i32.const 0))))
    (if (i32.eqz (ref.is_null (local.get $k))) (then (call $put (local.get $k))))
    (local.get $me)))"#;

#[derive(Default)]
struct Seen {
    log: Vec<(i32, i32)>,
    nested: u32,
    /// How many continuations the store may have.
    most: usize,
}

/// What the host does for Wasm: by `how`, it passes on why a nested call ended, or not.
fn host(mut caller: Caller<'_, Seen>, how: i32) -> Result<i32> {
    if caller.data().nested == 3 {
        return Ok(-1);
    }
    caller.data_mut().nested += 1;
    let enter = caller.get_export("enter").and_then(|e| e.into_func()).unwrap();
    let result = enter.typed::<(), i32>(&caller)?.call(&mut caller, ());
    caller.data_mut().nested -= 1;
    match result {
        Ok(result) => Ok(result),
        Err(error) if how == 0 => Err(error),
        Err(_) => Ok(-2),
    }
}

/// Refuses further continuations with an error: before a limit of the engine ends a program, the store reclaims continuations, and
/// which ones depends on what the backend leaves on stacks.
impl ResourceLimiter for Seen {
    fn memory_growing(&mut self, _: usize, _: usize, _: Option<usize>) -> Result<bool> {
        Ok(true)
    }

    fn table_growing(&mut self, _: usize, _: usize, _: Option<usize>) -> Result<bool> {
        Ok(true)
    }

    fn continuations_growing(&mut self, _: usize, desired: usize) -> Result<bool> {
        ensure!(desired <= self.most, "no more than {} continuations", self.most);
        Ok(true)
    }
}

/// What happens with this seed. With few continuations, that there are no more is among it.
fn run(backend: wasmfx::StackSwitchingBackend, seed: u64, most: usize) -> (Vec<(i32, i32)>, Vec<String>) {
    let mut config = wasmfx::config();
    config.stack_switching_backend(backend);
    let engine = Engine::new(&config).unwrap();
    let module = Module::new(&engine, module(seed)).unwrap();
    let mut store = Store::new(&engine, Seen { most, ..Seen::default() });
    store.limiter(|seen| seen);
    let log = Func::wrap(&mut store, |mut caller: Caller<'_, Seen>, a: i32, b: i32| {
        caller.data_mut().log.push((a, b))
    });
    let host = Func::wrap(&mut store, host);
    let instance = Instance::new(&mut store, &module, &[log.into(), host.into()]).unwrap();
    let state = instance.get_global(&mut store, "state").unwrap();
    state
        .set(&mut store, Val::I64((seed as i64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15_u64 as i64)))
        .unwrap();
    let steps = instance.get_global(&mut store, "steps").unwrap();
    let enter = instance.get_typed_func::<(), i32>(&mut store, "enter").unwrap();
    let mut ends = Vec::new();
    for _ in 0..ENTRIES {
        steps.set(&mut store, Val::I32(STEPS)).unwrap();
        store.data_mut().nested = 0;
        let alive = |store: &Store<Seen>| store.continuation_statistics().alive;
        ends.push(match enter.call(&mut store, ()) {
            Ok(result) => format!("{result}, {} alive", alive(&store)),
            Err(error) => match error.downcast_ref::<Trap>() {
                Some(trap) => format!("{trap}, {} alive", alive(&store)),
                None => format!("{error}, {} alive", alive(&store)),
            },
        });
    }
    (std::mem::take(&mut store.data_mut().log), ends)
}

fn same(seeds: Range<u64>, most: usize) {
    let (libcall, others) =
        support::backends().split_first().map(|(first, rest)| (*first, rest.to_vec())).unwrap();
    let mut taken = [0; TAGS.len()];
    for seed in seeds {
        let (expected, ends) = run(libcall.1, seed, most);
        for &(name, backend) in &others {
            let (log, same_ends) = run(backend, seed, most);
            let same = expected.iter().zip(&log).take_while(|(a, b)| a == b).count();
            let next = |log: &[(i32, i32)]| log[same..].iter().take(5).copied().collect::<Vec<_>>();
            assert!(
                expected == log,
                "seed {seed}, {name}: {same} events are the same, then {:?} instead of {:?}",
                next(&log),
                next(&expected),
            );
            assert_eq!(ends, same_ends, "seed {seed}, {name}");
        }
        for (what, _) in expected {
            if let Some(taken) = what.checked_sub(TAKEN).and_then(|tag| taken.get_mut(tag as usize)) {
                *taken += 1;
            }
        }
    }
    // Or it would say little.
    assert!(taken.iter().all(|times| *times > 50), "handlers were taken {taken:?} times");
}

#[test]
fn handlers_are_found_anew() {
    same(0..SEEDS, 4000);
}

/// Errors for want of a continuation come in the middle of everything.
#[test]
fn handlers_are_found_anew_with_few_continuations() {
    same(SEEDS..2 * SEEDS, 12);
}
