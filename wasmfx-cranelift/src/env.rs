//! What this crate needs of the function environment that it translates for.

use crate::function::FunctionState;
use cranelift_codegen::cursor::FuncCursor;
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
    /// `(vmctx, contref, frame) -> i64`: what the native backend's `stack_switch` hands over.
    Resume,
    /// `(vmctx, tag, payload, results: i32) -> i8`
    Suspend,
    /// `(vmctx, target, tag, payload, params: i32, args: i32) -> i8`
    Switch,
    /// `(vmctx, contref, exnref: i32) -> i8`: makes `exnref` the store's pending exception, and readies the
    /// continuation for being resumed with it; or raises it here, if the continuation is fresh.
    Throw,
}

/// A call into the runtime that only the native backend makes. `wasmfx_runtime::native` has the meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NativeBuiltin {
    /// `(vmctx, contref)`: `native::start`. To be called so that registers are preserved.
    Start,
    /// `(vmctx, contref)`: `native::finish`.
    Finish,
    /// `(vmctx, contref)`: `native::finish`; then goes on unwinding, and so does not return.
    Unwind,
    /// `(vmctx)`: raises the store's pending exception, and so does not return.
    Raise,
}

/// Why an instruction's own checks trap.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trap {
    /// A reference is null.
    NullReference,
    /// A continuation was used a second time.
    ContinuationAlreadyConsumed,
    /// No handler of the right kind is in force for a tag.
    UnhandledTag,
}

/// Memory that no other kind of memory aliases.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MemoryRegion {
    /// `VMContRef`s without their `args`, the store's `VMContinuationContext`, and `VMStackHeader`s: those lie on stacks, above all that
    /// else is there. But the store's barrier, which nobody writes, is read as the resume frame that it stands for.
    ContRef,
    /// Payloads and resume frames. They live on stacks and in the `args` of `VMContRef`s, and the runtime and other functions
    /// write them.
    Payload,
}

/// How a function reaches memory.
pub trait Memory {
    /// The type of an address.
    fn pointer_type(&self) -> ir::Type;

    /// Whether the target is big-endian.
    fn is_big_endian(&self) -> bool;

    /// The alias region of a kind of memory.
    fn region(&mut self, func: &mut ir::Function, region: MemoryRegion) -> ir::AliasRegion;
}

/// What the native backend needs besides.
pub trait NativeEnv {
    /// The address of the entry code, made by [`native_entry`](crate::native_entry), for functions of a
    /// continuation type.
    fn entry_address(&mut self, builder: &mut FunctionBuilder<'_>, ty: TypeIndex) -> ir::Value;

    /// The current stack: a `*mut VMContRef`, of a continuation or of the store's initial stack.
    fn current(&mut self, pos: &mut FuncCursor<'_>) -> ir::Value;

    /// Sets what [`NativeEnv::current`] returns.
    fn set_current(&mut self, builder: &mut FunctionBuilder<'_>, current: ir::Value);

    /// The lowest stack pointer that Wasm may have.
    fn stack_limit(&mut self, pos: &mut FuncCursor<'_>) -> ir::Value;

    /// Sets what [`NativeEnv::stack_limit`] returns.
    fn set_stack_limit(&mut self, builder: &mut FunctionBuilder<'_>, limit: ir::Value);

    /// The address of the store's `VMContinuationContext`.
    fn continuation_context(&mut self, builder: &mut FunctionBuilder<'_>) -> ir::Value;

    /// Cranelift's `stack_switch`. What the function caches of its store is written before and read after.
    fn stack_switch(
        &mut self,
        builder: &mut FunctionBuilder<'_>,
        store: ir::Value,
        load: ir::Value,
        payload: ir::Value,
    ) -> ir::Value;

    /// Emits what the translator has only counted so far, such as fuel: before a branch within one
    /// instruction, one side of which calls.
    fn flush_counters(&mut self, builder: &mut FunctionBuilder<'_>);

    /// Writes back what the function caches of its store, such as fuel: before a trap. It has been
    /// [settled](NativeEnv::settle).
    fn write_back(&mut self, builder: &mut FunctionBuilder<'_>);

    /// As [`FuncEnv::call`], but that there is no result.
    fn call_native(
        &mut self,
        builder: &mut FunctionBuilder<'_>,
        builtin: NativeBuiltin,
        args: &[ir::Value],
    ) -> WasmResult<()>;
}

/// The environment of the function being translated.
pub trait FuncEnv: Memory {
    /// The backend that the engine is configured for.
    fn backend(&self) -> Backend;

    /// What the native backend needs besides, if the engine has it.
    fn native(&mut self) -> Option<&mut dyn NativeEnv> {
        None
    }

    /// What the function's stack switching instructions share.
    fn function_state(&mut self) -> &mut FunctionState;

    /// The instance's context.
    fn vmctx(&mut self, builder: &mut FunctionBuilder<'_>) -> ir::Value;

    /// The address of a tag's definition: the same in every instance that has the tag.
    fn tag_address(&mut self, pos: &mut FuncCursor<'_>, tag: TagIndex) -> ir::Value;

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

    /// The function type of a continuation type.
    fn cont_func(&self, ty: TypeIndex) -> ModuleInternedTypeIndex;

    /// The parameters of the continuation type that `ty`, a reference type, refers to.
    fn cont_ref_params(&self, ty: WasmValType) -> Vec<WasmValType>;

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

    /// Traps. This ends the block.
    fn trap(&mut self, builder: &mut FunctionBuilder<'_>, trap: Trap);

    /// Traps if `value` is zero.
    fn trap_if_zero(&mut self, builder: &mut FunctionBuilder<'_>, value: ir::Value, trap: Trap);
}
