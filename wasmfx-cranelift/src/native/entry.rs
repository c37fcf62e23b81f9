//! Entry code: what a fresh continuation runs first.

use super::NO_RETURN;
use crate::env::Memory;
use crate::view::ContRef;
use cranelift_codegen::ir::{InstBuilder, Signature, Type, Value};
use cranelift_frontend::FunctionBuilder;
use wasmfx_runtime::layout::RETURNED;

/// A type of function, as entry code calls it.
#[derive(Debug)]
pub struct Entry {
    /// The function's parameters, without the two contexts.
    pub params: Vec<Type>,
    /// The signature for calls from Wasm: the callee's context, the caller's, then the parameters.
    pub signature: Signature,
}

/// The environment of entry code.
pub trait EntryEnv: Memory {
    /// Loads the code for calls from Wasm and the callee's context from a `VMFuncRef`.
    fn load_callee(&mut self, builder: &mut FunctionBuilder<'_>, func_ref: Value) -> (Value, Value);
}

/// Fills the current block of `builder` with the entry code for a type of function.
///
/// `contref` is the payload of the `stack_switch` that comes here: Cranelift passes it as the C calling
/// convention passes the first argument. The code leaves its stack for good when the function has returned.
pub fn native_entry(env: &mut dyn EntryEnv, builder: &mut FunctionBuilder<'_>, contref: Value, entry: Entry) {
    let contref = ContRef(contref);
    let (func, caller_vmctx, args) = contref.to_run(env, builder);
    let (wasm_call, vmctx) = env.load_callee(builder, func);
    let mut values = vec![vmctx, caller_vmctx];
    // Collected references too: no collection can come before the call, which takes them.
    values.extend(args.load_untracked(env, builder, &entry.params));
    contref.clear_func(env, builder);
    let signature = builder.import_signature(entry.signature);
    let call = builder.ins().call_indirect(signature, wasm_call, &values);
    let results = builder.inst_results(call).to_vec();

    if !results.is_empty() {
        let frame = contref.resume(env, builder);
        frame.results(env, builder).store(env, builder, &results);
    }
    let control = contref.control(builder);
    let returned = builder.ins().bor_imm_s(contref.0, RETURNED.cast_signed());
    builder.ins().stack_switch(control.0, control.0, returned);
    builder.ins().trap(NO_RETURN);
}
