//! What switching costs without WebAssembly: the same by libraries that do nothing else.

use crate::catalogue::Floor;
use crate::contestants::Contestant;
use crate::sample::elsewhere;
use crate::schema::{COROSENSEI, FIBER};
use anyhow::{Context, Result, ensure};
use std::hint::black_box;
use std::time::{Duration, Instant};
use wasmtime_internal_fiber::{Fiber, FiberStack};

/// As large as a continuation's stack is by default.
const STACK: usize = 560 << 10;

/// The libraries that support this processor, by name.
pub(crate) fn all(floor: Floor) -> Vec<(&'static str, Box<dyn Contestant>)> {
    let library = |run| -> Box<dyn Contestant> { Box::new(Library { floor, run, samples: 0 }) };
    [(COROSENSEI, COROSENSEI_RUN), (FIBER, Some(wasmtime_fiber as Run))]
        .into_iter()
        .filter_map(|(name, run)| Some((name, library(run?))))
        .collect()
}

/// A sample of so many operations.
type Run = fn(Floor, u32) -> Result<Duration>;

#[cfg(not(target_arch = "s390x"))]
const COROSENSEI_RUN: Option<Run> = Some(corosensei);
#[cfg(target_arch = "s390x")]
const COROSENSEI_RUN: Option<Run> = None;

struct Library {
    floor: Floor,
    run: Run,
    samples: usize,
}

impl Contestant for Library {
    fn sample(&mut self, size: u32) -> Result<Duration> {
        self.samples += 1;
        elsewhere(self.samples, || (self.run)(self.floor, size))
    }
}

#[cfg(not(target_arch = "s390x"))]
fn corosensei(floor: Floor, size: u32) -> Result<Duration> {
    use corosensei::stack::DefaultStack;
    use corosensei::{Coroutine, CoroutineResult};

    let stack = DefaultStack::new(STACK)?;
    match floor {
        Floor::RoundTrip => {
            let mut coroutine = Coroutine::with_stack(stack, |yielder, mut go_on| {
                let mut count = 0_u32;
                while go_on {
                    count += 1;
                    go_on = yielder.suspend(());
                }
                count
            });
            round_trips(size, |go_on| coroutine.resume(go_on).as_return())
        }
        Floor::Create => {
            let mut stack = Some(stack);
            create(size, |i| {
                let own = stack.take().expect("the one before it gave it back");
                let mut coroutine = Coroutine::<u64, (), u64, _>::with_stack(own, |_, i| 2 * i + 1);
                let CoroutineResult::Return(odd) = coroutine.resume(i) else {
                    unreachable!("it does not suspend");
                };
                stack = Some(coroutine.into_stack());
                odd
            })
        }
    }
}

fn wasmtime_fiber(floor: Floor, size: u32) -> Result<Duration> {
    let stack = FiberStack::new(STACK, false)?;
    match floor {
        Floor::RoundTrip => {
            let fiber = Fiber::<bool, (), u32>::new(stack, |mut go_on, suspend| {
                let mut count = 0;
                while go_on {
                    count += 1;
                    go_on = suspend.suspend(());
                }
                count
            });
            let fiber = fiber.map_err(|(error, _)| error)?;
            round_trips(size, |go_on| fiber.resume(go_on).ok())
        }
        Floor::Create => {
            let mut stack = Some(stack);
            create(size, |i| {
                let own = stack.take().expect("the one before it gave it back");
                let Ok(fiber) = Fiber::<u64, (), u64>::new(own, |i, _| 2 * i + 1) else {
                    unreachable!("a stack of this size has room for a fiber");
                };
                let Ok(odd) = fiber.resume(i) else { unreachable!("it does not suspend") };
                stack = Some(fiber.into_stack());
                odd
            })
        }
    }
}

/// Resumes one with `true` again and again, and at the end with `false`: then it returns how often it was.
fn round_trips(size: u32, mut resume: impl FnMut(bool) -> Option<u32>) -> Result<Duration> {
    let warm_up = size.min(10);
    for _ in 0..warm_up {
        ensure!(resume(true).is_none(), "it ended before its time");
    }
    let start = Instant::now();
    for _ in 0..size {
        ensure!(resume(black_box(true)).is_none(), "it ended before its time");
    }
    let time = start.elapsed();
    let count = resume(false).context("it did not end")?;
    ensure!(count == warm_up + size, "{count} round trips in place of {}", warm_up + size);
    Ok(time)
}

/// Makes one after another; each gets its number i and returns 2i + 1.
fn create(size: u32, mut run: impl FnMut(u64) -> u64) -> Result<Duration> {
    for i in 0..size.min(10) {
        black_box(run(i.into()));
    }
    let start = Instant::now();
    let sum: u64 = (0..size).map(|i| run(black_box(i.into()))).sum();
    let time = start.elapsed();
    ensure!(sum == u64::from(size).pow(2), "the sum is {sum} in place of {}", u64::from(size).pow(2));
    Ok(time)
}
