//! The kinds of guards of stacks.

/// How a stack is kept from running into its neighbour. Where a fiber brings its own stack, wasmtime-fiber guards the stack, and
/// this has no effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Guards {
    /// In the cheapest way that the system offers.
    #[default]
    Auto,
    /// By memory protection (`mprotect`), which every Unix has.
    Mprotect,
}
