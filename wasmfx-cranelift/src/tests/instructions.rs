//! Each instruction on each backend has the switches, calls and traps that it should have.

use super::*;

#[test]
fn cont_new_asks_where_no_continuation_is_free() {
    each(|engine| {
        let func = translate(engine, |env, builder, _, _| {
            let func = builder.ins().iconst(types::I64, 0x2000);
            let cont = cont_new(env, builder, ty(), func)?;
            assert_eq!(builder.func.dfg.value_type(cont), types::I128);
            Ok(())
        });
        let func = func.unwrap();
        assert_eq!(engine.calls, ["ContNew"]);
        assert_eq!(engine.traps, [Trap::NullReference]);
        // With few values the native backend looks at the store's list first.
        let takes = engine.backend == Backend::Native && engine.values.len() <= 3;
        assert_eq!(count(&func, Opcode::Brif), usize::from(takes), "{func}");
        assert_eq!(count(&func, Opcode::StackSwitch), 0);
    });
}

#[test]
fn cont_bind_calls_nobody() {
    each(|engine| {
        let func = translate(engine, |env, builder, cont, values| {
            cont_bind(env, builder, ty(), cont, values).map(drop)
        });
        let func = func.unwrap();
        assert!(engine.calls.is_empty());
        assert_eq!(engine.traps, [Trap::NullReference, Trap::ContinuationAlreadyConsumed]);
        assert_eq!(count(&func, Opcode::Brif) + count(&func, Opcode::StackSwitch), 0);
        // Each value, and the new revision; if there are values, their number and their types.
        let bookkeeping = if engine.values.is_empty() { 1 } else { 3 };
        assert_eq!(count(&func, Opcode::Store), engine.values.len() + bookkeeping, "{func}");
    });
}

#[test]
fn suspend_switches_once() {
    each(|engine| {
        let func = translate(engine, |env, builder, _, values| {
            let results = suspend(env, builder, tag(), values)?;
            assert_eq!(results.len(), values.len());
            Ok(())
        });
        let func = func.unwrap();
        match engine.backend {
            Backend::Libcall => assert_eq!(engine.calls, ["Suspend"]),
            // In the order of translation: a trap without a handler, and an exception after the resumption.
            Backend::Native => assert_eq!(engine.calls, ["write back", "Raise"]),
        }
        let native = usize::from(engine.backend == Backend::Native);
        assert_eq!(count(&func, Opcode::StackSwitch), native);
        assert_eq!(engine.traps, vec![Trap::UnhandledTag; native]);
        if native == 1 {
            // The first clause, the clauses of a stack in a loop, the barrier, whether the handler is near, and whether an exception is
            // raised.
            assert_eq!(count(&func, Opcode::Brif), 7, "{func}");
        }
    });
}

#[test]
fn resume_goes_to_each_clause() {
    each(|engine| {
        for labels in [0, 1, 3] {
            engine.next_function();
            let types: Vec<_> = engine.values.iter().map(|ty| engine.value_type(*ty)).collect();
            let func = translate(engine, |env, builder, cont, values| {
                let mut clauses = vec![Clause { tag: tag(), label: None }];
                for _ in 0..labels {
                    clauses.push(Clause { tag: tag(), label: Some(label(builder, &types)) });
                }
                let results = resume(env, builder, ty(), cont, values, &clauses)?;
                assert_eq!(results.len(), values.len());
                for clause in &clauses {
                    if let Some(label) = clause.label {
                        builder.ins().return_(&[]);
                        builder.switch_to_block(label);
                    }
                }
                Ok(())
            });
            let func = func.unwrap();
            match engine.backend {
                Backend::Libcall => assert_eq!(engine.calls, ["Resume"]),
                Backend::Native => assert_eq!(engine.calls, ["Start", "Unwind", "Finish"]),
            }
            assert_eq!(engine.traps, [Trap::NullReference, Trap::ContinuationAlreadyConsumed]);
            assert_eq!(count(&func, Opcode::StackSwitch), usize::from(engine.backend == Backend::Native));
            assert_eq!(count(&func, Opcode::BrTable), usize::from(labels > 1));
        }
    });
}

#[test]
fn resume_throw_hands_the_exception_over() {
    each(|engine| {
        let func = translate(engine, |env, builder, cont, _| {
            let exception = builder.ins().iconst(types::I32, 3);
            resume_throw(env, builder, ty(), cont, exception, &[]).map(drop)
        });
        let func = func.unwrap();
        assert_eq!(engine.calls[0], "Throw");
        // It has been started, or never will be.
        assert!(!engine.calls.iter().any(|call| call == "Start"));
        assert_eq!(count(&func, Opcode::StackSwitch), usize::from(engine.backend == Backend::Native));
    });
}

#[test]
fn switch_searches_for_a_prompt() {
    for &backend in BACKENDS {
        for values in values() {
            // The last parameter is the continuation that is captured.
            let captured = WasmValType::Ref(WasmRefType { nullable: true, heap_type: WasmHeapType::Cont });
            let params = [&values[..], &[captured]].concat();
            let engine = &mut Engine::new(backend, &params);
            let func = translate(engine, |env, builder, cont, args| {
                let received = switch(env, builder, ty(), tag(), cont, &args[..args.len() - 1])?;
                assert_eq!(received.len(), args.len());
                Ok(())
            });
            let func = func.unwrap();
            match backend {
                Backend::Libcall => assert_eq!(engine.calls, ["Switch"]),
                Backend::Native => assert_eq!(engine.calls, ["write back", "Start", "Raise"]),
            }
            assert_eq!(count(&func, Opcode::StackSwitch), usize::from(backend == Backend::Native));
        }
    }
}

#[test]
fn a_barrier_is_put_and_removed() {
    let engine = &mut Engine::new(Backend::Libcall, &[]);
    let func = translate(engine, |env, builder, _, _| {
        let current = NativeEnv::current(env, &mut builder.cursor());
        let context = env.continuation_context(builder);
        let barrier = Barrier::put(env, builder, current, context);
        barrier.remove(env, builder);
        Ok(())
    });
    // The barrier and the cleared handler cache, and then the frame that was there before.
    assert_eq!(count(&func.unwrap(), Opcode::Store), 3);
}

#[test]
fn what_is_not_supported_is_an_error() {
    for &backend in BACKENDS {
        let mut engine = Engine::new(backend, &[]);
        engine.pointer = types::I32;
        let suspended =
            translate(&mut engine, |env, builder, _, _| suspend(env, builder, tag(), &[]).map(drop));
        assert!(suspended.is_err());
    }
}

#[cfg(not(feature = "native"))]
#[test]
fn there_is_no_native_backend_in_this_build() {
    let engine = &mut Engine::new(Backend::Native, &[]);
    assert!(translate(engine, |env, builder, _, _| suspend(env, builder, tag(), &[]).map(drop)).is_err());
}

#[test]
#[should_panic = "each function has a state of its own"]
fn a_state_serves_one_function() {
    let engine = &mut Engine::new(Backend::Libcall, &[]);
    for _ in 0..2 {
        translate(engine, |_, _, _, _| Ok(())).unwrap();
    }
}
