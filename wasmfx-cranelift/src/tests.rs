//! Each instruction on each backend, translated in a hand-made function environment: what is emitted passes Cranelift's verifier,
//! and has the switches, calls and traps that it should have.

use crate::*;
use cranelift_codegen::cursor::FuncCursor;
use cranelift_codegen::ir::{
    self, AbiParam, ExtFuncData, ExternalName, Function, InstBuilder, MemFlagsData, Signature, Type,
    UserExternalName, UserFuncName, types,
};
use cranelift_codegen::isa::{self, CallConv};
use cranelift_codegen::{settings, verify_function};
use cranelift_frontend::{FunctionBuilder, FunctionBuilderContext};
use std::collections::BTreeMap;
use wasmtime_environ::{
    EntityRef, ModuleInternedTypeIndex, TagIndex, TypeIndex, WasmHeapType, WasmRefType, WasmResult,
    WasmValType,
};

fn tag() -> TagIndex {
    TagIndex::from_u32(0)
}

fn ty() -> TypeIndex {
    TypeIndex::from_u32(0)
}

/// An engine whose store context is the function's first parameter: the current stack is at offset 0, the stack limit at 8, the
/// continuation context at 16.
struct Engine {
    backend: Backend,
    pointer: Type,
    big_endian: bool,
    state: FunctionState,
    /// The parameters of the one continuation type, and the payload of the one tag, both ways.
    values: Vec<WasmValType>,
    regions: BTreeMap<&'static str, ir::AliasRegion>,
    /// What was called, in order.
    calls: Vec<String>,
    traps: Vec<Trap>,
}

impl Engine {
    fn new(backend: Backend, values: &[WasmValType]) -> Engine {
        Engine {
            backend,
            pointer: types::I64,
            big_endian: false,
            state: FunctionState::default(),
            values: values.to_vec(),
            regions: BTreeMap::new(),
            calls: Vec::new(),
            traps: Vec::new(),
        }
    }

    fn store(&self, pos: &mut FuncCursor<'_>) -> ir::Value {
        let entry = pos.func.layout.entry_block().unwrap();
        pos.func.dfg.block_params(entry)[0]
    }

    fn call_any(
        &mut self,
        builder: &mut FunctionBuilder<'_>,
        name: String,
        args: &[ir::Value],
        returns: &[Type],
    ) -> Option<ir::Value> {
        let mut signature = Signature::new(CallConv::SystemV);
        signature.params = args.iter().map(|arg| AbiParam::new(builder.func.dfg.value_type(*arg))).collect();
        signature.returns = returns.iter().copied().map(AbiParam::new).collect();
        let signature = builder.import_signature(signature);
        let index = self.calls.len() as u32;
        let name_ref = builder.func.declare_imported_user_function(UserExternalName { namespace: 1, index });
        let callee = builder.import_function(ExtFuncData {
            name: ExternalName::user(name_ref),
            signature,
            colocated: false,
            patchable: false,
        });
        let call = builder.ins().call(callee, args);
        self.calls.push(name);
        builder.inst_results(call).first().copied()
    }

    fn trap_code() -> ir::TrapCode {
        ir::TrapCode::unwrap_user(7)
    }
}

impl Memory for Engine {
    fn pointer_type(&self) -> Type {
        self.pointer
    }

    fn is_big_endian(&self) -> bool {
        self.big_endian
    }

    fn region(&mut self, func: &mut Function, region: MemoryRegion) -> ir::AliasRegion {
        let name = match region {
            MemoryRegion::ContRef => "contref",
            MemoryRegion::Payload => "payload",
        };
        let number = self.regions.len() as u32;
        *self.regions.entry(name).or_insert_with(|| {
            func.dfg.alias_regions.insert(ir::AliasRegionData { user_id: number, description: name.into() })
        })
    }
}

impl FuncEnv for Engine {
    fn backend(&self) -> Backend {
        self.backend
    }

    fn native(&mut self) -> Option<&mut dyn NativeEnv> {
        (self.backend == Backend::Native).then_some(self)
    }

    fn function_state(&mut self) -> &mut FunctionState {
        &mut self.state
    }

    fn vmctx(&mut self, builder: &mut FunctionBuilder<'_>) -> ir::Value {
        self.store(&mut builder.cursor())
    }

    fn tag_address(&mut self, pos: &mut FuncCursor<'_>, _tag: TagIndex) -> ir::Value {
        let store = self.store(pos);
        pos.ins().iadd_imm_s(store, 64)
    }

    fn type_id(&mut self, builder: &mut FunctionBuilder<'_>, _ty: ModuleInternedTypeIndex) -> ir::Value {
        builder.ins().iconst(types::I32, 5)
    }

    fn tag_params(&self, _tag: TagIndex) -> Vec<WasmValType> {
        self.values.clone()
    }

    fn tag_results(&self, _tag: TagIndex) -> Vec<WasmValType> {
        self.values.clone()
    }

    fn cont_params(&self, _ty: TypeIndex) -> Vec<WasmValType> {
        self.values.clone()
    }

    fn cont_results(&self, _ty: TypeIndex) -> Vec<WasmValType> {
        self.values.clone()
    }

    fn cont_func(&self, _ty: TypeIndex) -> ModuleInternedTypeIndex {
        ModuleInternedTypeIndex::new(0)
    }

    fn cont_ref_params(&self, _ty: WasmValType) -> Vec<WasmValType> {
        self.values.clone()
    }

    fn value_type(&self, ty: WasmValType) -> Type {
        match ty {
            WasmValType::I32 => types::I32,
            WasmValType::V128 => types::I8X16,
            WasmValType::Ref(ty) if ty.heap_type == WasmHeapType::Extern => types::I32,
            WasmValType::Ref(_) => types::I128,
            _ => unreachable!("not used here"),
        }
    }

    fn needs_stack_map(&self, ty: WasmValType) -> bool {
        matches!(ty, WasmValType::Ref(ty) if ty.heap_type == WasmHeapType::Extern)
    }

    fn call(
        &mut self,
        builder: &mut FunctionBuilder<'_>,
        builtin: Builtin,
        args: &[ir::Value],
    ) -> WasmResult<ir::Value> {
        let result = match builtin {
            Builtin::ContNew | Builtin::Resume => types::I64,
            _ => types::I8,
        };
        Ok(self.call_any(builder, format!("{builtin:?}"), args, &[result]).unwrap())
    }

    fn jump(&mut self, builder: &mut FunctionBuilder<'_>, label: ir::Block, values: &[ir::Value]) {
        let args: Vec<_> = values.iter().copied().map(ir::BlockArg::Value).collect();
        builder.ins().jump(label, &args);
    }

    fn trap(&mut self, builder: &mut FunctionBuilder<'_>, trap: Trap) {
        self.traps.push(trap);
        builder.ins().trap(Engine::trap_code());
    }

    fn trap_if_zero(&mut self, builder: &mut FunctionBuilder<'_>, value: ir::Value, trap: Trap) {
        self.traps.push(trap);
        builder.ins().trapz(value, Engine::trap_code());
    }
}

impl NativeEnv for Engine {
    fn entry_address(&mut self, builder: &mut FunctionBuilder<'_>, _ty: TypeIndex) -> ir::Value {
        builder.ins().iconst(types::I64, 0x1000)
    }

    fn current(&mut self, pos: &mut FuncCursor<'_>) -> ir::Value {
        let store = self.store(pos);
        pos.ins().load(types::I64, MemFlagsData::trusted(), store, 0)
    }

    fn set_current(&mut self, builder: &mut FunctionBuilder<'_>, current: ir::Value) {
        let store = self.store(&mut builder.cursor());
        builder.ins().store(MemFlagsData::trusted(), current, store, 0);
    }

    fn stack_limit(&mut self, pos: &mut FuncCursor<'_>) -> ir::Value {
        let store = self.store(pos);
        pos.ins().load(types::I64, MemFlagsData::trusted(), store, 8)
    }

    fn set_stack_limit(&mut self, builder: &mut FunctionBuilder<'_>, limit: ir::Value) {
        let store = self.store(&mut builder.cursor());
        builder.ins().store(MemFlagsData::trusted(), limit, store, 8);
    }

    fn continuation_context(&mut self, builder: &mut FunctionBuilder<'_>) -> ir::Value {
        let store = self.store(&mut builder.cursor());
        builder.ins().load(types::I64, MemFlagsData::trusted(), store, 16)
    }

    fn stack_switch(
        &mut self,
        builder: &mut FunctionBuilder<'_>,
        store: ir::Value,
        load: ir::Value,
        payload: ir::Value,
    ) -> ir::Value {
        builder.ins().stack_switch(store, load, payload)
    }

    fn flush_counters(&mut self, _builder: &mut FunctionBuilder<'_>) {}

    fn write_back(&mut self, _builder: &mut FunctionBuilder<'_>) {
        self.calls.push("write back".into());
    }

    fn call_native(
        &mut self,
        builder: &mut FunctionBuilder<'_>,
        builtin: NativeBuiltin,
        args: &[ir::Value],
    ) -> WasmResult<()> {
        self.call_any(builder, format!("{builtin:?}"), args, &[]);
        Ok(())
    }
}

/// Translates one instruction: `emit` gets a continuation reference and a value of each type. Checks that the function is valid,
/// and returns how many instructions of each opcode it has.
fn translate(
    engine: &mut Engine,
    emit: impl FnOnce(&mut Engine, &mut FunctionBuilder<'_>, ir::Value, &[ir::Value]) -> WasmResult<()>,
) -> WasmResult<BTreeMap<String, usize>> {
    let mut signature = Signature::new(CallConv::Tail);
    let values: Vec<_> = engine.values.iter().map(|ty| engine.value_type(*ty)).collect();
    signature.params = [types::I64, types::I128].iter().chain(&values).map(|ty| AbiParam::new(*ty)).collect();
    let mut func = Function::with_name_signature(UserFuncName::default(), signature);
    let mut context = FunctionBuilderContext::new();
    let mut builder = FunctionBuilder::new(&mut func, &mut context);
    let entry = builder.create_block();
    builder.append_block_params_for_function_params(entry);
    builder.switch_to_block(entry);
    builder.seal_block(entry);
    let params = builder.block_params(entry).to_vec();
    engine.state.enter(&mut builder);
    emit(engine, &mut builder, params[1], &params[2..])?;
    if !builder.is_unreachable() {
        builder.ins().return_(&[]);
    }
    builder.seal_all_blocks();
    let flags = settings::Flags::new(settings::builder());
    let isa = isa::lookup_by_name("x86_64-unknown-linux-gnu").unwrap().finish(flags).unwrap();
    builder.finalize(isa.frontend_config());
    if let Err(errors) = verify_function(&func, &*isa) {
        panic!("{errors}\n{func}");
    }
    let mut opcodes = BTreeMap::new();
    for block in func.layout.blocks() {
        for inst in func.layout.block_insts(block) {
            *opcodes.entry(func.dfg.insts[inst].opcode().to_string()).or_default() += 1;
        }
    }
    Ok(opcodes)
}

const BACKENDS: &[Backend] =
    if cfg!(feature = "native") { &[Backend::Libcall, Backend::Native] } else { &[Backend::Libcall] };

/// None, few and many values: many do not fit into a `VMContRef`.
fn values() -> [Vec<WasmValType>; 3] {
    let [i32, v128] = [WasmValType::I32, WasmValType::V128];
    [vec![], vec![i32, v128], vec![v128; 9]]
}

fn count(opcodes: &BTreeMap<String, usize>, name: &str) -> usize {
    opcodes.get(name).copied().unwrap_or(0)
}

/// Runs a test with each backend and number of values.
fn each(test: impl Fn(&mut Engine)) {
    for &backend in BACKENDS {
        for values in values() {
            eprintln!("{backend:?}, {} values", values.len());
            test(&mut Engine::new(backend, &values));
        }
    }
}

#[test]
fn cont_new_asks_where_no_continuation_is_free() {
    each(|engine| {
        let opcodes = translate(engine, |env, builder, _, _| {
            let func = builder.ins().iconst(types::I64, 0x2000);
            let cont = cont_new(env, builder, ty(), func)?;
            assert_eq!(builder.func.dfg.value_type(cont), types::I128);
            Ok(())
        });
        let opcodes = opcodes.unwrap();
        assert_eq!(engine.calls, ["ContNew"]);
        assert_eq!(engine.traps, [Trap::NullReference]);
        // With few values the native backend looks at the store's list first.
        let takes = engine.backend == Backend::Native && engine.values.len() <= 3;
        assert_eq!(count(&opcodes, "brif"), usize::from(takes), "{opcodes:?}");
        assert_eq!(count(&opcodes, "stack_switch"), 0);
    });
}

#[test]
fn cont_bind_calls_nobody() {
    each(|engine| {
        let opcodes = translate(engine, |env, builder, cont, values| {
            cont_bind(env, builder, ty(), cont, values).map(drop)
        });
        let opcodes = opcodes.unwrap();
        assert!(engine.calls.is_empty());
        assert_eq!(engine.traps, [Trap::NullReference, Trap::ContinuationAlreadyConsumed]);
        assert_eq!(count(&opcodes, "brif") + count(&opcodes, "stack_switch"), 0);
        // Each value, and the new revision; if there are values, their number and their types.
        let bookkeeping = if engine.values.is_empty() { 1 } else { 3 };
        assert_eq!(count(&opcodes, "store"), engine.values.len() + bookkeeping, "{opcodes:?}");
    });
}

#[test]
fn suspend_switches_once() {
    each(|engine| {
        let opcodes = translate(engine, |env, builder, _, values| {
            let results = suspend(env, builder, tag(), values)?;
            assert_eq!(results.len(), values.len());
            Ok(())
        });
        let opcodes = opcodes.unwrap();
        match engine.backend {
            Backend::Libcall => assert_eq!(engine.calls, ["Suspend"]),
            // In the order of translation: a trap without a handler, and an exception after the resumption.
            Backend::Native => assert_eq!(engine.calls, ["write back", "Raise"]),
        }
        let native = usize::from(engine.backend == Backend::Native);
        assert_eq!(count(&opcodes, "stack_switch"), native);
        assert_eq!(engine.traps, vec![Trap::UnhandledTag; native]);
        if native == 1 {
            // The first clause, the clauses of a stack in a loop, the barrier, and whether an exception is raised.
            assert_eq!(count(&opcodes, "brif"), 6, "{opcodes:?}");
        }
    });
}

#[test]
fn resume_goes_to_each_clause() {
    each(|engine| {
        for labels in [0, 1, 3] {
            engine.calls.clear();
            engine.traps.clear();
            engine.state = FunctionState::default();
            engine.regions.clear();
            let types: Vec<_> = engine.values.iter().map(|ty| engine.value_type(*ty)).collect();
            let opcodes = translate(engine, |env, builder, cont, values| {
                let mut clauses = vec![Clause { tag: tag(), label: None }];
                for _ in 0..labels {
                    let label = builder.create_block();
                    for ty in types.iter().chain([&types::I128]) {
                        builder.append_block_param(label, *ty);
                    }
                    clauses.push(Clause { tag: tag(), label: Some(label) });
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
            let opcodes = opcodes.unwrap();
            match engine.backend {
                Backend::Libcall => assert_eq!(engine.calls, ["Resume"]),
                Backend::Native => assert_eq!(engine.calls, ["Start", "Unwind", "Finish"]),
            }
            assert_eq!(engine.traps, [Trap::NullReference, Trap::ContinuationAlreadyConsumed]);
            assert_eq!(count(&opcodes, "stack_switch"), usize::from(engine.backend == Backend::Native));
            assert_eq!(count(&opcodes, "br_table"), usize::from(labels > 1));
        }
    });
}

#[test]
fn resume_throw_hands_the_exception_over() {
    each(|engine| {
        let opcodes = translate(engine, |env, builder, cont, _| {
            let exception = builder.ins().iconst(types::I32, 3);
            resume_throw(env, builder, ty(), cont, exception, &[]).map(drop)
        });
        let opcodes = opcodes.unwrap();
        assert_eq!(engine.calls[0], "Throw");
        // It has been started, or never will be.
        assert!(!engine.calls.iter().any(|call| call == "Start"));
        assert_eq!(count(&opcodes, "stack_switch"), usize::from(engine.backend == Backend::Native));
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
            let opcodes = translate(engine, |env, builder, cont, args| {
                let received = switch(env, builder, ty(), tag(), cont, &args[..args.len() - 1])?;
                assert_eq!(received.len(), args.len());
                Ok(())
            });
            let opcodes = opcodes.unwrap();
            match backend {
                Backend::Libcall => assert_eq!(engine.calls, ["Switch"]),
                Backend::Native => assert_eq!(engine.calls, ["write back", "Start", "Raise"]),
            }
            assert_eq!(count(&opcodes, "stack_switch"), usize::from(backend == Backend::Native));
        }
    }
}

#[test]
fn a_barrier_is_put_and_removed() {
    let engine = &mut Engine::new(Backend::Libcall, &[]);
    let opcodes = translate(engine, |env, builder, _, _| {
        let current = NativeEnv::current(env, &mut builder.cursor());
        let context = env.continuation_context(builder);
        let barrier = Barrier::put(env, builder, current, context);
        barrier.remove(env, builder);
        Ok(())
    });
    // The barrier and the cleared handler cache, and then the frame that was there before.
    assert_eq!(count(&opcodes.unwrap(), "store"), 3);
}

#[test]
fn what_is_not_supported_is_an_error() {
    for &backend in BACKENDS {
        let externref = WasmValType::Ref(WasmRefType { nullable: true, heap_type: WasmHeapType::Extern });
        let mut engine = Engine::new(backend, &[externref]);
        engine.big_endian = true;
        let bound = translate(&mut engine, |env, builder, cont, values| {
            cont_bind(env, builder, ty(), cont, values).map(drop)
        });
        assert!(bound.is_err());
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
