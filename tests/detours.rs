//! Suspended stacks that go on after collections have their references, whichever way they go on (W1 in `roots.rs`).

mod support;

use oorandom::Rand32;
use support::{FREEING, each_collector, exception};
use wasmfx::wasmtime::*;

/// Each continuation has two stacks. The outer one holds one object. The inner one holds two, in two frames. When the continuation
/// goes on, it returns the sum of what is in them and of what it gets.
const MODULE: &str = r#"(module
    (import "" "gc" (func $gc))
    (type $s (struct (field (mut i32))))
    (type $f (func (param i32) (result i32))) (type $k (cont $f))
    (type $wf (func (param i32 (ref null $s)) (result i32))) (type $w (cont $wf))
    (type $of (func (param (ref null $s)) (result i32))) (type $o (cont $of))
    (type $rf (func (result i32))) (type $r (cont $rf))
    (tag $wait (export "wait") (result i32 (ref null $s)))
    (tag $e (export "e") (param i32))

    (func $new (param i32) (result (ref $s)) (struct.new $s (local.get 0)))
    (func $read (param (ref null $s)) (result i32) (struct.get $s 0 (local.get 0)))
    (func $inner (param $n i32) (result i32) (local $mine (ref $s)) (local $x i32) (local $got (ref null $s))
      (local.set $mine (call $new (local.get $n)))
      (block $done
        (block $thrown (result i32)
          (try_table (catch $e $thrown)
            (suspend $wait) (local.set $got) (local.set $x))
          (br $done))
        (local.set $x) (local.set $got (call $new (i32.const 0))))
      (i32.add (i32.add (call $read (local.get $mine)) (local.get $x)) (call $read (local.get $got))))
    (func $middle (type $f) (local $mine (ref $s))
      (local.set $mine (call $new (i32.mul (local.get 0) (i32.const 100))))
      (i32.add (call $inner (local.get 0)) (call $read (local.get $mine))))
    (func $outer (type $f) (local $mine (ref $s))
      (local.set $mine (call $new (i32.mul (local.get 0) (i32.const 10000))))
      (i32.add (resume $k (local.get 0) (cont.new $k (ref.func $middle))) (call $read (local.get $mine))))
    (elem declare func $middle $outer)

    ;; Garbage over what has moved away.
    (func $churn (export "churn") (local $n i32)
      (loop $l
        (drop (call $new (i32.const -1)))
        (br_if $l (i32.lt_u (local.tee $n (i32.add (local.get $n) (i32.const 1))) (i32.const 500)))))
    (func (export "start") (param i32) (result (ref $w))
      (block $h (result (ref $w))
        (resume $k (on $wait $h) (local.get 0) (cont.new $k (ref.func $outer))) (unreachable)))
    (func (export "object") (param i32) (result (ref null $s)) (call $new (local.get 0)))
    (func (export "resume") (param (ref $w) i32 i32) (result i32)
      (resume $w (local.get 1) (call $new (local.get 2)) (local.get 0)))
    (func (export "throw") (param (ref $w) i32) (result i32) (resume_throw $w $e (local.get 1) (local.get 0)))
    (func (export "bind-one") (param (ref $w) i32) (result (ref $o)) (cont.bind $w $o (local.get 1) (local.get 0)))
    (func (export "bind-all") (param (ref $w) i32 i32) (result (ref $r))
      (cont.bind $w $r (local.get 1) (call $new (local.get 2)) (local.get 0)))
    (func (export "bind-rest") (param (ref $o) i32) (result (ref $r))
      (cont.bind $o $r (call $new (local.get 1)) (local.get 0)))
    (func (export "resume-bound") (param (ref $r)) (result i32) (resume $r (local.get 0)))

    ;; Five references each way: more than a continuation has room for in itself. The sum of what is bound, and of what comes back.
    (type $five (func (param (ref $s) (ref $s) (ref $s) (ref $s) (ref $s)) (result i32))) (type $k5 (cont $five))
    (type $three (func (param (ref $s) (ref $s) (ref $s)) (result i32))) (type $k3 (cont $three))
    (tag $many (result (ref $s) (ref $s) (ref $s) (ref $s) (ref $s)))
    (func $sum (type $five)
      (i32.add (i32.add (call $read (local.get 0)) (call $read (local.get 1)))
        (i32.add (call $read (local.get 2)) (i32.add (call $read (local.get 3)) (call $read (local.get 4))))))
    (func $takes (type $five) (local $first i32)
      (local.set $first
        (call $sum (local.get 0) (local.get 1) (local.get 2) (local.get 3) (local.get 4)))
      (call $sum (suspend $many))
      (i32.add (local.get $first))
      ;; And what was there all the time.
      (i32.add (call $read (local.get 4))))
    (elem declare func $takes)
    (func $bound (param $k (ref $k5)) (result (ref $k3))
      (cont.bind $k5 $k3 (call $new (i32.const 1)) (call $new (i32.const 10)) (local.get $k)))
    (func $rest (param $k (ref $k3)) (result (ref $r))
      (cont.bind $k3 $r
        (call $new (i32.const 100)) (call $new (i32.const 1000)) (call $new (i32.const 10000)) (local.get $k)))
    (func $collect (call $gc) (call $churn) (call $gc) (call $churn))
    (func (export "bound") (result i32) (local $k5 (ref null $k5)) (local $k3 (ref null $k3)) (local $r (ref null $r))
      (local.set $k3 (call $bound (cont.new $k5 (ref.func $takes))))
      (call $collect)
      (local.set $r (call $rest (ref.as_non_null (local.get $k3))))
      (call $collect)
      (block $h (result (ref $k5)) (resume $r (on $many $h) (local.get $r)) (return))
      (local.set $k5)
      (call $collect)
      (local.set $k3 (call $bound (ref.as_non_null (local.get $k5))))
      (call $collect)
      (local.set $r (call $rest (ref.as_non_null (local.get $k3))))
      (call $collect)
      (resume $r (local.get $r)))

    ;; Two continuations that switch to each other ten times each, collecting in between. Each reads its own object.
    (rec (type $pf (func (param (ref null $p)) (result i32))) (type $p (cont $pf)))
    (tag $swap (result i32))
    (func $player (type $pf) (local $mine (ref $s)) (local $sum i32) (local $n i32)
      (local.set $mine (call $new (i32.const 7)))
      (loop $again
        (call $gc)
        (local.set 0 (switch $p $swap (local.get 0)))
        (local.set $sum (i32.add (local.get $sum) (call $read (local.get $mine))))
        (br_if $again (i32.lt_u (local.tee $n (i32.add (local.get $n) (i32.const 1))) (i32.const 10))))
      (local.get $sum))
    (elem declare func $player)
    (func (export "play") (result i32)
      (resume $p (on $swap switch) (cont.new $p (ref.func $player)) (cont.new $p (ref.func $player)))))"#;

const SEEDS: u64 = 20;
const STEPS: u32 = 200;

/// Who resumes.
#[derive(Debug, Clone, Copy)]
enum By {
    Wasm,
    Host,
}

#[derive(Debug, Clone, Copy)]
enum Step {
    Start(i32),
    Collect,
    /// Binds one argument to the nth continuation.
    BindOne(usize, i32),
    BindAll(usize, i32, i32),
    /// Resumes the nth continuation, which returns.
    Resume(usize, By, i32, i32),
    Throw(usize, By, i32),
    /// Without running any of its code.
    Discard(usize),
    /// The host lets go of it, so that the next search may end it.
    Drop(usize),
}

impl Step {
    fn draw(random: &mut Rand32) -> Step {
        let at = random.rand_u32() as usize;
        let by = if random.rand_range(0..2) == 0 { By::Wasm } else { By::Host };
        let [x, y] = [(); 2].map(|()| random.rand_range(0..100) as i32);
        match random.rand_range(0..18) {
            0..4 => Step::Start(x),
            4..8 => Step::Collect,
            8 => Step::BindOne(at, x),
            9 => Step::BindAll(at, x, y),
            10..14 => Step::Resume(at, by, x, y),
            14..16 => Step::Throw(at, by, x),
            16 => Step::Discard(at),
            _ => Step::Drop(at),
        }
    }
}

/// A continuation, what its objects sum up to, and what is bound to it.
struct Waiting {
    cont: ContRef,
    sum: i32,
    bound: Vec<i32>,
}

struct Guest {
    store: Store<()>,
    instance: Instance,
    waiting: Vec<Waiting>,
}

impl Guest {
    fn new(module: &Module) -> Guest {
        let mut store = Store::new(module.engine(), ());
        let gc = Func::wrap(&mut store, |mut caller: Caller<'_, ()>| caller.gc(None));
        let instance = Instance::new(&mut store, module, &[gc.into()]).unwrap();
        Guest { store, instance, waiting: Vec::new() }
    }

    fn call(&mut self, name: &str, args: &[Val]) -> Val {
        let func = self.instance.get_func(&mut self.store, name).unwrap();
        let mut results = vec![Val::I32(0); func.ty(&self.store).results().len()];
        func.call(&mut self.store, args, &mut results).unwrap();
        results.pop().unwrap_or(Val::I32(0))
    }

    fn cont(&mut self, name: &str, args: &[Val]) -> ContRef {
        match self.call(name, args) {
            Val::ContRef(Some(cont)) => cont,
            other => panic!("a continuation: {other:?}"),
        }
    }

    /// Takes one that waits, if there is one, and what is bound to it.
    fn take(&mut self, at: usize) -> Option<Waiting> {
        let count = self.waiting.len();
        (count > 0).then(|| self.waiting.swap_remove(at % count))
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Start(n) => {
                let cont = self.cont("start", &[Val::I32(n)]);
                self.waiting.push(Waiting { cont, sum: 10101 * n, bound: Vec::new() });
            }
            Step::Collect => {
                self.store.gc(None).unwrap();
                self.call("churn", &[]);
            }
            Step::BindOne(at, x) => {
                let Some(mut it) = self.take(at) else { return };
                let k = Val::ContRef(Some(it.cont));
                it.cont = match it.bound[..] {
                    [] => self.cont("bind-one", &[k, Val::I32(x)]),
                    [_] => self.cont("bind-rest", &[k, Val::I32(x)]),
                    _ => return self.waiting.push(it),
                };
                it.bound.push(x);
                self.waiting.push(it);
            }
            Step::BindAll(at, x, y) => {
                let Some(mut it) = self.take(at) else { return };
                if it.bound.is_empty() {
                    let args = [Val::ContRef(Some(it.cont)), Val::I32(x), Val::I32(y)];
                    it.cont = self.cont("bind-all", &args);
                    it.bound = vec![x, y];
                }
                self.waiting.push(it);
            }
            Step::Resume(at, by, x, y) => {
                let Some(mut it) = self.take(at) else { return };
                let given = [x, y];
                let missing = &given[it.bound.len()..];
                let expected = it.sum + it.bound.iter().sum::<i32>() + missing.iter().sum::<i32>();
                let result = match by {
                    By::Wasm => {
                        let k = Val::ContRef(Some(it.cont));
                        match it.bound[..] {
                            [] => self.call("resume", &[k, Val::I32(x), Val::I32(y)]).unwrap_i32(),
                            _ => {
                                if it.bound.len() == 1 {
                                    it.cont = self.cont("bind-rest", &[k, Val::I32(y)]);
                                }
                                self.call("resume-bound", &[Val::ContRef(Some(it.cont))]).unwrap_i32()
                            }
                        }
                    }
                    By::Host => {
                        let object = self.call("object", &[Val::I32(y)]);
                        let args = [Val::I32(x), object];
                        let mut results = [Val::I32(0)];
                        let resumed = it
                            .cont
                            .resume(&mut self.store, &args[it.bound.len()..], &mut results, &[])
                            .unwrap();
                        assert!(matches!(resumed, Resumed::Returned));
                        results[0].unwrap_i32()
                    }
                };
                assert_eq!(result, expected);
            }
            Step::Throw(at, by, x) => {
                let Some(it) = self.take(at) else { return };
                if !it.bound.is_empty() {
                    return self.waiting.push(it);
                }
                let result = match by {
                    By::Wasm => self.call("throw", &[Val::ContRef(Some(it.cont)), Val::I32(x)]).unwrap_i32(),
                    By::Host => {
                        let tag = self.instance.get_tag(&mut self.store, "e").unwrap();
                        let exn = exception(&mut self.store, &tag, x);
                        let mut results = [Val::I32(0)];
                        let resumed = it.cont.resume_throw(&mut self.store, exn, &mut results, &[]);
                        assert!(matches!(resumed, Ok(Resumed::Returned)));
                        results[0].unwrap_i32()
                    }
                };
                assert_eq!(result, it.sum + x);
            }
            Step::Discard(at) => {
                let Some(it) = self.take(at) else { return };
                it.cont.discard(&mut self.store).unwrap();
            }
            Step::Drop(at) => {
                let Some(it) = self.take(at) else { return };
                it.cont.unroot(&self.store);
            }
        }
    }
}

#[test]
fn references_are_there_however_a_stack_goes_on() {
    each_collector(&FREEING, |config| {
        let engine = Engine::new(&config).unwrap();
        let module = Module::new(&engine, MODULE).unwrap();
        for seed in 0..SEEDS {
            eprintln!("seed {seed}");
            let (mut random, mut guest) = (Rand32::new(seed), Guest::new(&module));
            for _ in 0..STEPS {
                guest.step(Step::draw(&mut random));
            }
        }
    });
}

#[test]
fn references_are_there_after_a_switch() {
    each_collector(&FREEING, |config| {
        let engine = Engine::new(&config).unwrap();
        let mut guest = Guest::new(&Module::new(&engine, MODULE).unwrap());
        assert_eq!(guest.call("play", &[]).unwrap_i32(), 70);
    });
}

/// References that are bound to fresh and to suspended continuations, a part at a time.
#[test]
fn references_are_there_that_are_bound() {
    each_collector(&FREEING, |config| {
        let engine = Engine::new(&config).unwrap();
        let mut guest = Guest::new(&Module::new(&engine, MODULE).unwrap());
        for _ in 0..3 {
            assert_eq!(guest.call("bound", &[]).unwrap_i32(), 2 * 11111 + 10000);
        }
    });
}
