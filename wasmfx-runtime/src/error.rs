//! What can go wrong that is the program's or the machine's doing. Anything else is a bug, and asserts.

use crate::limits::MIN_WASM_STACK;
use core::fmt;

/// What a library or the system said.
type Cause = Box<dyn std::error::Error + Send + Sync>;

/// An error that unwinds Wasm, or that [`StackPool::new`](crate::StackPool::new) returns.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// `suspend` or `switch` found no handler of its kind for its tag on this side of the host: the
    /// program's doing. Wasmtime has a trap code for it.
    UnhandledTag,
    /// The store holds as many live continuations as it may: the program's doing.
    TooManyContinuations {
        /// The limit.
        limit: u32,
    },
    /// The embedder does not let the store have another continuation.
    Refused {
        /// How many are alive.
        alive: usize,
    },
    /// The store's fresh continuations hold as many arguments as they may: the program's doing.
    TooManyArguments {
        /// The limit, in values.
        limit: usize,
    },
    /// All stacks of the engine are in use: the doing of all its programs.
    TooManyStacks {
        /// The limit.
        limit: u32,
    },
    /// The system gives no memory for another continuation, or its arguments: the machine's limit, or the program's greed.
    NoMemory,
    /// The system gives no memory for another stack: the machine's limit, or the program's greed.
    NoStack {
        /// Bytes asked for.
        size: usize,
        /// Stacks that the engine has given out.
        held: u32,
        /// Whether each takes mappings of the process, of which Linux has a limit.
        mappings: bool,
        /// What the system said.
        cause: Cause,
    },
    /// The system has no address space for more stacks: the machine's limit, or the process's.
    NoAddresses {
        /// Bytes of a stack.
        size: usize,
        /// How many more stacks were asked for.
        count: usize,
        /// What the system said.
        cause: Cause,
    },
    /// The engine's configuration asks for stacks that cannot be.
    StackSize {
        /// Bytes of a stack for Wasm, if configured.
        size: Option<usize>,
        /// The most bytes that Wasm may take of any stack.
        max_wasm_stack: usize,
    },
    /// The thread has a shadow stack, which does not follow a switch of stacks: the first would end the process.
    ShadowStack,
    /// The libcall backend cannot make a fiber: wasmtime-fiber does not know the machine, or has no memory.
    Unsupported(Cause),
}

impl Error {
    /// Whether a limit ended the program, one of those that an embedder can set or the machine's.
    pub fn is_limit(&self) -> bool {
        match self {
            Error::TooManyContinuations { .. }
            | Error::Refused { .. }
            | Error::TooManyArguments { .. }
            | Error::TooManyStacks { .. }
            | Error::NoMemory
            | Error::NoStack { .. }
            | Error::NoAddresses { .. } => true,
            Error::UnhandledTag | Error::StackSize { .. } | Error::ShadowStack | Error::Unsupported(_) => {
                false
            }
        }
    }
}

/// Whether stacks can be switched in this process.
///
/// # Errors
///
/// [`Error::ShadowStack`]
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
            Error::NoStack { size, held, mappings, cause } => {
                write!(
                    f,
                    "no memory for another continuation's stack ({size} bytes; the engine has given out {held}): \
                     {cause}"
                )?;
                if *mappings && cfg!(target_os = "linux") {
                    f.write_str(
                        "; its guard takes mappings of the process, of which there may be as many as sysctl \
                         vm.max_map_count says",
                    )?;
                }
                Ok(())
            }
            Error::NoAddresses { size, count, cause } => {
                write!(
                    f,
                    "no address space for {count} more continuation stacks of {size} bytes: {cause}; configure fewer \
                     (continuation-stacks) or smaller ones (continuation-stack-size), or raise the process's limit"
                )
            }
            Error::StackSize { size: Some(size), .. } if *size < MIN_WASM_STACK => {
                write!(
                    f,
                    "a continuation stack of {size} bytes (continuation-stack-size) is too small for Wasm: \
                     configure {MIN_WASM_STACK} at least"
                )
            }
            Error::StackSize { size: Some(size), max_wasm_stack } => {
                write!(
                    f,
                    "{size} bytes of a continuation stack (continuation-stack-size) are more than Wasm may use of any \
                     stack (max-wasm-stack, {max_wasm_stack}): the size is Wasm's part alone, since host functions do \
                     not run on continuation stacks; configure no room for them, or raise max-wasm-stack"
                )
            }
            Error::StackSize { size: None, max_wasm_stack } => {
                write!(
                    f,
                    "no continuation stack holds {max_wasm_stack} bytes of Wasm's frames (max-wasm-stack): configure \
                     less, or a size of their own (continuation-stack-size)"
                )
            }
            Error::ShadowStack => f.write_str(
                "stack switching is not possible in a process with a shadow stack (Intel and AMD CET): turn that off \
                 for this process, with GLIBC_TUNABLES=glibc.cpu.x86_shstk=off:glibc.cpu.hwcaps=-SHSTK in its \
                 environment, or by linking it without -z shstk",
            ),
            Error::Unsupported(cause) => {
                write!(f, "the libcall backend cannot make a fiber here: {cause}")
            }
        }
    }
}

impl std::error::Error for Error {}

#[cfg(test)]
mod tests {
    use super::*;

    /// A processor and a kernel with shadow stacks are not to be had in tests: what they would tell is made up.
    #[test]
    fn a_shadow_stack_is_refused() {
        let error = without_shadow_stack(true).unwrap_err();
        assert!(matches!(error, Error::ShadowStack) && !error.is_limit());
        assert!(error.to_string().contains("GLIBC_TUNABLES"), "{error}");
        without_shadow_stack(false).unwrap();
    }
}
