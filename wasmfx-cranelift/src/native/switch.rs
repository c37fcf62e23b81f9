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

/// Captures the stacks from the current one, `current`, to `outermost`, the one that the prompt runs, and runs `target` in their
/// place. The prompt is the innermost `resume` with a clause `(on $tag switch)`.
///
/// ```text
///   store the arguments in target, except the last
///   find the prompt, or trap
///   give the target a stack if it has none
///   current.last_ancestor = outermost, current.values = room for what is received, none bound
///   the target's last argument = a reference to current
///   consume the reference to the target: target.revision += 1
///   the store's current continuation = target, its stack limit = target.stack_limit
///   target's outermost.parent = the prompt's stack, target's outermost.resume = the prompt's frame
///   the prompt's stack.child = target's outermost
///   target's outermost.parent_control = outermost.parent_control: where the prompt goes on
///   switched = stack_switch(current.control, target.control, target)
///   raise the pending exception if switched is RAISE
///   load the values received
/// ```
///
/// # The switch
///
/// | operand | value |
/// | --- | --- |
/// | store | `current.control`: the switch stores this stack's `sp`, `fp` and the `pc` behind the switch there (N1) |
/// | load | `target.control`: the registers with which `target` left its stack, those of its detour (W1), or those with which its entry code begins |
/// | payload | `target`: the values that it waits for are at `target.values.data`, with the reference to `current` as the last |
///
/// The prompt's stack does not run in between, and nothing is stored in its frame. It goes on once a clause of its `resume` takes
/// a `suspend`, or once the continuation that it runs then ends.
///
/// The result comes from the `resume` or `switch` that makes this stack run again:
///
/// | result | meaning |
/// | --- | --- |
/// | `current` | the values received are in `current.args`, or in slots of this function if they are more than `INLINE_ARGS` |
/// | `RAISE` (null) | this `switch` raises the store's pending exception |
///
/// # The stacks
///
/// h switches to t, which was captured together with u. `<--` is `parent`:
///
/// ```text
///   before: h runs, t and u are captured            t.last_ancestor = u
///     stack of p          stack of g: outermost    stack of h: current
///     | Wasm: p     |     | Wasm: g     |          | Wasm: h     |
///     | resume g    |<----| resume h    |<---------| switch t    |
///     | (on $t      |     +-------------+          +-------------+
///     |    switch)  |       g.parent_control: behind the switch of the prompt, which is p's resume
///     +-------------+
///                         stack of u               stack of t: target
///                         | Wasm: u     |          | Wasm: t     |
///                         | resume t    |<---------| suspend $s  |
///                         +-------------+          +-------------+
///                                                    t.control: behind the switch of this suspend
///
///   after: t runs, g and h are captured             h.last_ancestor = g, t.last_ancestor = null
///     | Wasm: p     |     | Wasm: g     |          | Wasm: h     |
///     | resume g    |     | resume h    |<---------| switch t    |
///     | (on $t      |     +-------------+          +-------------+
///     |    switch)  |                                h.control: behind the switch of this instruction
///     +-------------+
///            ^            | Wasm: u     |          | Wasm: t     |
///            +------------| resume t    |<---------| ...         |
///                         +-------------+          +-------------+
///                           u.parent_control: the copy of g.parent_control
/// ```
pub(super) fn switch(
    env: &mut dyn FuncEnv,
    builder: &mut FunctionBuilder<'_>,
    tag: TagIndex,
    target: Target<'_>,
) -> WasmResult<Vec<Value>> {
    let last_arg = target.store_args(env, builder);
    let Target { cont: target, received, .. } = target;
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
    let switched = native(env).stack_switch(builder, own.0, theirs.0, target.contref.0);
    let current = after_resumption(env, builder, switched)?;
    let place = slots.unwrap_or_else(|| current.args(builder));
    Ok(place.load(env, builder, received))
}
