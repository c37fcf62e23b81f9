//! The memory and the addresses of a whole process, which is why this is a process of its own.

#![cfg(target_os = "linux")]

#[path = "support/parked.rs"]
mod parked;
mod support;

use parked::{MODULE, Wasm, each_setup, limited, module};
use std::sync::{Mutex, MutexGuard, PoisonError};
use support::each_backend;
use wasmfx::wasmtime::*;

/// One test at a time.
static MEMORY: Mutex<()> = Mutex::new(());

fn alone() -> MutexGuard<'static, ()> {
    MEMORY.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whether the system has guards that take no mappings, as Linux does since 6.13, and emulators may not.
fn cheap_guards() -> bool {
    /// `include/uapi/asm-generic/mman-common.h`.
    const MADV_GUARD_INSTALL: libc::c_int = 102;
    // SAFETY: `mmap`: any address will do. `madvise` and `munmap`: the page is that mapping, which nothing else knows.
    unsafe {
        let (access, kind) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
        let page = libc::mmap(std::ptr::null_mut(), 4096, access, kind, -1, 0);
        assert_ne!(page, libc::MAP_FAILED);
        // What has a guard cannot be made present.
        let cheap = libc::madvise(page, 4096, MADV_GUARD_INSTALL) == 0
            && libc::madvise(page, 4096, libc::MADV_POPULATE_READ) != 0;
        assert_eq!(libc::munmap(page, 4096), 0);
        cheap
    }
}

/// Bytes of memory that the process has.
fn resident() -> usize {
    support::process_memory().0
}

/// 100,000 suspended and as many fresh go with their store, and leave every stack to the next.
#[test]
fn a_store_dropped_with_all_stacks() {
    let _alone = alone();
    let all = |mut config: Config, by_mprotect: bool| {
        // Where stacks take mappings these must be fewer than the system allows.
        let count: u32 = if by_mprotect || !cheap_guards() { 20_000 } else { 100_000 };
        if by_mprotect {
            config.continuation_guards(ContinuationGuards::Mprotect);
        }
        let module = module(config.continuation_stacks(count));
        let (start, mut left) = (resident(), Vec::new());
        for _ in 0..3 {
            let mut wasm = Wasm::new(&module);
            let before = resident();
            wasm.fill(count, 0).unwrap();
            wasm.call("fill-fresh", &[Val::I32(count as i32)]).unwrap();
            limited(wasm.fill(1, 0), "continuation-stacks");
            let ContinuationStatistics { alive, stacks, bytes_reserved, bytes_resident, .. } =
                wasm.statistics();
            assert_eq!((alive, stacks), (2 * count as usize + 1, count as usize));
            assert!(bytes_reserved / stacks >= 560 << 10);
            let (during, memory) = (resident(), bytes_resident.unwrap());
            assert!(memory >= 4096 * stacks, "{before} before, {during} during, {memory} of stacks");
            drop(wasm);
            let after = resident();
            // A few thousand stay warm, with the page that they touched.
            assert!(after < during - memory + (24 << 20), "{before} before, {during} during, {after} after");
            left.push(after);
        }
        // The allocator may keep what the continuations of one round took.
        assert!(left[2] < start + (128 << 20), "{start} {left:?}");
    };
    each_backend(|config| [false, true].into_iter().for_each(|by_mprotect| all(config(), by_mprotect)));
}

/// What a suspended continuation takes, by the size of its stack, and where each byte goes.
#[test]
fn where_each_byte_goes() {
    // In a process of its own: memory that other tests gave back would serve here, unseen.
    support::in_child("where_each_byte_goes", each_byte);
}

fn each_byte() {
    if !cheap_guards() {
        eprintln!("left out: so many stacks take too many mappings here");
        return;
    }
    const COUNT: usize = 20_000;
    // Until the end: or the allocator had memory left for those that come later.
    let kept = std::cell::RefCell::new(Vec::new());
    each_backend(|config| {
        for (size, most) in [(512 << 10, 5734), (64 << 10, 4812), (16 << 10, 4710)] {
            let module = module(config().continuation_stack_size(size));
            let mut wasm = Wasm::new(&module);
            // The table grows, and code is compiled, before what is measured.
            wasm.fill(1, 0).unwrap();
            let (pages, tables) = support::process_memory();
            wasm.fill(COUNT as u32, 0).unwrap();
            let (pages, tables) = (support::process_memory().0 - pages, support::process_memory().1 - tables);
            let (pages, tables) = (pages / COUNT, tables / COUNT);
            let ContinuationStatistics { stacks, bytes_reserved, bytes_resident, .. } = wasm.statistics();
            let (slot, stack) = (bytes_reserved / stacks, bytes_resident.unwrap() / stacks);
            eprintln!(
                "stacks of {size} bytes: {} bytes each: {stack} of stack, {tables} of page tables for {slot} \
                 bytes of addresses, {} besides",
                pages + tables,
                pages.saturating_sub(stack),
            );
            assert!((4050..4200).contains(&stack), "{stack}: a page each, but for some idle ones");
            assert!(tables <= slot / 512 + 16, "{tables}: eight bytes for each page of {slot}");
            assert!(pages + tables <= most, "{pages} and {tables}");
            assert!(pages >= stack + 300, "{pages}: or what is besides is not seen");
            kept.borrow_mut().push(wasm);
        }
    });
}

/// Deep stacks give their memory back when they end, and not when their store does.
#[test]
fn memory_after_a_burst() {
    let _alone = alone();
    each_setup(|config| {
        let count = 10_000;
        for (keep, warm) in [(None, 4096 * (16 << 10)), (Some(0), 0)] {
            let mut config = config();
            if let Some(keep) = keep {
                config.continuation_keep_resident(keep);
            }
            let module = module(&config);
            let mut one = Wasm::new(&module);
            one.fill(1, 1024).unwrap();
            // 64 KiB or more, whatever a frame takes.
            let depth = (64 << 20) / one.statistics().bytes_resident.unwrap() as i32 * 5 / 4;
            drop(one);
            let mut wasm = Wasm::new(&module);
            let before = resident();
            for _ in 0..2 {
                wasm.fill(count, depth).unwrap();
                let deep = wasm.statistics().bytes_resident.unwrap();
                let each = deep / count as usize;
                assert!((60 << 10..100 << 10).contains(&each), "{each} bytes each");
                wasm.drain();
                let ContinuationStatistics { stacks, bytes_resident, .. } = wasm.statistics();
                assert!(stacks <= 128, "{stacks} stacks");
                // The last 64 keep what they have, unless none is to keep anything.
                let idle = if keep == Some(0) { 0 } else { 64 * each + 64 * (16 << 10) };
                assert!(bytes_resident.unwrap() <= idle, "{bytes_resident:?}");
                // Continuations and the table may stay.
                let after = resident();
                let bound = before + warm + idle + (24 << 20);
                assert!(after <= bound, "{before} before, {after} after");
            }
        }
    });
}

/// Page tables go as well, but those of the regions where this store has idle stacks. Another store has a stack in
/// use, one of the first.
#[test]
fn page_tables_after_a_burst() {
    let _alone = alone();
    if !cheap_guards() {
        eprintln!("left out: so many stacks take too many mappings here");
        return;
    }
    each_backend(|config| {
        let module = module(&config());
        let mut other = Wasm::new(&module);
        let parked = other.park(7).unwrap();
        let (_, before) = support::process_memory();
        for _ in 0..2 {
            let mut wasm = Wasm::new(&module);
            wasm.fill(100_000, 0).unwrap();
            let (_, during) = support::process_memory();
            assert!(during > before + (100 << 20), "{before} {during}");
            wasm.drain();
            let (_, after) = support::process_memory();
            assert!(after < during * 6 / 10, "{before} before, {during} during, {after} after");
            drop(wasm);
            let (_, after) = support::process_memory();
            assert!(after < before + (16 << 20), "{before} before, {during} during, {after} after");
        }
        assert_eq!(other.go(parked).unwrap(), 7);
    });
}

/// How many words of the process's anonymous memory are `a ^ b`, which this does not have itself.
fn words_in_memory(a: u64, b: u64) -> usize {
    use std::os::unix::fs::FileExt;
    let memory = std::fs::File::open("/proc/self/mem").unwrap();
    let mut found = 0;
    for line in std::fs::read_to_string("/proc/self/maps").unwrap().lines() {
        let mut parts = line.split_whitespace();
        let (range, access) = (parts.next().unwrap(), parts.next().unwrap());
        if access != "rw-p" || parts.nth(3).is_some() {
            continue;
        }
        let (start, end) = range.split_once('-').unwrap();
        let [start, end] = [start, end].map(|address| u64::from_str_radix(address, 16).unwrap());
        let mut page = [0; 4096];
        for address in (start..end).step_by(page.len()) {
            // Guards cannot be read.
            if memory.read_exact_at(&mut page, address).is_ok() {
                let words = page.chunks_exact(8).map(|word| u64::from_ne_bytes(word.try_into().unwrap()));
                found += words.filter(|word| word ^ a == b).count();
            }
        }
    }
    found
}

/// What a store's stacks held is gone with `async_stack_zeroing`, and may be found without.
#[test]
fn stacks_of_a_store_that_is_gone() {
    let _alone = alone();
    const MODULE: &str = r#"(module
        (type $ft (func (param i64 i64 i32))) (type $ct (cont $ft)) (tag $t) (elem declare func $down)
        (func $use (param i64)) (memory 1)
        (func $down (type $ft) (local $secret i64)
          (local.set $secret (i64.xor (local.get 0) (local.get 1)))
          (if (local.get 2)
            (then (call $down (local.get 0) (local.get 1) (i32.sub (local.get 2) (i32.const 1))))
            (else (suspend $t)))
          (call $use (i64.add (local.get $secret) (i64.load (i32.const 0)))))
        (func (export "run") (param i64 i64 i32) (local $k (ref null $k0))
          (local.set $k
            (block $h (result (ref $k0))
              (resume $ct (on $t $h) (local.get 0) (local.get 1) (local.get 2) (cont.new $ct (ref.func $down)))
              (return)))
          (resume $k0 (local.get $k)))
        (type $f0 (func)) (type $k0 (cont $f0)))"#;
    let (a, b) =
        (0x5eed_0000_1234_5678_u64, u64::from(std::process::id()).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    each_backend(|config| {
        for zeroing in [false, true] {
            let mut config = config();
            // Every local is on the stack.
            config.async_stack_zeroing(zeroing).cranelift_opt_level(OptLevel::None);
            let mut wasm = instantiate(&config, MODULE);
            let engine = wasm.store.engine().clone();
            let before = words_in_memory(a, b);
            for depth in [0, 10, 100] {
                let args = [Val::I64(a as i64), Val::I64(b as i64), Val::I32(depth)];
                wasm.call("run", &args).unwrap();
            }
            let used = words_in_memory(a, b) - before;
            assert!(used >= 100, "{used} words were on a stack");
            drop(wasm);
            let left = words_in_memory(a, b) - before;
            assert_eq!(left > 0, !zeroing, "{left} of {used} are left");
            drop(engine);
        }
    });
}

/// A module without imports, in a store of its own.
fn instantiate(config: &Config, text: &str) -> Wasm<()> {
    let engine = Engine::new(config).unwrap();
    let module = Module::new(&engine, text).unwrap();
    let mut store = Store::new(&engine, ());
    let instance = Instance::new(&mut store, &module, &[]).unwrap();
    Wasm { store, instance }
}

/// Room for arguments of fresh continuations.
#[test]
fn arguments_of_a_store() {
    let _alone = alone();
    each_setup(|config| {
        let text = format!(
            r#"(module (type $ft (func (param {params}))) (type $ct (cont $ft))
            (type $rf (func)) (type $rc (cont $rf))
            (func $f (type $ft)) (func $g (type $rf)) (elem declare func $f $g)
            (table $all 1 (ref null $ct))
            (func (export "many") (loop $l (drop (table.grow $all (cont.new $ct (ref.func $f)) (i32.const 1))) (br $l)))
            (func (export "one") (resume $rc (cont.new $rc (ref.func $g)))))"#,
            params = "i64 ".repeat(1000),
        );
        let mut wasm = instantiate(&config(), &text);
        for _ in 0..2 {
            limited(wasm.call("many", &[]), "arguments");
        }
        let ContinuationStatistics { alive, peak, created, .. } = wasm.statistics();
        assert_eq!((alive, created), ((1 << 26) / 1000, (1 << 26) / 1000));
        wasm.call("one", &[]).unwrap();
        assert_eq!(peak, alive, "what was refused was never alive");
    });
}

/// Room for arguments comes back when continuations end.
#[test]
fn arguments_of_continuations_that_ended() {
    let _alone = alone();
    each_backend(|config| {
        let text = format!(
            r#"(module (type $f64 (func (param {p64}))) (type $c64 (cont $f64))
            (type $f65 (func (param {p65}))) (type $c65 (cont $f65))
            (func $f (type $f64)) (func $g (type $f65)) (elem declare func $f $g)
            (table $all 1048576 (ref null $c64))
            (func (export "make") (local $i i32)
              (loop $l
                (table.set $all (local.get $i) (cont.new $c64 (ref.func $f)))
                (br_if $l (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 1048576)))))
            (func (export "end") (local $i i32)
              (loop $l
                (resume $c64 {args} (table.get $all (local.get $i)))
                (br_if $l (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 1048576)))))
            (func (export "new") (drop (cont.new $c65 (ref.func $g)))))"#,
            p64 = "i64 ".repeat(64),
            args = "(i64.const 0) ".repeat(64),
            p65 = "i64 ".repeat(65),
        );
        let mut wasm = instantiate(&config(), &text);
        wasm.call("make", &[]).unwrap();
        limited(wasm.call("new", &[]), "arguments");
        wasm.call("end", &[]).unwrap();
        assert_eq!(wasm.alive(), 0);
        wasm.call("new", &[]).unwrap();
    });
}

/// More engines than fit the address space with all stacks that each may have: an engine reserves what it uses, and
/// leaves the process what it needs for all else.
#[test]
fn many_engines() {
    let _alone = alone();
    each_setup(|config| {
        let code = Engine::new(&config()).unwrap().precompile_module(MODULE.as_bytes()).unwrap();
        let mut engines = Vec::new();
        for number in 0..300 {
            let engine = Engine::new(&config()).unwrap();
            // SAFETY: `deserialize`: `code` is what `precompile_module` returned, unmodified.
            let module = unsafe { Module::deserialize(&engine, &code) }.unwrap();
            let mut wasm = Wasm::new(&module);
            wasm.fill(40, 0).unwrap();
            engines.push(wasm);
            let thread = std::thread::Builder::new().spawn(|| ());
            thread.unwrap_or_else(|e| panic!("no thread besides {number} engines: {e}")).join().unwrap();
        }
        engines.iter_mut().for_each(Wasm::drain);
    });
}
