//! How stacks are guarded.

/// How stacks are kept from running into their neighbours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Guards {
    /// As cheaply as the system can.
    #[default]
    Auto,
    /// By memory protection, which every system has.
    Mprotect,
}
