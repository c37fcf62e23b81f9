//! The numbers of a store's continuations and stacks.

use std::fmt;

/// The numbers of a store's continuations and stacks, and of the memory that the stacks take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Statistics {
    /// Continuations that are fresh, running or suspended.
    pub alive: usize,
    /// The most continuations that were alive at a time.
    pub peak: usize,
    /// Continuations that were ever made.
    pub created: u64,
    /// Continuations that were ended because nothing could resume them any more.
    pub reclaimed: u64,
    /// Stacks in use by continuations, or idle and kept by the store for the next ones.
    pub stacks: usize,
    /// Bytes of address space of those stacks, with their guards.
    pub bytes_reserved: usize,
    /// Bytes of memory that those stacks occupy; `None` if the system does not tell.
    pub bytes_resident: Option<usize>,
    /// Whether the engine guards some stacks, of this store or of others, by memory protection, and not by cheaper means. This
    /// is so if the engine is configured so, if the system has no cheaper means, or if the system has refused them, as Linux
    /// does when the process locks its memory. Each stack that is guarded so takes two of the process's mappings.
    pub guards_by_mprotect: bool,
}

impl fmt::Display for Statistics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Statistics {
            alive,
            peak,
            created,
            reclaimed,
            stacks,
            bytes_reserved,
            bytes_resident,
            guards_by_mprotect,
        } = self;
        write!(
            f,
            "continuations: {alive} alive, {peak} at most, {created} made, {reclaimed} reclaimed; \
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
