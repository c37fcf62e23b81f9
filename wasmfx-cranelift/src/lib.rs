//! How WebAssembly's stack switching instructions become Cranelift IR.
//!
//! This crate knows nothing of Wasmtime's function environment but what [`FuncEnv`] says, and of the
//! runtime nothing but the layout in [`wasmfx_runtime::layout`]. Read it in this order:
//!
//! | file | what it holds |
//! | --- | --- |
//! | `lib.rs` | one entry point per instruction |
//! | `env.rs` | what the function environment must provide |
//! | `view.rs` | typed views over `ir::Value`: the only reader of field offsets |
//! | `checks.rs` | null and linearity checks, shared by the backends |
//! | `barrier.rs` | what keeps handlers out of a call into another component |
//! | `handlers.rs` | the frame that a resume gives to the runtime, shared by the backends |
//! | `backend.rs` | what a backend is, and the one place that picks one |
//! | `libcall/` | the portable backend: each switch a call into the runtime |
//! | `native/` | the backend that switches stacks in compiled code; feature `native` |
//!
//! Errors are [`WasmError::Unsupported`](wasmtime_environ::WasmError::Unsupported), for what is valid
//! and not implemented.

#![deny(unsafe_code)]

mod backend;
mod barrier;
mod checks;
mod env;
mod handlers;
mod libcall;
#[cfg(feature = "native")]
mod native;
mod view;

pub use self::barrier::Barrier;
pub use self::env::{Backend, Builtin, FuncEnv, Memory, NativeBuiltin, NativeEnv, Region, Trap};
pub use self::handlers::{Clause, Shared};
#[cfg(feature = "native")]
pub use self::native::{Entry, EntryEnv, native_entry};
pub use wasmfx_runtime::layout::{MAX_HOST_CALL_FRAME, MAX_TRAMPOLINE_FRAME, MAX_UNCHECKED_FRAME};

use self::checks::Checked;
use self::handlers::{Input, Target};
use cranelift_codegen::ir::Value;
use cranelift_frontend::FunctionBuilder;
use wasmtime_environ::{TagIndex, TypeIndex, WasmResult, wasm_unsupported};

/// `cont.new $ty`: a reference to a fresh continuation of `func`, a possibly null function reference.
pub fn cont_new(
    env: &mut dyn FuncEnv,
    builder: &mut FunctionBuilder<'_>,
    ty: TypeIndex,
    func: Value,
) -> WasmResult<Value> {
    ensure_target(env)?;
    env.trap_if_zero(builder, func, Trap::NullReference);
    let params = env.cont_params(ty).len();
    let results = env.cont_results(ty).len();
    (backend::of(env)?.cont_new)(env, builder, ty, func, params, results)
}

/// `cont.bind $from $to`: a reference to the continuation `cont` of type `from` with `args` bound.
pub fn cont_bind(
    env: &mut dyn FuncEnv,
    builder: &mut FunctionBuilder<'_>,
    from: TypeIndex,
    cont: Value,
    args: &[Value],
) -> WasmResult<Value> {
    ensure_target(env)?;
    let types = env.cont_params(from);
    // A collector finds bound references through their slots, whose format is little-endian.
    if env.is_big_endian() && types[..args.len()].iter().any(|ty| env.needs_stack_map(*ty)) {
        return Err(wasm_unsupported!("`cont.bind` of garbage-collected references on big-endian targets"));
    }
    let cont = Checked::new(env, builder, cont);
    cont.store_args(env, builder, args);
    let ty = env.cont_func(from);
    cont.add_bound(env, builder, ty, args.len());
    Ok(cont.consume_and_renew(env, builder))
}

/// `suspend $tag`: what the handler's continuation is later resumed with.
pub fn suspend(
    env: &mut dyn FuncEnv,
    builder: &mut FunctionBuilder<'_>,
    tag: TagIndex,
    args: &[Value],
) -> WasmResult<Vec<Value>> {
    ensure_target(env)?;
    let results = env.tag_results(tag);
    (backend::of(env)?.suspend)(env, builder, tag, args, &results)
}

/// `resume $ty clause*`: the results of the continuation `cont`. When control goes to a clause's label
/// instead, this has jumped there, with the tag's payload and the captured continuation.
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

/// `resume_throw` and `resume_throw_ref`: as [`resume`], but that the instruction which suspended `cont` raises
/// `exnref`, an exception reference that is not null.
///
/// Making the exception of `resume_throw` and the null check of `resume_throw_ref` are the caller's.
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
    let cont = Checked::new(env, builder, cont);
    input.hand_over(env, builder, cont)?;
    (backend::of(env)?.resume)(env, builder, cont, input, &results, clauses)
}

/// `switch $ty $tag`: what the continuation captured here is later resumed or switched to with.
///
/// `ty` is the type of the target `cont`; `args` are its arguments but the last, which is the captured
/// continuation.
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
    let cont = Checked::new(env, builder, cont);
    let place = cont.next_value(env, builder);
    place.store(env, builder, args);
    let last_arg = place.skip(builder, args.len());
    let target = Target { cont, args: args.len(), last_arg, received };
    (backend::of(env)?.switch)(env, builder, tag, target)
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

/// The layout is that of 64-bit targets.
fn ensure_target(env: &dyn FuncEnv) -> WasmResult<()> {
    if env.pointer_type() == cranelift_codegen::ir::types::I64 {
        Ok(())
    } else {
        Err(wasm_unsupported!("stack switching on targets that are not 64-bit"))
    }
}
