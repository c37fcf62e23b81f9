//! The traits through which this crate uses the environment of the function that is translated.

use crate::function::FunctionState;
use cranelift_codegen::cursor::FuncCursor;
use cranelift_codegen::ir;
use cranelift_frontend::FunctionBuilder;
use wasmtime_environ::{ModuleInternedTypeIndex, TagIndex, TypeIndex, WasmResult, WasmValType};

/// The way in which stacks are switched: by calls into the runtime, or in compiled code.
pub use wasmfx_runtime::abi::{Backend, Isa};

/// A call into the runtime. `wasmfx_runtime::libcall` has the meaning of the arguments.
///
/// The engine's code around each of these raises the trap or the exception that has been noted, if the runtime reports one. So
/// compiled code has no use for an `i8` that one of these returns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Builtin {
    /// `(vmctx, func, params: i32, results: i32) -> contref`: makes a fresh continuation with room for so many arguments and
    /// results.
    ContNew,
    /// `(vmctx, contref, frame) -> i64`: the address of what was captured, or `RETURNED` if the continuation has returned. The
    /// native backend's `stack_switch` returns a word of the same format, which may have other outcomes besides.
    Resume,
    /// `(vmctx, tag, payload, results: i32) -> i8`: returns once the captured continuation is resumed; its values are at
    /// `payload`.
    Suspend,
    /// `(vmctx, target, tag, payload, params: i32, args: i32) -> i8`: returns once the captured continuation is resumed or switched
    /// to; its values are at `payload`. The runtime stores the target's last argument, a reference to the captured continuation,
    /// behind the `args` arguments that compiled code has stored.
    Switch,
    /// `(vmctx, contref, exnref: i32) -> i8`: makes `exnref` the store's pending exception, and prepares the continuation for a
    /// `resume` that raises `exnref` where the continuation suspended. If the continuation is fresh, this consumes the
    /// continuation, raises `exnref` here and does not return.
    Throw,
}

/// A call into the runtime that only the native backend makes. `wasmfx_runtime::native` documents `start` and `finish`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NativeBuiltin {
    /// `(vmctx, contref)`: `native::start`, which gives a fresh continuation a stack. The environment should call this with a
    /// calling convention that preserves all registers, so that callers spill nothing around this rare call.
    Start,
    /// `(vmctx, contref)`: `native::finish`, which ends a continuation that has returned.
    Finish,
    /// `(vmctx, contref)`: `native::finish`, then raises here the exception that has left the stack of the continuation. Does not
    /// return.
    Unwind,
    /// `(vmctx)`: raises the store's pending exception. Does not return.
    Raise,
}

/// The reason of a trap that an instruction's own checks raise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trap {
    /// A reference is null.
    NullReference,
    /// A reference was used a second time.
    ContinuationAlreadyConsumed,
    /// No handler of the right kind is in force for a tag.
    UnhandledTag,
    /// An object in the heap of the garbage collector holds a reference that nobody can have written there.
    CorruptHeap,
}

/// A kind of memory that no other kind aliases.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MemoryRegion {
    /// `VMContRef`s without their `args`, the store's `VMContinuationContext`, and `VMStackHeader`s.
    ///
    /// ```text
    ///   VMContRef                      a stack
    ///   | control, ...   | ContRef     | VMStackHeader              | ContRef
    ///   | args           | Payload     | frames: payload slots,     | Payload
    ///   +----------------+             |   resume frames            |
    /// ```
    ///
    /// Compiled code reads one field of the `VMContinuationContext`, the store's barrier, as a resume frame, and so in the region
    /// `Payload`. Nothing writes the barrier after the store was made. So an access to one region may still be moved across an
    /// access to the other.
    ContRef,
    /// Payloads and resume frames. They are on stacks and in the `args` of `VMContRef`s. The runtime and other functions write
    /// them, too.
    Payload,
}

/// The memory of the target, as a function accesses it.
pub trait Memory {
    /// The type of an address.
    fn pointer_type(&self) -> ir::Type;

    /// Whether the target is big-endian.
    fn is_big_endian(&self) -> bool;

    /// The target's processor. Only the native backend asks.
    fn native_isa(&self) -> Isa;

    /// The alias region of a kind of memory.
    fn region(&mut self, func: &mut ir::Function, region: MemoryRegion) -> ir::AliasRegion;
}

/// What the native backend needs of the function environment besides [`FuncEnv`].
pub trait NativeEnv {
    /// The address of the entry code, made by [`native_entry`](crate::native_entry), for functions of a
    /// continuation type.
    fn entry_address(&mut self, builder: &mut FunctionBuilder<'_>, ty: TypeIndex) -> ir::Value;

    /// The current stack: a `*mut VMContRef`, of a continuation or of the store's initial stack.
    fn current(&mut self, pos: &mut FuncCursor<'_>) -> ir::Value;

    /// Sets what [`NativeEnv::current`] returns.
    fn set_current(&mut self, builder: &mut FunctionBuilder<'_>, current: ir::Value);

    /// The lowest stack pointer that Wasm on the current stack may have.
    fn stack_limit(&mut self, pos: &mut FuncCursor<'_>) -> ir::Value;

    /// Sets what [`NativeEnv::stack_limit`] returns.
    fn set_stack_limit(&mut self, builder: &mut FunctionBuilder<'_>, limit: ir::Value);

    /// Cranelift's `stack_switch`. What the function caches of its store is written before and read after.
    ///
    /// The switch stores the stack pointer, the frame pointer and the address of the code behind the switch in the
    /// `VMControlContext` at `store`, and loads the same three registers from the one at `load`. Returns the `payload` of the
    /// later switch that loads what this one stored.
    fn stack_switch(
        &mut self,
        builder: &mut FunctionBuilder<'_>,
        store: ir::Value,
        load: ir::Value,
        payload: ir::Value,
    ) -> ir::Value;

    /// Emits the code for what the translator has only counted so far, such as fuel.
    ///
    /// Necessary before a branch inside one instruction, if a call is on one side only: a call emits this code, and what one side
    /// emits does not run on the other.
    fn flush_counters(&mut self, builder: &mut FunctionBuilder<'_>);

    /// Writes back what the function caches of its store, such as fuel. Necessary before a trap. The caller has
    /// [flushed the counters](NativeEnv::flush_counters).
    fn write_back(&mut self, builder: &mut FunctionBuilder<'_>);

    /// As [`FuncEnv::call`], but without a result.
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

    /// The part that only the native backend needs, if the engine provides that.
    fn native(&mut self) -> Option<&mut dyn NativeEnv> {
        None
    }

    /// The address of the store's `VMContinuationContext`.
    fn continuation_context(&mut self, builder: &mut FunctionBuilder<'_>) -> ir::Value;

    /// The state that the function's stack switching instructions share.
    fn function_state(&mut self) -> &mut FunctionState;

    /// The instance's context.
    fn vmctx(&mut self, builder: &mut FunctionBuilder<'_>) -> ir::Value;

    /// The address of a tag's definition: the same in every instance that has the tag.
    fn tag_address(&mut self, pos: &mut FuncCursor<'_>, tag: TagIndex) -> ir::Value;

    /// The engine's number of a type, an `i32`.
    fn type_id(&mut self, builder: &mut FunctionBuilder<'_>, ty: ModuleInternedTypeIndex) -> ir::Value;

    /// Whether a type has no subtypes.
    fn is_final(&self, ty: ModuleInternedTypeIndex) -> bool;

    /// Whether the type with the engine's number `actual` is `expected` or a subtype of `expected`, as an `i32`. May end the
    /// current block and begin another.
    fn is_subtype(
        &mut self,
        builder: &mut FunctionBuilder<'_>,
        actual: ir::Value,
        expected: ModuleInternedTypeIndex,
    ) -> ir::Value;

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

    /// Emits a call into the runtime, which returns once control is back on this stack, or unwinds to the
    /// handlers in force here. What the function caches of its store is written before and read after.
    fn call(
        &mut self,
        builder: &mut FunctionBuilder<'_>,
        builtin: Builtin,
        args: &[ir::Value],
    ) -> WasmResult<ir::Value>;

    /// Emits a jump to a clause's label, with the values that the label takes.
    fn jump(&mut self, builder: &mut FunctionBuilder<'_>, label: ir::Block, values: &[ir::Value]);

    /// Emits a trap. This ends the block.
    fn trap(&mut self, builder: &mut FunctionBuilder<'_>, trap: Trap);

    /// Emits a trap if `value` is zero.
    fn trap_if_zero(&mut self, builder: &mut FunctionBuilder<'_>, value: ir::Value, trap: Trap);
}
