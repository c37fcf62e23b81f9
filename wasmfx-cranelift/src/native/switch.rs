//! `switch`.

use super::current::{after_resumption, make_current, own_stack};
use super::engine::native;
use super::search::{Found, search};
use super::start::{ensure_started, slots};
use crate::env::FuncEnv;
use crate::operands::Target;
use crate::view::{ClauseKind, ContObj, Waits};
use cranelift_codegen::ir::Value;
use cranelift_frontend::FunctionBuilder;
use wasmtime_environ::{TagIndex, WasmResult};

/// ```text
///   find the prompt, or trap
///   call start if the target is fresh
///   make what runs a suspended continuation: the target's last argument
///   consume the reference, link the target's chain to the prompt, make it current
///   target's outermost.parent_control = outermost.parent_control: the prompt's
///   handed = stack_switch(current.control, target.control, target)
///   raise if handed is 0
///   load the values received
/// ```
pub(super) fn switch(
    env: &mut dyn FuncEnv,
    builder: &mut FunctionBuilder<'_>,
    tag: TagIndex,
    target: Target,
) -> WasmResult<Vec<Value>> {
    let Target { cont: target, last_arg, received, .. } = target;
    let address = env.tag_address(&mut builder.cursor(), tag);
    let (current, _) = own_stack(env, builder);
    let Found { last, frame, .. } = search(env, builder, ClauseKind::Switch, current, address);
    let limit = ensure_started(env, builder, target)?;

    let slots = slots(env, builder, received.len());
    let prompt = last.parent(env, builder);
    let place = slots.unwrap_or_else(|| current.args(builder));
    let place = (!received.is_empty()).then_some(place);
    current.set_waiting(env, builder, last, Waits { place, capacity: received.len() });
    let revision = current.revision(env, builder);
    let obj = ContObj::new(&mut builder.cursor(), current, revision);
    last_arg.store(env, builder, &[obj.0]);

    target.consume(env, builder);
    let target_last = make_current(env, builder, target, limit);
    target_last.set_parent(env, builder, prompt, frame);
    prompt.set_child(env, builder, target_last);
    let prompts = last.parent_control(builder);
    let place = target_last.parent_control(builder);
    prompts.copy(env, builder, place);
    let own = current.control(builder);
    let theirs = target.contref.control(builder);
    let handed = native(env).stack_switch(builder, own.0, theirs.0, target.contref.0);
    let current = after_resumption(env, builder, handed)?;
    let place = slots.unwrap_or_else(|| current.args(builder));
    Ok(place.load(env, builder, &received))
}
