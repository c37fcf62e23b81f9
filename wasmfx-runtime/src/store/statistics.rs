//! What a store's continuations are and take, in numbers.

use std::fmt;

/// What a store's continuations are and take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Statistics {
    /// Continuations that are fresh, running or suspended.
    pub alive: usize,
    /// The most that were alive at a time.
    pub peak: usize,
    /// Continuations that were ever made.
    pub created: u64,
    /// Stacks in use by continuations, or idle and kept for the next.
    pub stacks: usize,
    /// Bytes of address space that those stacks have, with their guards.
    pub bytes_reserved: usize,
    /// Bytes of memory that those stacks have; `None` if the system does not tell.
    pub bytes_resident: Option<usize>,
    /// Whether the engine guards stacks by memory protection, and not by what is cheaper: because it is configured so, or
    /// the system has nothing else, or has refused it, as Linux does once the process locks its memory. Each of those stacks
    /// takes two of the process's mappings.
    pub guards_by_mprotect: bool,
}

impl fmt::Display for Statistics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Statistics { alive, peak, created, stacks, bytes_reserved, bytes_resident, guards_by_mprotect } =
            self;
        write!(
            f,
            "continuations: {alive} alive, {peak} at most, {created} made; \
             stacks: {stacks}, {bytes_reserved} bytes of addresses, "
        )?;
        match bytes_resident {
            Some(bytes) => write!(f, "{bytes} bytes of memory")?,
            None => f.write_str("unknown bytes of memory")?,
        }
        if *guards_by_mprotect {
            f.write_str("; guarded by mprotect, which takes two mappings for each")?;
        }
        Ok(())
    }
}
