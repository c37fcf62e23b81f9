//! `cont.new`.

use super::native;
use crate::env::FuncEnv;
use crate::libcall;
use crate::view::ContObj;
use cranelift_codegen::ir::Value;
use cranelift_frontend::FunctionBuilder;
use wasmtime_environ::{TypeIndex, WasmResult};

/// As the libcall backend does it, and stores the entry code.
pub(super) fn cont_new(
    env: &mut dyn FuncEnv,
    builder: &mut FunctionBuilder<'_>,
    ty: TypeIndex,
    func: Value,
    params: usize,
    results: usize,
) -> WasmResult<Value> {
    let cont = (libcall::TRANSLATE.cont_new)(env, builder, ty, func, params, results)?;
    let (contref, _) = ContObj(cont).split(&mut builder.cursor());
    let entry = native(env).entry_address(builder, ty);
    contref.set_entry(env, builder, entry);
    Ok(cont)
}
