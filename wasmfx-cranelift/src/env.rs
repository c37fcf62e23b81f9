//! What this crate needs of the function environment that it translates for.

use cranelift_codegen::ir;
use cranelift_frontend::FunctionBuilder;
use wasmtime_environ::{ModuleInternedTypeIndex, TagIndex, TypeIndex, WasmResult, WasmValType};

/// How stacks are switched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Backend {
    /// In compiled code.
    Native,
    /// By calls into the runtime.
    Libcall,
}

/// A call into the runtime. `wasmfx_runtime::libcall` has the meaning of the arguments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Builtin {
    /// `(vmctx, func, params: i32, results: i32) -> contref`
    ContNew,
    /// `(vmctx, contref, frame) -> i64`
    Resume,
    /// `(vmctx, tag, payload, results: i32) -> i8`
    Suspend,
    /// `(vmctx, target, tag, payload, params: i32, args: i32, waits_for: i32) -> i8`
    Switch,
}

/// Why an instruction's own checks trap.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trap {
    /// A reference is null.
    NullReference,
    /// A continuation was used a second time.
    ContinuationAlreadyConsumed,
}

/// Memory that no other kind of memory aliases.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Region {
    /// `VMContRef`s.
    ContRef,
    /// Payloads and resume frames. They live on stacks, and the runtime and other functions write them.
    Payload,
}

/// Stack slots that all stack switching instructions of one function share. That is sound because an
/// activation is inside one such instruction at a time, and what the instruction leaves in the slots has been
/// read before the next begins.
#[derive(Debug, Default)]
pub struct Slots {
    pub(crate) frame: Option<ir::StackSlot>,
    pub(crate) payload: Option<ir::StackSlot>,
}

/// The environment of the function being translated.
pub trait FuncEnv {
    /// The backend that the engine is configured for.
    fn backend(&self) -> Backend;

    /// The type of an address.
    fn pointer_type(&self) -> ir::Type;

    /// Whether the target is big-endian.
    fn is_big_endian(&self) -> bool;

    /// The function's slots.
    fn slots(&mut self) -> &mut Slots;

    /// The instance's context.
    fn vmctx(&mut self, builder: &mut FunctionBuilder<'_>) -> ir::Value;

    /// The address of a tag's definition: the same in every instance that has the tag.
    fn tag_address(&mut self, builder: &mut FunctionBuilder<'_>, tag: TagIndex) -> ir::Value;

    /// The engine's number of a type, an `i32`.
    fn type_id(&mut self, builder: &mut FunctionBuilder<'_>, ty: ModuleInternedTypeIndex) -> ir::Value;

    /// The parameters of a tag.
    fn tag_params(&self, tag: TagIndex) -> Vec<WasmValType>;

    /// The results of a tag.
    fn tag_results(&self, tag: TagIndex) -> Vec<WasmValType>;

    /// The parameters of a continuation type's function type.
    fn cont_params(&self, ty: TypeIndex) -> Vec<WasmValType>;

    /// The results of a continuation type's function type.
    fn cont_results(&self, ty: TypeIndex) -> Vec<WasmValType>;

    /// The function type of the continuation type that `ty`, a reference type, refers to, and its
    /// parameters.
    fn cont_ref_params(&self, ty: WasmValType) -> (ModuleInternedTypeIndex, Vec<WasmValType>);

    /// The Cranelift type of a Wasm type.
    fn value_type(&self, ty: WasmValType) -> ir::Type;

    /// Whether a collector must find values of this type on the stack.
    fn needs_stack_map(&self, ty: WasmValType) -> bool;

    /// Calls into the runtime, which returns once control is back on this stack, or unwinds to the
    /// handlers in force here. What the function caches of its store is written before and read after.
    fn call(
        &mut self,
        builder: &mut FunctionBuilder<'_>,
        builtin: Builtin,
        args: &[ir::Value],
    ) -> WasmResult<ir::Value>;

    /// Goes to a clause's label with the values that it takes.
    fn jump(&mut self, builder: &mut FunctionBuilder<'_>, label: ir::Block, values: &[ir::Value]);

    /// Traps if `value` is zero.
    fn trap_if_zero(&mut self, builder: &mut FunctionBuilder<'_>, value: ir::Value, trap: Trap);

    /// The alias region of a kind of memory.
    fn region(&mut self, func: &mut ir::Function, region: Region) -> ir::AliasRegion;
}
