//! Reads and writes of references in objects of the garbage collector.

use super::*;

/// A function that reads or writes the field at the address of the store context.
fn translate_field(
    engine: &mut Engine,
    emit: impl FnOnce(&mut Engine, &mut FunctionBuilder<'_>, ir::Value, ir::Value) -> WasmResult<()>,
) -> Function {
    let func = translate(engine, |env, builder, cont, _| {
        let address = env.store(&mut builder.cursor());
        emit(env, builder, address, cont)
    });
    func.unwrap()
}

/// A type without subtypes, one that may have some, any type, and none.
fn types() -> [FieldType; 4] {
    let of = |ty| FieldType::Of(ModuleInternedTypeIndex::new(ty));
    [of(0), of(1), FieldType::Any, FieldType::None]
}

#[test]
fn a_read_checks_what_it_finds() {
    for &backend in BACKENDS {
        for (ty, calls, traps) in
            types().into_iter().zip([0, 1, 0, 0]).zip([3, 3, 2, 1]).map(|((a, b), c)| (a, b, c))
        {
            let mut engine = Engine::new(backend, &[]);
            let func = translate_field(&mut engine, |env, builder, address, _| {
                let cont = read_heap(env, builder, ty, address, MemFlagsData::new())?;
                assert_eq!(builder.func.dfg.value_type(cont), types::I128);
                Ok(())
            });
            // A number that is no continuation's, a revision that nobody wrote, and another type; or a number at all.
            assert_eq!(engine.traps, vec![Trap::CorruptHeap; traps], "{func}");
            assert_eq!(engine.calls, vec!["is subtype"; calls], "{func}");
            assert_eq!(count(&func, Opcode::Store), 0, "{func}");
        }
    }
}

#[test]
fn a_write_notes_the_type_before_the_field_is_written() {
    for &backend in BACKENDS {
        for (ty, calls, stores) in
            types().into_iter().zip([0, 1, 0, 0]).zip([5, 5, 4, 4]).map(|((a, b), c)| (a, b, c))
        {
            let mut engine = Engine::new(backend, &[]);
            let func = translate_field(&mut engine, |env, builder, address, cont| {
                write_heap(env, builder, ty, address, MemFlagsData::new(), cont)
            });
            assert!(engine.traps.is_empty());
            assert_eq!(engine.calls, vec!["is subtype"; calls], "{func}");
            // The revision and the type, the type alone, the number and the revision in the field.
            assert_eq!(count(&func, Opcode::Store), stores, "{func}");
        }
    }
}

#[test]
fn targets_that_are_not_64_bit_are_refused() {
    let mut engine = Engine::new(Backend::Libcall, &[]);
    engine.pointer = types::I32;
    translate_field(&mut engine, |env, builder, address, cont| {
        read_heap(env, builder, FieldType::Any, address, MemFlagsData::new()).unwrap_err();
        write_heap(env, builder, FieldType::Any, address, MemFlagsData::new(), cont).unwrap_err();
        Ok(())
    });
}
