//! The processors of the native backend, as far as its code differs between them.

/// An instruction set that the native backend compiles for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Isa {
    /// Arm's 64-bit instruction set, little-endian.
    Aarch64,
    /// x86-64.
    X86_64,
}

impl Isa {
    /// All of them.
    pub const ALL: [Isa; 2] = [Isa::Aarch64, Isa::X86_64];

    /// The one that this code runs on, if it is one of these.
    pub const HOST: Option<Isa> = if cfg!(target_arch = "x86_64") {
        Some(Isa::X86_64)
    } else if cfg!(all(target_arch = "aarch64", target_endian = "little")) {
        Some(Isa::Aarch64)
    } else {
        None
    };

    /// The one whose Cranelift backend has this name, if it is one of these.
    pub fn of_cranelift(name: &str) -> Option<Isa> {
        Self::ALL.into_iter().find(|isa| isa.cranelift_name() == name)
    }

    /// The name of the Cranelift backend.
    pub const fn cranelift_name(self) -> &'static str {
        match self {
            Isa::Aarch64 => "aarch64",
            Isa::X86_64 => "x64",
        }
    }

    /// Whether a call leaves its return address in a register, which the prologue stores, rather than on the stack. A stack that is
    /// entered by a jump has no such address, so that entry code sets it behind its prologue.
    pub const fn links_in_register(self) -> bool {
        match self {
            Isa::Aarch64 => true,
            Isa::X86_64 => false,
        }
    }

    /// Whether functions that may switch return by a jump rather than by the processor's return: see Wasmtime's
    /// `Config::stack_switching_jump_returns`.
    pub const fn returns_by_jump(self) -> bool {
        match self {
            Isa::Aarch64 => false,
            Isa::X86_64 => true,
        }
    }

    /// The distance in bytes from a [`VMStackHeader`](super::VMStackHeader) to the stack pointer with which the stack is entered:
    /// 0, or a word below if a call stores a return address, which then is there already.
    pub const fn entry_sp(self) -> i32 {
        if self.links_in_register() { 0 } else { -8 }
    }
}

#[cfg(all(test, feature = "runtime"))]
mod tests {
    use super::*;

    #[test]
    fn cranelifts_names_lead_back() {
        for isa in Isa::ALL {
            assert_eq!(Isa::of_cranelift(isa.cranelift_name()), Some(isa));
        }
        assert_eq!(Isa::of_cranelift("pulley64"), None);
    }
}
