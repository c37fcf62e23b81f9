//! How WebAssembly's stack switching instructions become Cranelift IR.
//!
//! The crate knows Wasmtime's function environment only through [`FuncEnv`], and the runtime only through the layout in
//! [`wasmfx_runtime::abi`]. A reading order:
//!
//! | file | what it holds |
//! | --- | --- |
//! | `lib.rs` | one entry point per instruction, and the choice of the backend |
//! | `env.rs` | what the function environment must provide |
//! | `function.rs` | what the instructions of one function share |
//! | `view/` | typed views over `ir::Value`: the only reader of field offsets |
//! | `usable.rs` | null and linearity checks, and the binding of values |
//! | `operands.rs` | what each instruction takes |
//! | `frame.rs` | the frame that a resume leaves for a search |
//! | `dispatch.rs` | from the outcome of a resume to the clause that was taken |
//! | `heap.rs` | reads and writes of references in objects of the garbage collector |
//! | `reach.rs` | which functions of a module may switch stacks |
//! | `barrier.rs` | the end of a search for a handler at a call into another component |
//! | `fingerprint.rs` | the sources that count in the fingerprint of compiled code |
//! | `backend.rs` | the trait that a backend implements |
//! | `libcall/` | the portable backend: each switch a call into the runtime |
//! | `native/` | the backend that switches stacks in compiled code; feature `native` |
//! | `no_native.rs` | the error in the place of `native/` in a build without that feature |
//!
//! Every translation error that this crate makes is [`WasmError::Unsupported`](wasmtime_environ::WasmError::Unsupported): the
//! module is valid, and the crate does not implement what it asks for. Errors of [`FuncEnv`]'s methods are passed on.

#![deny(unsafe_code)]

mod backend;
mod barrier;
mod dispatch;
mod env;
mod fingerprint;
mod frame;
mod function;
mod heap;
mod libcall;
#[cfg(feature = "native")]
mod native;
#[cfg(not(feature = "native"))]
#[path = "no_native.rs"]
mod native;
mod operands;
mod reach;
#[cfg(test)]
mod tests;
mod usable;
mod view;

pub use self::barrier::Barrier;
pub use self::env::{Backend, Builtin, FuncEnv, Isa, Memory, MemoryRegion, NativeBuiltin, NativeEnv, Trap};
pub use self::function::FunctionState;
pub use self::heap::FieldType;
#[cfg(feature = "native")]
pub use self::native::{Entry, EntryEnv, native_entry};
pub use self::operands::Clause;
pub use self::reach::functions_that_switch;
pub use wasmfx_runtime::abi::{MAX_HOST_CALL_FRAME, MAX_TRAMPOLINE_FRAME, MAX_UNCHECKED_FRAME};

use self::backend::BackendCompiler;
use self::operands::{Input, New, Resume, Suspend, Target};
use self::usable::Usable;
use cranelift_codegen::ir::{MemFlagsData, Value};
use cranelift_frontend::FunctionBuilder;
use wasmtime_environ::{TagIndex, TypeIndex, WasmResult, wasm_unsupported};

/// `cont.new $ty`: returns a reference to a fresh continuation of `func`, a function reference that may be null. The code traps
/// if `func` is null.
pub fn cont_new(
    env: &mut dyn FuncEnv,
    builder: &mut FunctionBuilder<'_>,
    ty: TypeIndex,
    func: Value,
) -> WasmResult<Value> {
    ensure_target(env)?;
    env.trap_if_zero(builder, func, Trap::NullReference);
    backend(env)?.cont_new(env, builder, New { ty, func })
}

/// `cont.bind $from $to`: binds `args` to the continuation that `cont`, a reference of type `from`, refers to, and returns a new
/// reference to the same continuation. The code traps if `cont` is null or was consumed.
pub fn cont_bind(
    env: &mut dyn FuncEnv,
    builder: &mut FunctionBuilder<'_>,
    from: TypeIndex,
    cont: Value,
    args: &[Value],
) -> WasmResult<Value> {
    ensure_target(env)?;
    let cont = Usable::new(env, builder, cont);
    cont.store_args(env, builder, args);
    let ty = env.cont_func(from);
    cont.add_bound(env, builder, ty, args.len());
    Ok(cont.consume_and_renew(env, builder))
}

/// `suspend $tag`: suspends to the handler of `tag` with the payload `args`. Returns the values with which the captured
/// continuation is later resumed. The code traps if there is no handler.
pub fn suspend(
    env: &mut dyn FuncEnv,
    builder: &mut FunctionBuilder<'_>,
    tag: TagIndex,
    args: &[Value],
) -> WasmResult<Vec<Value>> {
    ensure_target(env)?;
    let results = env.tag_results(tag);
    backend(env)?.suspend(env, builder, Suspend { tag, args, results: &results })
}

/// `resume $ty clause*`: runs the continuation `cont` with the arguments `args`, and returns its results.
///
/// If the continuation suspends to one of `clauses`, the emitted code jumps to the clause's label instead, with the tag's payload
/// and a reference to the captured continuation. The code traps if `cont` is null or was consumed.
pub fn resume(
    env: &mut dyn FuncEnv,
    builder: &mut FunctionBuilder<'_>,
    ty: TypeIndex,
    cont: Value,
    args: &[Value],
    clauses: &[Clause],
) -> WasmResult<Vec<Value>> {
    resume_with(env, builder, ty, cont, Input::Values(args), clauses)
}

/// `resume_throw` and `resume_throw_ref`: as [`resume`], except that the instruction which suspended `cont` raises
/// `exnref`, an exception reference that is not null. If `cont` is fresh, the exception is raised here.
///
/// The caller emits the code that makes the exception of `resume_throw`, and the null check of `resume_throw_ref`.
pub fn resume_throw(
    env: &mut dyn FuncEnv,
    builder: &mut FunctionBuilder<'_>,
    ty: TypeIndex,
    cont: Value,
    exnref: Value,
    clauses: &[Clause],
) -> WasmResult<Vec<Value>> {
    resume_with(env, builder, ty, cont, Input::Exception(exnref), clauses)
}

fn resume_with(
    env: &mut dyn FuncEnv,
    builder: &mut FunctionBuilder<'_>,
    ty: TypeIndex,
    cont: Value,
    input: Input<'_>,
    clauses: &[Clause],
) -> WasmResult<Vec<Value>> {
    ensure_target(env)?;
    let results = env.cont_results(ty);
    let cont = Usable::new(env, builder, cont);
    backend(env)?.resume(env, builder, Resume { cont, input, results: &results, clauses })
}

/// `switch $ty $tag`: captures the current continuation and runs `cont` in its place. Returns the values with which the captured
/// continuation is later resumed or switched to.
///
/// `ty` is the type of the target `cont`. `args` are all arguments of the target except the last one, which is a reference to the
/// captured continuation. The code traps if `cont` is null or was consumed, or if no `(on $tag switch)` is in force.
pub fn switch(
    env: &mut dyn FuncEnv,
    builder: &mut FunctionBuilder<'_>,
    ty: TypeIndex,
    tag: TagIndex,
    cont: Value,
    args: &[Value],
) -> WasmResult<Vec<Value>> {
    ensure_target(env)?;
    let params = env.cont_params(ty);
    let captured = *params.last().expect("validation: a switch target's last parameter is a continuation");
    let received = env.cont_ref_params(captured);
    let cont = Usable::new(env, builder, cont);
    backend(env)?.switch(env, builder, tag, Target { cont, args, received: &received })
}

/// Emits a read of the reference at `address`, in a field of the type `ty` of an object of the garbage collector. `flags` are those
/// of accesses to the heap. The code traps if nobody can have written what it finds.
pub fn read_heap(
    env: &mut dyn FuncEnv,
    builder: &mut FunctionBuilder<'_>,
    ty: FieldType,
    address: Value,
    flags: MemFlagsData,
) -> WasmResult<Value> {
    ensure_target(env)?;
    Ok(heap::read(env, builder, ty, address, flags))
}

/// Emits a write of the reference `cont` at `address`, in a field such as [`read_heap`] reads.
pub fn write_heap(
    env: &mut dyn FuncEnv,
    builder: &mut FunctionBuilder<'_>,
    ty: FieldType,
    address: Value,
    flags: MemFlagsData,
    cont: Value,
) -> WasmResult<()> {
    ensure_target(env)?;
    heap::write(env, builder, ty, address, flags, cont);
    Ok(())
}

/// A null continuation reference.
pub fn null(env: &dyn FuncEnv, pos: &mut cranelift_codegen::cursor::FuncCursor<'_>) -> Value {
    view::ContObj::null(env.pointer_type(), pos).0
}

/// Whether a continuation reference is null, as an `i8`.
pub fn is_null(pos: &mut cranelift_codegen::cursor::FuncCursor<'_>, cont: Value) -> Value {
    use cranelift_codegen::ir::{InstBuilder, condcodes::IntCC};
    let (contref, _) = view::ContObj(cont).split(pos);
    pos.ins().icmp_imm_s(IntCC::Equal, contref.0, 0)
}

/// The backend of the engine that `env` compiles for.
fn backend(env: &dyn FuncEnv) -> WasmResult<&'static dyn BackendCompiler> {
    match env.backend() {
        Backend::Libcall => Ok(&libcall::Libcall),
        Backend::Native => native::backend(),
    }
}

/// Refuses targets that are not 64-bit, because the offsets of the layout are those of 64-bit targets.
fn ensure_target(env: &dyn FuncEnv) -> WasmResult<()> {
    if env.pointer_type() == cranelift_codegen::ir::types::I64 {
        Ok(())
    } else {
        Err(wasm_unsupported!("stack switching on targets that are not 64-bit"))
    }
}
