//! What can go wrong that is the program's or the machine's doing. Anything else is a bug, and asserts.

use core::fmt;

/// An error that unwinds Wasm.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// `suspend` or `switch` found no handler of its kind for its tag on this side of the host: the
    /// program's doing. Wasmtime has a trap code for it.
    UnhandledTag,
    /// The store holds as many live continuations as it may: the program's doing.
    TooManyContinuations {
        /// The limit.
        limit: usize,
    },
    /// The store's fresh continuations hold as many arguments as they may: the program's doing.
    TooManyArguments {
        /// The limit, in values.
        limit: usize,
    },
    /// The system gives no memory for another stack: the machine's limit, or the program's greed.
    NoStack {
        /// Bytes asked for.
        size: usize,
        /// Stacks that the store holds already.
        held: usize,
        /// What the system said.
        cause: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The libcall backend has no stacks on this machine: wasmtime-fiber does not know it.
    Unsupported(Box<dyn std::error::Error + Send + Sync>),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::UnhandledTag => f.write_str("unhandled tag"),
            Error::TooManyContinuations { limit } => {
                write!(f, "the store holds {limit} continuations already, and may hold no more")
            }
            Error::TooManyArguments { limit } => {
                write!(
                    f,
                    "the store's continuations hold room for {limit} arguments already, and may hold no more"
                )
            }
            Error::NoStack { size, held, cause } => {
                write!(
                    f,
                    "no memory for another continuation's stack ({size} bytes; the store holds {held}): {cause}"
                )?;
                if cfg!(target_os = "linux") {
                    f.write_str("; each stack takes two mappings, see sysctl vm.max_map_count")?;
                }
                Ok(())
            }
            Error::Unsupported(cause) => {
                write!(f, "stack switching has no backend for this machine: {cause}")
            }
        }
    }
}

impl std::error::Error for Error {}
