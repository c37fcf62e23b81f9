//! The continuation that runs, as an activation of a function knows it.

use super::native;
use crate::env::FuncEnv;
use crate::view::ContRef;
use cranelift_codegen::ir::{Inst, InstBuilder, Value, types::I64};
use cranelift_frontend::{FunctionBuilder, Variable};

/// The continuation that an activation belongs to, and its stack limit: a stack is one continuation's until all its
/// frames are gone. Loaded where the function begins, if it asks for them.
///
/// The continuation is a variable, which each `suspend` and `switch` that goes on sets to what was handed to it. That is
/// the same, but known at once: what comes next need not wait for the stack pointer, and then for what was spilled there.
#[derive(Debug, Default)]
pub(crate) struct Own {
    /// The variable, and what it is at first: to be replaced.
    current: Option<(Variable, Inst)>,
    limit: Option<Value>,
}

impl Own {
    /// Declares the variable, where the function begins.
    pub(crate) fn enter(&mut self, builder: &mut FunctionBuilder<'_>) {
        let variable = builder.declare_var(I64);
        let unknown = builder.ins().iconst(I64, 0);
        builder.def_var(variable, unknown);
        let inst = builder.func.dfg.value_def(unknown).unwrap_inst();
        self.current = Some((variable, inst));
    }
}

/// The current stack, and its stack limit.
pub(super) fn own_stack(env: &mut dyn FuncEnv, builder: &mut FunctionBuilder<'_>) -> (ContRef, Value) {
    let (variable, unknown) = env.shared().own.current.expect("the function was entered");
    let limit = match env.shared().own.limit {
        Some(limit) => limit,
        None => {
            let pos = &mut env.shared().entry(builder.func);
            let (current, limit) = (native(env).current(pos), native(env).stack_limit(pos));
            let dfg = &mut builder.func.dfg;
            let replaced = dfg.first_result(unknown);
            dfg.clear_results(unknown);
            dfg.change_to_alias(replaced, current);
            builder.func.layout.remove_inst(unknown);
            *env.shared().own.limit.insert(limit)
        }
    };
    (ContRef(builder.use_var(variable)), limit)
}

/// Notes that `handed` is the continuation that runs, as a `stack_switch` told it.
pub(super) fn set_current(env: &mut dyn FuncEnv, builder: &mut FunctionBuilder<'_>, handed: Value) {
    let (variable, _) = env.shared().own.current.expect("the function was entered");
    builder.def_var(variable, handed);
}
