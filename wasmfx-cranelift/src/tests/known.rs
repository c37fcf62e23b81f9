//! What the code of a function leaves out for the continuations that the function has made.

use super::*;
use cranelift_codegen::Context;
use cranelift_codegen::control::ControlPlane;
use wasmfx_runtime::abi::{INLINE_ARGS, offsets};

/// Two functions: the first resumes a continuation that it has made, the second one that it was given.
fn both(engine: &mut Engine) -> [Function; 2] {
    [true, false].map(|own| {
        engine.next_function();
        let func = translate(engine, |env, builder, given, values| {
            let cont = if own {
                let func = builder.ins().iconst(types::I64, 0x2000);
                cont_new(env, builder, ty(), func)?
            } else {
                given
            };
            resume(env, builder, ty(), cont, values, &[]).map(drop)
        });
        func.unwrap()
    })
}

/// The values that are loaded from this offset of a `VMContRef`.
fn loads(func: &Function, offset: i32) -> Vec<ir::Value> {
    let is_load = |inst: &Inst| {
        let data = &func.dfg.insts[*inst];
        let region = data.alias_region(&func.dfg).map(|region| &func.dfg.alias_regions[region]);
        data.opcode() == Opcode::Load
            && data.load_store_offset() == Some(offset)
            && region.is_some_and(|region| region.description == "contref")
    };
    instructions(func).filter(is_load).map(|inst| func.dfg.first_result(inst)).collect()
}

#[test]
fn the_revision_of_an_own_continuation_is_not_compared() {
    each(|engine| {
        let [own, given] = both(engine).map(|func| {
            let mut context = Context::for_function(func);
            context.optimize(&*isa(), &mut ControlPlane::default()).unwrap();
            let func = context.func;
            let revisions = loads(&func, offsets::VMCONTREF_REVISION);
            assert_eq!(revisions.len(), 1, "{func}");
            let comparisons = instructions(&func).filter(|inst| {
                let args = func.dfg.inst_args(*inst);
                func.dfg.insts[*inst].opcode() == Opcode::Icmp && args.contains(&revisions[0])
            });
            comparisons.count()
        });
        assert_eq!((own, given), (0, 1));
    });
}

#[test]
fn the_fields_of_an_own_continuation_are_not_loaded() {
    each(|engine| {
        let [own, given] = both(engine);
        let counts = |offset| [&own, &given].map(|func| loads(func, offset).len());
        let native = engine.backend == Backend::Native;
        let values = engine.values.len();
        // Arguments in a buffer of their own are where the field says, in both functions. With the libcall backend, a function
        // notes none of its continuations.
        let known = native && values <= INLINE_ARGS;
        let place = usize::from(values > 0);
        assert_eq!(counts(offsets::VMCONTREF_VALUES_DATA), [if known { 0 } else { place }, place]);
        assert_eq!(counts(offsets::VMCONTREF_VALUES_LENGTH), [if known { 0 } else { place }, place]);
        // The stack limit says whether the continuation has a stack. It is loaded again once the runtime has given it one.
        if native {
            assert_eq!(counts(offsets::VMCONTREF_STACK_LIMIT), [if known { 1 } else { 2 }, 2]);
        }
    });
}
