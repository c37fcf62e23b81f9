//! Translations in a hand-made function environment. What is emitted passes Cranelift's verifier.
//!
//! | file | what it tests |
//! | --- | --- |
//! | `instructions.rs` | each instruction on each backend has the switches, calls and traps that it should have |
//! | `frames.rs` | which resumes share a frame, and where each frame is filled |
//! | `known.rs` | what the code of a function leaves out for the continuations that the function has made |
//! | `entry.rs` | entry code |
//! | `heap.rs` | reads and writes of references in objects |

#[cfg(feature = "native")]
mod entry;
mod frames;
mod heap;
mod instructions;
mod known;

use crate::*;
use cranelift_codegen::cursor::FuncCursor;
use cranelift_codegen::ir::{
    self, AbiParam, ExtFuncData, ExternalName, Function, Inst, InstBuilder, InstructionData, MemFlagsData,
    Opcode, Signature, Type, UserExternalName, UserFuncName, types,
};
use cranelift_codegen::isa::{self, CallConv};
use cranelift_codegen::settings::{self, Configurable};
use cranelift_codegen::verify_function;
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
    isa: Isa,
    state: FunctionState,
    /// The parameters of each continuation type, and the payload of each tag, both ways. The continuation type with the number n
    /// has no results for the first n of these.
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
            isa: Isa::X86_64,
            state: FunctionState::default(),
            values: values.to_vec(),
            regions: BTreeMap::new(),
            calls: Vec::new(),
            traps: Vec::new(),
        }
    }

    /// Forgets the function before, so that the next one can be translated.
    fn next_function(&mut self) {
        self.state = FunctionState::default();
        self.regions.clear();
        self.calls.clear();
        self.traps.clear();
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
        false
    }

    fn native_isa(&self) -> Isa {
        self.isa
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

    fn continuation_context(&mut self, builder: &mut FunctionBuilder<'_>) -> ir::Value {
        let store = self.store(&mut builder.cursor());
        builder.ins().load(types::I64, MemFlagsData::trusted(), store, 16)
    }

    fn function_state(&mut self) -> &mut FunctionState {
        &mut self.state
    }

    fn vmctx(&mut self, builder: &mut FunctionBuilder<'_>) -> ir::Value {
        self.store(&mut builder.cursor())
    }

    fn tag_address(&mut self, pos: &mut FuncCursor<'_>, tag: TagIndex) -> ir::Value {
        let store = self.store(pos);
        pos.ins().iadd_imm_s(store, 64 + 8 * i64::from(tag.as_u32()))
    }

    fn type_id(&mut self, builder: &mut FunctionBuilder<'_>, _ty: ModuleInternedTypeIndex) -> ir::Value {
        builder.ins().iconst(types::I32, 5)
    }

    fn is_final(&self, ty: ModuleInternedTypeIndex) -> bool {
        ty.index() == 0
    }

    fn is_subtype(
        &mut self,
        builder: &mut FunctionBuilder<'_>,
        actual: ir::Value,
        _expected: ModuleInternedTypeIndex,
    ) -> ir::Value {
        self.call_any(builder, "is subtype".into(), &[actual], &[types::I32]).unwrap()
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

    fn cont_results(&self, ty: TypeIndex) -> Vec<WasmValType> {
        self.values[ty.index()..].to_vec()
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

/// Makes a function with this signature, which `emit` fills from the given parameters on, and checks that the function is valid.
fn function(
    signature: Signature,
    emit: impl FnOnce(&mut FunctionBuilder<'_>, &[ir::Value]) -> WasmResult<()>,
) -> WasmResult<Function> {
    let mut func = Function::with_name_signature(UserFuncName::default(), signature);
    let mut context = FunctionBuilderContext::new();
    let mut builder = FunctionBuilder::new(&mut func, &mut context);
    let entry = builder.create_block();
    builder.append_block_params_for_function_params(entry);
    builder.switch_to_block(entry);
    builder.seal_block(entry);
    let params = builder.block_params(entry).to_vec();
    emit(&mut builder, &params)?;
    builder.seal_all_blocks();
    let isa = isa();
    builder.finalize(isa.frontend_config());
    if let Err(errors) = verify_function(&func, &*isa) {
        panic!("{errors}\n{func}");
    }
    Ok(func)
}

/// Any target, with optimizations and frame pointers.
fn isa() -> isa::OwnedTargetIsa {
    let mut flags = settings::builder();
    flags.set("opt_level", "speed").unwrap();
    flags.set("preserve_frame_pointers", "true").unwrap();
    let flags = settings::Flags::new(flags);
    isa::lookup_by_name("x86_64-unknown-linux-gnu").unwrap().finish(flags).unwrap()
}

/// A function whose body `emit` translates from a continuation reference and a value of each type.
fn translate(
    engine: &mut Engine,
    emit: impl FnOnce(&mut Engine, &mut FunctionBuilder<'_>, ir::Value, &[ir::Value]) -> WasmResult<()>,
) -> WasmResult<Function> {
    let mut signature = Signature::new(CallConv::Tail);
    let values: Vec<_> = engine.values.iter().map(|ty| engine.value_type(*ty)).collect();
    signature.params = [types::I64, types::I128].iter().chain(&values).map(|ty| AbiParam::new(*ty)).collect();
    function(signature, |builder, params| {
        engine.state.enter(builder);
        emit(engine, builder, params[1], &params[2..])?;
        if !builder.is_unreachable() {
            builder.ins().return_(&[]);
        }
        Ok(())
    })
}

/// The instructions of a function, in the order of its blocks.
fn instructions(func: &Function) -> impl Iterator<Item = Inst> + '_ {
    func.layout.blocks().flat_map(|block| func.layout.block_insts(block))
}

/// How many instructions of this opcode a function has.
fn count(func: &Function, opcode: Opcode) -> usize {
    instructions(func).filter(|inst| func.dfg.insts[*inst].opcode() == opcode).count()
}

/// The instruction that defines a value, if its opcode is this.
fn definition(func: &Function, value: ir::Value, opcode: Opcode) -> Option<Inst> {
    let inst = func.dfg.value_def(value).inst()?;
    (func.dfg.insts[inst].opcode() == opcode).then_some(inst)
}

/// The constant that a value is.
fn constant(func: &Function, value: ir::Value) -> Option<i64> {
    match func.dfg.insts[definition(func, value, Opcode::Iconst)?] {
        InstructionData::UnaryImm { imm, .. } => Some(imm.bits()),
        _ => None,
    }
}

const BACKENDS: &[Backend] =
    if cfg!(feature = "native") { &[Backend::Libcall, Backend::Native] } else { &[Backend::Libcall] };

/// None, few and many values: many do not fit into a `VMContRef`.
fn values() -> [Vec<WasmValType>; 3] {
    let [i32, v128] = [WasmValType::I32, WasmValType::V128];
    [vec![], vec![i32, v128], vec![v128; 9]]
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

/// A block for the label of a clause: it takes the payload, and a reference to the captured continuation.
fn label(builder: &mut FunctionBuilder<'_>, payload: &[Type]) -> ir::Block {
    let label = builder.create_block();
    for ty in payload.iter().chain([&types::I128]) {
        builder.append_block_param(label, *ty);
    }
    label
}
