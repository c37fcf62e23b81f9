//! Entry code: what a fresh continuation runs first.

use super::current::NO_RETURN;
use crate::env::Memory;
use crate::view::{ContRef, Context, StackHeader};
use cranelift_codegen::ir::{InstBuilder, Signature, Type, Value, condcodes::IntCC};
use cranelift_frontend::FunctionBuilder;
use wasmfx_runtime::abi::{INLINE_ARGS, KEPT, RETURNED};

/// Up to this many parameters and results together, entry code does not compare the stack limit: its frame takes at most 48 bytes
/// for each of them, which is a small part of the smallest stack.
const MAX_UNCHECKED: usize = 64;

/// A type of function, as entry code calls it.
#[derive(Debug)]
pub struct Entry {
    /// The function's parameters, without the two contexts.
    pub params: Vec<Type>,
    /// The signature for calls from Wasm: the callee's context, the caller's, then the parameters.
    pub signature: Signature,
    /// Whether the engine's runtime has to be called at the end of every continuation.
    pub notify_runtime: bool,
}

/// The environment of entry code.
pub trait EntryEnv: Memory {
    /// Loads the code for calls from Wasm and the callee's context from a `VMFuncRef`.
    fn load_callee(&mut self, builder: &mut FunctionBuilder<'_>, func_ref: Value) -> (Value, Value);

    /// The address of the `VMContinuationContext` of the store of an instance.
    fn continuation_context(&mut self, builder: &mut FunctionBuilder<'_>, vmctx: Value) -> Value;

    /// Traps, for an instance: the stack is exhausted. This ends the block.
    fn exhausted(&mut self, builder: &mut FunctionBuilder<'_>, vmctx: Value);
}

/// Fills the current block of `builder` with the entry code for a type of function.
///
/// `contref` is the payload of the `stack_switch` that enters this code. That switch passes its payload in the register of the first
/// argument of the system's calling convention. The code leaves its stack for good when the function has returned.
///
/// ```text
///   return address of this frame = header.bottom      only where calls link in a register
///   trap if the stack pointer is below the limit      only if the values are many
///   results = call func(vmctx, caller_vmctx, args...)
///   store the results at contref.resume.values
///   brif context.room, free, keep                     keep always, if the runtime has something to do at this end
/// free:
///   put this stack and contref on the lists
///   stack_switch(contref.control, contref.parent_control, contref | RETURNED)
/// keep:
///   stack_switch(contref.control, contref.parent_control, contref | KEPT)
/// ```
///
/// # The switch in
///
/// A `resume` or a `switch` has loaded `contref.control`:
///
/// | register | value |
/// | --- | --- |
/// | `sp` | the stack's [`VMStackHeader`](wasmfx_runtime::abi::VMStackHeader), or the word below: a return address to which nothing returns; stored with the stack |
/// | `fp` | the address of `contref.parent_control.fp`: the frames go on in the parent (N2); stored with the stack |
/// | `pc` | this code; stored by `cont.new` |
/// | payload | `contref`, never `RAISE`: an exception for a fresh continuation is raised where it is resumed |
///
/// # The switch out
///
/// | operand | value |
/// | --- | --- |
/// | store | `contref.control`: the switch stores registers that no code loads |
/// | load | `contref.parent_control`: the registers of the `resume` that runs this stack, with the `pc` behind its switch |
/// | payload | `contref` with the outcome `RETURNED` or `KEPT` in its low bits |
/// | result | none: no switch comes back |
///
/// The `resume` sets the store's current continuation and stack limit.
///
/// # The stacks
///
/// g returns to f, which has resumed g. `<--` is `parent`:
///
/// ```text
///   before: g runs                                after: f runs
///     stack of f          stack of g
///     | Wasm: f     |     | VMStackHeader |         | Wasm: f     |     | VMStackHeader |
///     | resume g    |<----| entry code    |         | resume g:   |     +---------------+
///     +-------------+     +---------------+         |  load the   |       RETURNED: on the list of idle stacks
///       g.parent_control: behind the switch         |  results    |       KEPT: g's, until `finish` ends g
///         of this resume                            +-------------+
/// ```
///
/// On the way through `free`, the lists hold this stack and `contref` before the switch has left them. The code uses both up to
/// and including the switch. No other code of the store runs before the switch ends, so that nothing pops them from the lists
/// earlier.
pub fn native_entry(env: &mut dyn EntryEnv, builder: &mut FunctionBuilder<'_>, contref: Value, entry: Entry) {
    let contref = ContRef(contref);
    if env.native_isa().links_in_register() {
        StackHeader::of_entry(env, builder).set_return_address(env, builder);
    }
    let (func, caller_vmctx) = contref.to_run(env, builder);
    if entry.params.len() + entry.signature.returns.len() > MAX_UNCHECKED {
        check_limit(env, builder, contref, caller_vmctx);
    }
    let inline = entry.params.len() <= INLINE_ARGS;
    let args = if inline { contref.args(builder) } else { contref.values(env, builder) };
    let (wasm_call, vmctx) = env.load_callee(builder, func);
    let mut values = vec![vmctx, caller_vmctx];
    // The loads are untracked for garbage-collected references, too: no collection can happen before the call, and nothing here
    // uses the references after the call.
    values.extend(args.load_untracked(env, builder, &entry.params));
    contref.clear_func(env, builder);
    let signature = builder.import_signature(entry.signature);
    let call = builder.ins().call_indirect(signature, wasm_call, &values);
    let results = builder.inst_results(call).to_vec();

    if !results.is_empty() {
        let frame = contref.resume(env, builder);
        frame.results(env, builder).store(env, builder, &results);
    }
    // If the arguments did not fit into `args`, they have a buffer of their own, which only the runtime can free.
    if !entry.notify_runtime && inline {
        let free = builder.create_block();
        let keep = builder.create_block();
        builder.set_cold_block(keep);
        let context = Context(env.continuation_context(builder, caller_vmctx));
        let room = context.room(env, builder);
        builder.ins().brif(room, free, &[], keep, &[]);
        builder.seal_block(free);
        builder.seal_block(keep);
        builder.switch_to_block(free);
        context.put(env, builder, contref);
        leave(builder, contref, RETURNED);
        builder.switch_to_block(keep);
    }
    leave(builder, contref, KEPT);
}

/// Traps if the frame of the entry code, which is on the stack already, leaves nothing of Wasm's part.
/// The called function may be a trampoline to the host, which does not compare the limit itself.
///
/// ```text
///   | VMStackHeader              |
///   | frame of entry code  |  a thousand v128 each way: 48 KiB, more than the smallest stack has for Wasm
///   | trampoline to host   |  32 KiB: below the limit, this has room; it does not check
/// ```
fn check_limit(env: &mut dyn EntryEnv, builder: &mut FunctionBuilder<'_>, contref: ContRef, vmctx: Value) {
    let [exhausted, enough] = std::array::from_fn(|_| builder.create_block());
    builder.set_cold_block(exhausted);
    let sp = builder.ins().get_stack_pointer(env.pointer_type());
    let limit = contref.stack_limit(env, builder);
    let passed = builder.ins().icmp(IntCC::UnsignedLessThan, sp, limit);
    builder.ins().brif(passed, exhausted, &[], enough, &[]);
    builder.seal_block(exhausted);
    builder.seal_block(enough);
    builder.switch_to_block(exhausted);
    env.exhausted(builder, vmctx);
    builder.switch_to_block(enough);
}

/// Switches to the parent for good, with this outcome. [`native_entry`] explains the operands of the switch.
fn leave(builder: &mut FunctionBuilder<'_>, contref: ContRef, outcome: u64) {
    let own = contref.control(builder);
    let parents = contref.parent_control(builder);
    let payload = builder.ins().bor_imm_s(contref.0, outcome.cast_signed());
    builder.ins().stack_switch(own.0, parents.0, payload);
    builder.ins().trap(NO_RETURN);
}
