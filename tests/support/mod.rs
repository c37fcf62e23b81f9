//! The backends and collectors that tests run on, and what else several of them need.

#![allow(dead_code, reason = "each test target uses its part")]

use std::ffi::OsStr;
use std::future::Future;
use std::pin::{Pin, pin};
use std::process::Command;
use std::task::{Context, Poll, Waker};
use wasmfx::StackSwitchingBackend;
use wasmfx::wasmtime::{
    AsContextMut, Collector, Config, Error, ExnRef, ExnRefPre, ExnType, Rooted, Tag, Trap, Val, WasmBacktrace,
};

/// Whether the native backend has this target's processor.
const NATIVE_PROCESSOR: bool = wasmfx_runtime::abi::Isa::HOST.is_some();

/// Whether stores search for continuations that nothing can resume any more.
pub(crate) const SEARCHES: bool = NATIVE_PROCESSOR && cfg!(unix);

/// The backends of this build on this machine, by the names that the command line has for them, the best last.
pub(crate) fn backends() -> Vec<(&'static str, StackSwitchingBackend)> {
    let mut backends = vec![("libcall", StackSwitchingBackend::Libcall)];
    let system = cfg!(any(target_os = "linux", target_os = "macos"));
    if NATIVE_PROCESSOR && system && cfg!(feature = "native") {
        backends.push(("native", StackSwitchingBackend::Native));
    }
    backends
}

/// The backend with this name, if this target has it.
pub(crate) fn backend(name: &str) -> Option<StackSwitchingBackend> {
    backends().into_iter().find_map(|(is, backend)| (is == name).then_some(backend))
}

/// Runs a test on each backend. It gets what makes a configuration for that backend.
pub(crate) fn each_backend(test: impl Fn(&dyn Fn() -> Config)) {
    for (name, backend) in backends() {
        eprintln!("on the {name} backend:");
        test(&|| {
            let mut config = wasmfx::config();
            config.stack_switching_backend(backend);
            config
        });
    }
}

/// All collectors.
pub(crate) const COLLECTORS: [Collector; 3] =
    [Collector::DeferredReferenceCounting, Collector::Null, Collector::Copying];

/// Those that free or move what they find.
pub(crate) const FREEING: [Collector; 2] = [Collector::DeferredReferenceCounting, Collector::Copying];

/// Runs a test on each backend with each of these collectors. It gets a configuration for them, with the smallest stacks.
pub(crate) fn each_collector(collectors: &[Collector], test: impl Fn(Config)) {
    each_backend(|config| {
        for &collector in collectors {
            eprintln!("with {collector:?}:");
            let mut config = config();
            config.collector(collector).continuation_stack_size(16 << 10);
            test(config);
        }
    });
}

/// The trap that an error is, if it is one.
pub(crate) fn trap_of(error: &Error) -> Option<Trap> {
    error.downcast_ref::<Trap>().copied()
}

/// An exception with one number, for a tag that has one.
pub(crate) fn exception(mut store: impl AsContextMut, tag: &Tag, number: i32) -> Rooted<ExnRef> {
    let ty = ExnType::from_tag_type(&tag.ty(&store)).unwrap();
    let pre = ExnRefPre::new(&mut store, ty);
    ExnRef::new(&mut store, &pre, tag, &[Val::I32(number)]).unwrap()
}

/// The names of the functions in a backtrace.
pub(crate) fn names(trace: &WasmBacktrace) -> Vec<String> {
    trace.frames().iter().map(|frame| frame.func_name().unwrap_or("?").to_owned()).collect()
}

/// Bytes that this process has of resident memory and of page tables; Linux alone tells.
pub(crate) fn process_memory() -> (usize, usize) {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let bytes = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        Some(line.trim().trim_end_matches(" kB").parse::<usize>().ok()? << 10)
    };
    (bytes("VmRSS:").unwrap_or(0), bytes("VmPTE:").unwrap_or(0))
}

/// The command line of the emulator that `ci/targets.sh` runs this program in.
const EMULATOR: &str = "WASMFX_EMULATOR";

/// Whether `ci/targets.sh` runs this program in an emulator.
pub(crate) fn emulated() -> bool {
    std::env::var_os(EMULATOR).is_some()
}

/// The command that runs this program again: by itself, or in the emulator that runs it.
pub(crate) fn this_program() -> Command {
    let emulator = std::env::var(EMULATOR).unwrap_or_default();
    let this = std::env::current_exe().unwrap();
    let mut words = emulator.split_whitespace().map(OsStr::new).chain([this.as_os_str()]);
    let mut command = Command::new(words.next().expect("the last is this program"));
    command.args(words);
    command
}

/// Runs `f` in a process of its own, which a fault would end, and which must end well. `test` is the name of the test that this
/// is called by, once.
pub(crate) fn in_child(test: &str, f: impl FnOnce()) {
    const CHILD: &str = "WASMFX_TEST_CHILD";
    if std::env::var(CHILD).is_ok_and(|child| child == test) {
        return f();
    }
    let output = this_program()
        .args(["--exact", test, "--nocapture", "--test-threads=1"])
        .env(CHILD, test)
        .output()
        .unwrap();
    let (out, error) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{}: {out}\n{error}", output.status);
    eprint!("{error}");
}

/// Runs a future that is always ready to go on.
pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    polled(pin!(future), usize::MAX).expect("it is ready some time")
}

/// Polls a future so often, or until it is ready: then this returns its output.
pub(crate) fn polled<F: Future + ?Sized>(mut future: Pin<&mut F>, polls: usize) -> Option<F::Output> {
    let mut context = Context::from_waker(Waker::noop());
    (0..polls).find_map(|_| match future.as_mut().poll(&mut context) {
        Poll::Ready(output) => Some(output),
        Poll::Pending => None,
    })
}

/// Waits for so many turns.
pub(crate) async fn wait(mut turns: u32) {
    std::future::poll_fn(|context| {
        if turns == 0 {
            return Poll::Ready(());
        }
        turns -= 1;
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await
}
