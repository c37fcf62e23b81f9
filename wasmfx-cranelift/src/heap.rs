//! References to continuations in the objects of a garbage collector: `wasmfx_runtime::abi` has their format, and C6, which says
//! what is checked. A read or a write calls the runtime only if the field's type may have subtypes (it is not final), and the
//! continuation is known to have another type.
//!
//! ```text
//!   reference: contref, revision   --write-->   field: number, revision   --read-->   reference
//! ```

use crate::env::{FuncEnv, Trap};
use crate::view::{ContObj, ContRef, Context};
use cranelift_codegen::ir::{
    BlockArg, Endianness, InstBuilder, MemFlagsData, Value,
    condcodes::IntCC,
    types::{I32, I64},
};
use cranelift_frontend::FunctionBuilder;
use wasmfx_runtime::abi::{ANY_CONTINUATION, HEAP_REFERENCE_REVISION};
use wasmtime_environ::ModuleInternedTypeIndex;

/// The type of a field that refers to continuations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FieldType {
    /// Continuations of any type (`cont`).
    Any,
    /// Continuations of this type.
    Of(ModuleInternedTypeIndex),
    /// No continuation: the field is null (`nocont`).
    None,
}

/// Reads the reference at `address`, in a field of the type `ty`. `flags` are those of accesses to the heap. The code traps if
/// nobody can have written what it finds.
///
/// ```text
///   if the type is `nocont`: trap unless the field's number is 0, and return null
///   number, revision = the field
///   brif number - 1 < context.known_count, some, none
/// some:
///   contref = context.known[number - 1]
///   brif revision == contref.heap_revision, latest, earlier
/// latest:
///   trap unless contref.heap_type is ty or a subtype
///   jump done(contref, revision)
/// none:                                            cold
///   trap if number != 0
///   jump done(null, 0)
/// earlier:                                         cold
///   trap if revision > contref.heap_revision
///   jump done(contref, revision)
/// ```
pub(crate) fn read(
    env: &mut dyn FuncEnv,
    builder: &mut FunctionBuilder<'_>,
    ty: FieldType,
    address: Value,
    flags: MemFlagsData,
) -> Value {
    let flags = flags.with_endianness(Endianness::Little);
    if let FieldType::None = ty {
        let number = builder.ins().load(I32, flags, address, 0);
        let null = builder.ins().icmp_imm_u(IntCC::Equal, number, 0);
        env.trap_if_zero(builder, null, Trap::CorruptHeap);
        return ContObj::null(env.pointer_type(), &mut builder.cursor()).0;
    }
    let [some, latest, none, earlier, done] = [(); 5].map(|()| builder.create_block());
    for cold in [none, earlier] {
        builder.set_cold_block(cold);
    }
    for _ in 0..2 {
        builder.append_block_param(done, I64);
    }
    let number = builder.ins().uload32(flags, address, 0);
    let revision = builder.ins().load(I64, flags, address, HEAP_REFERENCE_REVISION);
    let context = Context(env.continuation_context(builder));
    let index = builder.ins().iadd_imm_s(number, -1);
    let count = context.known_count(env, builder);
    let known = builder.ins().icmp(IntCC::UnsignedLessThan, index, count);
    builder.ins().brif(known, some, &[], none, &[]);

    begin(builder, some);
    let contref = context.known(env, builder, number);
    let last = contref.heap_revision(env, builder);
    let is_last = builder.ins().icmp(IntCC::Equal, revision, last);
    builder.ins().brif(is_last, latest, &[], earlier, &[]);

    begin(builder, latest);
    if let FieldType::Of(ty) = ty {
        let actual = contref.heap_type(env, builder);
        let has_type = is_known_subtype(env, builder, actual, ty);
        env.trap_if_zero(builder, has_type, Trap::CorruptHeap);
    }
    builder.ins().jump(done, &[contref.0, revision].map(BlockArg::Value));

    begin(builder, none);
    let null = builder.ins().icmp_imm_u(IntCC::Equal, number, 0);
    env.trap_if_zero(builder, null, Trap::CorruptHeap);
    builder.ins().jump(done, &[number, number].map(BlockArg::Value));

    begin(builder, earlier);
    let is_earlier = builder.ins().icmp(IntCC::UnsignedLessThan, revision, last);
    env.trap_if_zero(builder, is_earlier, Trap::CorruptHeap);
    builder.ins().jump(done, &[contref.0, revision].map(BlockArg::Value));

    begin(builder, done);
    let [contref, revision] = [0, 1].map(|i| builder.block_params(done)[i]);
    ContObj::new(&mut builder.cursor(), ContRef(contref), revision).0
}

/// Writes the reference `cont` at `address`, in a field of the type `ty`. `flags` are those of accesses to the heap.
///
/// ```text
///   brif contref, some, null
/// some:
///   brif revision > contref.heap_revision, later, known
/// later:
///   contref.heap_revision = revision, contref.heap_type = ty
///   jump write(contref.heap_number, revision)
/// known:                                           cold
///   brif revision == contref.heap_revision and contref.heap_type is not ty or a subtype, special, write(...)
/// special:                                         cold
///   contref.heap_type = ty
///   jump write(contref.heap_number, revision)
/// null:
///   jump write(0, 0)
/// write(number, revision):
///   the field = number, revision
/// ```
pub(crate) fn write(
    env: &mut dyn FuncEnv,
    builder: &mut FunctionBuilder<'_>,
    ty: FieldType,
    address: Value,
    flags: MemFlagsData,
    cont: Value,
) {
    let flags = flags.with_endianness(Endianness::Little);
    let [some, null, later, known, write] = [(); 5].map(|()| builder.create_block());
    builder.set_cold_block(known);
    for ty in [I32, I64] {
        builder.append_block_param(write, ty);
    }
    let (contref, revision) = ContObj(cont).split(&mut builder.cursor());
    builder.ins().brif(contref.0, some, &[], null, &[]);

    begin(builder, some);
    let number = contref.heap_number(env, builder);
    let reference = [number, revision].map(BlockArg::Value);
    let last = contref.heap_revision(env, builder);
    let is_later = builder.ins().icmp(IntCC::UnsignedGreaterThan, revision, last);
    builder.ins().brif(is_later, later, &[], known, &[]);

    begin(builder, later);
    contref.set_heap_revision(env, builder, revision);
    let id = match ty {
        FieldType::Of(ty) => env.type_id(builder, ty),
        // Nothing but null is written to a field for no continuation.
        FieldType::Any | FieldType::None => builder.ins().iconst(I32, i64::from(ANY_CONTINUATION)),
    };
    contref.set_heap_type(env, builder, id);
    builder.ins().jump(write, &reference);

    begin(builder, known);
    if let FieldType::Of(ty) = ty {
        let [same, special] = [(); 2].map(|()| builder.create_block());
        builder.set_cold_block(same);
        builder.set_cold_block(special);
        let is_last = builder.ins().icmp(IntCC::Equal, revision, last);
        builder.ins().brif(is_last, same, &[], write, &reference);
        begin(builder, same);
        let actual = contref.heap_type(env, builder);
        let has_type = is_known_subtype(env, builder, actual, ty);
        builder.ins().brif(has_type, write, &reference, special, &[]);
        // Both types are supertypes of the reference's own, and a type has one direct supertype at most. So `ty` is a subtype of
        // the type that was known.
        begin(builder, special);
        let id = env.type_id(builder, ty);
        contref.set_heap_type(env, builder, id);
    }
    builder.ins().jump(write, &reference);

    begin(builder, null);
    let nothing = [I32, I64].map(|ty| BlockArg::Value(builder.ins().iconst(ty, 0)));
    builder.ins().jump(write, &nothing);

    begin(builder, write);
    let [number, revision] = [0, 1].map(|i| builder.block_params(write)[i]);
    builder.ins().store(flags, number, address, 0);
    builder.ins().store(flags, revision, address, HEAP_REFERENCE_REVISION);
}

/// Whether the type with the number `actual`, which may be [`ANY_CONTINUATION`], is `ty` or a subtype, as an integer. This is one
/// comparison if `ty` has no subtypes.
fn is_known_subtype(
    env: &mut dyn FuncEnv,
    builder: &mut FunctionBuilder<'_>,
    actual: Value,
    ty: ModuleInternedTypeIndex,
) -> Value {
    let id = env.type_id(builder, ty);
    let same = builder.ins().icmp(IntCC::Equal, actual, id);
    if env.is_final(ty) {
        return same;
    }
    let [other, look_up, done] = [(); 3].map(|()| builder.create_block());
    for cold in [other, look_up] {
        builder.set_cold_block(cold);
    }
    builder.append_block_param(done, I32);
    let yes = builder.ins().iconst(I32, 1);
    builder.ins().brif(same, done, &[BlockArg::Value(yes)], other, &[]);
    // The engine knows no type of this number.
    begin(builder, other);
    let any = builder.ins().icmp_imm_s(IntCC::Equal, actual, i64::from(ANY_CONTINUATION as i32));
    let no = builder.ins().iconst(I32, 0);
    builder.ins().brif(any, done, &[BlockArg::Value(no)], look_up, &[]);
    begin(builder, look_up);
    let is_subtype = env.is_subtype(builder, actual, ty);
    builder.ins().jump(done, &[BlockArg::Value(is_subtype)]);
    begin(builder, done);
    builder.block_params(done)[0]
}

/// Goes on in `block`, all predecessors of which are known.
fn begin(builder: &mut FunctionBuilder<'_>, block: cranelift_codegen::ir::Block) {
    builder.seal_block(block);
    builder.switch_to_block(block);
}
