//! The errors that a program or the machine can cause. Anything else that goes wrong is a bug, and fails an assertion.

use crate::limits::MIN_WASM_STACK;
use core::fmt;

/// The error that a library or the system returned.
type Cause = Box<dyn std::error::Error + Send + Sync>;

/// An error that unwinds Wasm, or that [`StackPool::new`](crate::StackPool::new) or [`check_process`] returns.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// The program's search for a handler was in vain: `suspend` or `switch` found no handler of its kind for its tag before the
    /// search met a barrier (C5), which is at the host's entry and between components. Wasmtime has a trap code for this error.
    UnhandledTag,
    /// The host resumes a continuation where Wasm may not be called: the stack on which the host runs has no room left for Wasm.
    /// Wasmtime has a trap code for this error.
    StackOverflow,
    /// The program asked for another continuation while its store holds as many live ones as it may.
    TooManyContinuations {
        /// The limit.
        limit: u32,
    },
    /// The embedder refused the store another continuation.
    Refused {
        /// The number of continuations that are alive.
        alive: usize,
    },
    /// The program asked for another continuation while the argument buffers of its store's live continuations are as large as
    /// they may be together.
    TooManyArguments {
        /// The limit, in slots of one value.
        limit: usize,
    },
    /// The stores of the engine have all of its stacks, in use or idle. All programs of the engine contribute to this.
    TooManyStacks {
        /// The limit.
        limit: u32,
    },
    /// The system has no memory for another continuation or its arguments: the machine has too little, or the program takes too
    /// much.
    NoMemory,
    /// The system has no memory for another stack: the machine has too little, or the program takes too much.
    NoStack {
        /// Bytes of address space of a stack, its guard included.
        size: usize,
        /// The number of stacks that the engine has given to its stores.
        held: u32,
        /// Whether each stack takes mappings of the process, whose number Linux limits.
        mappings: bool,
        /// The error that the system or wasmtime-fiber returned.
        cause: Cause,
    },
    /// The system has no address space for more stacks, because of a limit of the machine or of the process.
    NoAddresses {
        /// Bytes of address space of a stack, its guard included.
        size: usize,
        /// The number of stacks in the region that could not be reserved.
        count: usize,
        /// The error that the system returned.
        cause: Cause,
    },
    /// The engine's configuration asks for stacks of an impossible size.
    StackSize {
        /// The configured bytes of a stack for Wasm, if any.
        size: Option<usize>,
        /// The most bytes that Wasm may take of any stack.
        max_wasm_stack: usize,
    },
    /// An object in the heap of the garbage collector holds a reference that nobody can have written there: something has
    /// overwritten the heap. The host's own memory is intact.
    CorruptHeap,
    /// The thread has a shadow stack. A shadow stack does not follow a switch of stacks, so that the first switch would end the
    /// process.
    ShadowStack,
    /// The libcall backend cannot make a fiber: wasmtime-fiber does not support the machine, or has no memory.
    Unsupported(Cause),
}

impl Error {
    /// Whether a limit ended the program: one that an embedder can set, or one of the machine.
    pub fn is_limit(&self) -> bool {
        match self {
            Error::TooManyContinuations { .. }
            | Error::Refused { .. }
            | Error::TooManyArguments { .. }
            | Error::TooManyStacks { .. }
            | Error::NoMemory
            | Error::NoStack { .. }
            | Error::NoAddresses { .. } => true,
            Error::UnhandledTag
            | Error::StackOverflow
            | Error::StackSize { .. }
            | Error::CorruptHeap
            | Error::ShadowStack
            | Error::Unsupported(_) => false,
        }
    }
}

/// Whether stacks can be switched in this process.
///
/// # Errors
///
/// [`Error::ShadowStack`] if this thread has a shadow stack.
pub fn check_process() -> Result<(), Error> {
    without_shadow_stack(crate::arch::has_shadow_stack())
}

fn without_shadow_stack(has_one: bool) -> Result<(), Error> {
    if has_one { Err(Error::ShadowStack) } else { Ok(()) }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::UnhandledTag => f.write_str("unhandled tag"),
            Error::StackOverflow => f.write_str("the host's stack has no room for Wasm"),
            Error::TooManyContinuations { limit } => {
                write!(
                    f,
                    "the store holds {limit} continuations, the most that a store may (continuations-per-store)"
                )
            }
            Error::Refused { alive } => {
                write!(f, "the store's limiter refused another continuation; {alive} are alive")
            }
            Error::TooManyStacks { limit } => {
                write!(f, "all {limit} continuation stacks of the engine are taken (continuation-stacks)")
            }
            Error::TooManyArguments { limit } => {
                write!(
                    f,
                    "the store's continuations hold room for {limit} arguments already, and may hold no more"
                )
            }
            Error::NoMemory => f.write_str(
                "no memory for another continuation and its arguments; allow a store fewer (continuations-per-store), or raise \
                 the process's limit",
            ),
            Error::NoStack { size, held, mappings, cause } => no_stack(f, *size, *held, *mappings, cause),
            Error::NoAddresses { size, count, cause } => {
                write!(
                    f,
                    "no address space for {count} more continuation stacks of {size} bytes: {cause}; configure fewer \
                     (continuation-stacks) or smaller ones (continuation-stack-size), or raise the process's limit"
                )
            }
            Error::StackSize { size, max_wasm_stack } => stack_size(f, *size, *max_wasm_stack),
            Error::CorruptHeap => {
                f.write_str("the heap of the garbage collector holds a continuation reference that nobody wrote there")
            }
            Error::ShadowStack => f.write_str(
                "stack switching is not possible in a process with a shadow stack (Intel and AMD CET, Arm GCS): turn that \
                 off for this process, with GLIBC_TUNABLES=glibc.cpu.x86_shstk=off:glibc.cpu.hwcaps=-SHSTK or \
                 glibc.cpu.aarch64_gcs=0 in its environment, or by linking it without -z shstk or -z gcs=always",
            ),
            Error::Unsupported(cause) => {
                write!(f, "the libcall backend cannot make a fiber here: {cause}")
            }
        }
    }
}

/// The text of [`Error::NoStack`].
fn no_stack(
    f: &mut fmt::Formatter<'_>,
    size: usize,
    held: u32,
    mappings: bool,
    cause: &Cause,
) -> fmt::Result {
    write!(
        f,
        "no memory for another continuation's stack ({size} bytes; the engine has given out {held}): {cause}"
    )?;
    if mappings && cfg!(target_os = "linux") {
        f.write_str(
            "; its guard takes mappings of the process, of which there may be as many as sysctl vm.max_map_count says",
        )?;
    }
    Ok(())
}

/// The text of [`Error::StackSize`].
fn stack_size(f: &mut fmt::Formatter<'_>, size: Option<usize>, max_wasm_stack: usize) -> fmt::Result {
    match size {
        Some(size) if size < MIN_WASM_STACK => write!(
            f,
            "a continuation stack of {size} bytes (continuation-stack-size) is too small for Wasm: configure \
             {MIN_WASM_STACK} at least"
        ),
        Some(size) => write!(
            f,
            "{size} bytes of a continuation stack (continuation-stack-size) are more than Wasm may use of any stack \
             (max-wasm-stack, {max_wasm_stack}): the size is Wasm's part alone, since host functions do not run on \
             continuation stacks; configure no room for them, or raise max-wasm-stack"
        ),
        None => write!(
            f,
            "no continuation stack holds {max_wasm_stack} bytes of Wasm's frames (max-wasm-stack): configure less, or a \
             size of their own (continuation-stack-size)"
        ),
    }
}

impl std::error::Error for Error {}

#[cfg(test)]
mod tests {
    use super::*;

    /// Tests cannot count on a processor and a kernel with shadow stacks, so that this test makes their answer up.
    #[test]
    fn a_shadow_stack_is_refused() {
        let error = without_shadow_stack(true).unwrap_err();
        assert!(matches!(error, Error::ShadowStack) && !error.is_limit());
        assert!(error.to_string().contains("GLIBC_TUNABLES"), "{error}");
        without_shadow_stack(false).unwrap();
    }
}
