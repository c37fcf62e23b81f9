//! An embedding: makes a module with wasm-encoder, runs a generator in it, and catches a trap inside a
//! continuation, with its backtrace.
//!
//! Run: `cargo run --example embed`

use anyhow::{Context, Result, ensure};
use wasm_encoder::{
    BlockType, CodeSection, ContType, ElementSection, Elements, ExportKind, ExportSection, Function,
    FunctionSection, Handle, HeapType, Module, NameMap, NameSection, RefType, TagKind, TagSection, TagType,
    TypeSection, ValType,
};
use wasmfx::wasmtime::{self, Engine, Instance, Store, Trap, WasmBacktrace};

/// The module, in the text format:
///
/// ```wat
/// (type $body (func)) (type $cont (cont $body))
/// (tag $yield (param i32))
/// (func $countdown ...)       ;; yields 3, 2, 1, then traps
/// (func $sum (export "sum") (param $take i32) (result i32) ...)   ;; sum of the first `take` yields
/// ```
fn module() -> Vec<u8> {
    const BODY: u32 = 0;
    const CONT: u32 = 1;
    const YIELD: u32 = 2;
    const SUM: u32 = 3;
    const ON_YIELD: u32 = 4;
    const COUNTDOWN_FUNC: u32 = 0;
    const SUM_FUNC: u32 = 1;
    const YIELD_TAG: u32 = 0;
    let cont = ValType::Ref(RefType { nullable: false, heap_type: HeapType::Concrete(CONT) });

    let mut types = TypeSection::new();
    types.ty().function([], []);
    types.ty().cont(&ContType(BODY));
    types.ty().function([ValType::I32], []);
    types.ty().function([ValType::I32], [ValType::I32]);
    types.ty().function([], [ValType::I32, cont]);

    let mut functions = FunctionSection::new();
    functions.function(BODY).function(SUM);
    let mut tags = TagSection::new();
    tags.tag(TagType { kind: TagKind::Exception, func_type_idx: YIELD });
    let mut exports = ExportSection::new();
    exports.export("sum", ExportKind::Func, SUM_FUNC);
    let mut elements = ElementSection::new();
    elements.declared(Elements::Functions([COUNTDOWN_FUNC].as_slice().into()));

    let mut countdown = Function::new([(1, ValType::I32)]);
    let mut i = countdown.instructions();
    i.i32_const(3).local_set(0);
    i.loop_(BlockType::Empty);
    i.local_get(0).suspend(YIELD_TAG);
    i.local_get(0).i32_const(1).i32_sub().local_tee(0).br_if(0);
    i.end().unreachable().end();

    // Parameter 0: how many to take. Local 1: the sum. Local 2: the continuation.
    let nullable = ValType::Ref(RefType { nullable: true, heap_type: HeapType::Concrete(CONT) });
    let mut sum = Function::new([(1, ValType::I32), (1, nullable)]);
    let mut i = sum.instructions();
    i.ref_func(COUNTDOWN_FUNC).cont_new(CONT).local_set(2);
    i.loop_(BlockType::Empty);
    i.block(BlockType::FunctionType(ON_YIELD));
    i.local_get(2).resume(CONT, [Handle::OnLabel { tag: YIELD_TAG, label: 0 }]);
    i.local_get(1).return_();
    i.end();
    i.local_set(2).local_get(1).i32_add().local_set(1);
    i.local_get(0).i32_const(1).i32_sub().local_tee(0).br_if(0);
    i.end();
    i.local_get(1).end();

    let mut code = CodeSection::new();
    code.function(&countdown).function(&sum);
    let mut names = NameSection::new();
    let mut map = NameMap::new();
    map.append(COUNTDOWN_FUNC, "countdown");
    map.append(SUM_FUNC, "sum");
    names.functions(&map);

    let mut module = Module::new();
    module.section(&types).section(&functions).section(&tags).section(&exports).section(&elements);
    module.section(&code).section(&names);
    module.finish()
}

fn main() -> Result<()> {
    let engine = Engine::new(&wasmfx::config())?;
    let module = wasmtime::Module::new(&engine, module())?;
    let mut store = Store::new(&engine, ());
    let instance = Instance::new(&mut store, &module, &[])?;
    let sum = instance.get_typed_func::<i32, i32>(&mut store, "sum")?;

    let two = sum.call(&mut store, 2)?;
    println!("the first two numbers are {two} together");
    ensure!(two == 5, "3 + 2 is 5");

    // The fourth number does not come: the generator traps, on its own stack.
    let error = sum.call(&mut store, 4).err().context("the generator traps")?;
    println!("the fourth number: {error:?}");
    ensure!(error.downcast_ref() == Some(&Trap::UnreachableCodeReached), "it hit `unreachable`");
    let backtrace = error.downcast_ref::<WasmBacktrace>().context("a trap has a backtrace")?;
    let frames: Vec<_> = backtrace.frames().iter().filter_map(|frame| frame.func_name()).collect();
    ensure!(frames == ["countdown", "sum"], "the backtrace goes through both stacks: {frames:?}");

    let three = sum.call(&mut store, 3)?;
    println!("the store is usable: {three}");
    ensure!(three == 6, "3 + 2 + 1 is 6");
    Ok(())
}
