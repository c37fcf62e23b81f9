//! A sample of one benchmark on Wasmtime, patched or as published: `crate::api` says which.
//!
//! Each is taken at another place in memory. A processor guesses by the low bits of addresses whether a load depends on a
//! store before it, and whether frames on two stacks, a store's context and a continuation agree in these is an accident of
//! the process. A median over many places does not depend on it.

use crate::api::{Linker, Module, Result, Store, bail};
use std::hint::black_box;
use std::time::{Duration, Instant};

/// Operations before the clock starts.
const WARM_UP: u32 = 10;

/// A module, and what it imports.
pub(crate) struct Subject {
    module: Module,
    linker: Linker<()>,
    samples: usize,
}

impl Subject {
    pub(crate) fn new(module: Module) -> Result<Subject> {
        let mut linker = Linker::new(module.engine());
        linker.func_wrap("host", "add_one", |x: i32| x.wrapping_add(1))?;
        Ok(Subject { module, linker, samples: 0 })
    }

    /// How long so many operations take. An error if their result is not the expected one, where the module says what that is.
    pub(crate) fn sample(&mut self, export: &str, size: u32) -> Result<Duration> {
        self.samples += 1;
        elsewhere(self.samples, || self.run(export, size))
    }

    fn run(&self, export: &str, size: u32) -> Result<Duration> {
        // Of its own: continuations that a sample leaves suspended live as long as their store.
        let mut store = Store::new(self.module.engine(), ());
        let instance = self.linker.instantiate(&mut store, &self.module)?;
        let run = instance.get_typed_func::<u32, u64>(&mut store, export)?;
        // Only modules of the suite must have it.
        let expected = match instance.get_export(&mut store, "expected") {
            Some(_) => Some(instance.get_typed_func::<u32, u64>(&mut store, "expected")?),
            None => None,
        };
        if let Ok(setup) = instance.get_typed_func::<(), ()>(&mut store, "setup") {
            setup.call(&mut store, ())?;
        }
        run.call(&mut store, size.min(WARM_UP))?;
        let start = Instant::now();
        let result = run.call(&mut store, size)?;
        let time = start.elapsed();
        if let Some(expected) = expected {
            let expected = expected.call(&mut store, size)?;
            if result != expected {
                bail!("{export} {size} returned {result} where {expected} is right");
            }
        }
        Ok(time)
    }
}

/// Calls `sample` with the stack pointer and the heap's next free memory at a place that depends on `turn`.
pub(crate) fn elsewhere<R>(turn: usize, mut sample: impl FnMut() -> R) -> R {
    let heap = black_box(vec![0u8; 16 + turn * 592 % 4096]);
    let mut result = None;
    deeper(turn * 7 % 64, &mut || result = Some(sample()));
    drop(heap);
    result.expect("it was called")
}

/// Each level takes a hundred bytes or so.
#[inline(never)]
fn deeper(levels: usize, then: &mut dyn FnMut()) {
    let frame = black_box([0u8; 64]);
    match levels.checked_sub(1) {
        Some(levels) => deeper(levels, then),
        None => then(),
    }
    black_box(&frame);
}
