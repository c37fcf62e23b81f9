//! A processor for contestants that are compared.
//!
//! Of a shared machine's processors one may be slower than the other for minutes, by half, because of what a guest does not
//! see; and which of them a process runs on is the scheduler's choice. Samples of two processes that are taken in turn would
//! then compare processors. So all contestants take theirs on one, for each turn the one that is least disturbed just then, by
//! a yardstick that has nothing to do with them.

/// How many are tried: a machine with more has room for everybody.
#[cfg(target_os = "linux")]
const TRIED: usize = 4;

/// The processors that this thread may use. Once this is dropped it uses all of them again.
pub(crate) struct Processors {
    #[cfg(target_os = "linux")]
    before: Option<rustix::thread::CpuSet>,
}

#[cfg(target_os = "linux")]
impl Processors {
    pub(crate) fn new() -> Processors {
        Processors { before: rustix::thread::sched_getaffinity(None).ok() }
    }

    /// Takes this thread and the main threads of those processes to the least disturbed processor, where the system lets it.
    /// What other threads these processes have stays where it is: V8 compiles and collects in threads of its own.
    pub(crate) fn settle(&self, processes: impl IntoIterator<Item = u32>) {
        use rustix::thread::{CpuSet, Pid, sched_setaffinity};
        let Some(before) = &self.before else { return };
        let all: Vec<usize> = (0..CpuSet::MAX_CPU).filter(|cpu| before.is_set(*cpu)).collect();
        let only = |cpu| {
            let mut only = CpuSet::new();
            only.set(cpu);
            only
        };
        let tried = all.iter().step_by(all.len().div_ceil(TRIED)).filter_map(|&cpu| {
            sched_setaffinity(None, &only(cpu)).ok()?;
            Some((yardstick(), only(cpu)))
        });
        let Some((_, best)) = tried.min_by_key(|(time, _)| *time) else { return };
        for process in std::iter::once(None).chain(processes.into_iter().map(Some)) {
            let thread = process.and_then(|process| Pid::from_raw(process.try_into().ok()?));
            // One that has just ended is not there to be moved.
            let _ = sched_setaffinity(thread, &best);
        }
    }
}

#[cfg(target_os = "linux")]
impl Drop for Processors {
    fn drop(&mut self) {
        if let Some(before) = &self.before {
            // What comes next is slower if this fails, and no less right.
            let _ = rustix::thread::sched_setaffinity(None, before);
        }
    }
}

/// How long some work takes that keeps a core's units busy: whoever shares these makes it longer. The best of a few, since
/// being interrupted is another matter.
#[cfg(target_os = "linux")]
fn yardstick() -> std::time::Duration {
    let mut words = std::hint::black_box([1u64; 256]);
    let once = || {
        let start = std::time::Instant::now();
        for _ in 0..2_000 {
            for word in &mut words {
                *word = word.rotate_left(7).wrapping_add(*word >> 3) ^ 0x9e37;
            }
            std::hint::black_box(&mut words);
        }
        start.elapsed()
    };
    std::iter::repeat_with(once).take(8).min().unwrap_or_default()
}

#[cfg(not(target_os = "linux"))]
impl Processors {
    pub(crate) fn new() -> Processors {
        Processors {}
    }

    /// There is no way to ask for one.
    pub(crate) fn settle(&self, _processes: impl IntoIterator<Item = u32>) {}
}
