//! Modules that are the same few lines many times over: so many values passed, so many clauses.

use crate::catalogue::Header;
use wasm_encoder::{
    BlockType, CodeSection, ContType, ExportKind, ExportSection, Function, FunctionSection, Handle, HeapType,
    InstructionSink, Module, RefType, TagKind, TagSection, TagType, TypeSection, ValType,
};

/// Name, header and binary of each.
pub(crate) fn all() -> Vec<(String, Header, Vec<u8>)> {
    let mut all = Vec::new();
    for (name, lanes) in [("i64", Lanes::One), ("v128", Lanes::Two)] {
        for count in [1, 6, 16, 100] {
            let operation = format!("a round trip with {count} {name} each way");
            let size = if count < 100 { 200_000 } else { 30_000 };
            all.push((format!("payload_{name}_{count}"), header(operation, size), payload(count, lanes)));
        }
    }
    for matching in [1, 8, 32] {
        let operation = format!(
            "a round trip to clause {matching} of {CLAUSES}, nothing passed, in a loop of one function"
        );
        all.push((format!("handlers_{matching}"), header(operation, 300_000), handlers(matching)));
    }
    all
}

/// A header that says no more than this.
pub(crate) fn header(operation: String, size: u32) -> Header {
    Header {
        operation,
        size,
        no_unpatched: None,
        no_v8: None,
        floor: None,
        talk: None,
        micro: true,
        place: None,
        inlined: false,
    }
}

// The types that all of these modules have, by index.
/// `[values] -> []`, of the continuation's function.
const BODY: u32 = 0;
const CONT: u32 = 1;
/// `[values] -> [values]`, of the tags.
const TAG: u32 = 2;
/// `[] -> [values, CONT]`, of the blocks that clauses lead to.
const CLAUSE: u32 = 3;
/// `[i32] -> [i64]`, of the exports.
const EXPORT: u32 = 4;

// The functions.
const CONTINUATION: u32 = 0;
const RUN: u32 = 1;
const EXPECTED: u32 = 2;

fn reference(nullable: bool) -> ValType {
    ValType::Ref(RefType { nullable, heap_type: HeapType::Concrete(CONT) })
}

/// A module with these functions, in the order of their indices, and so many tags.
fn module(values: &[ValType], tags: u32, functions: [Function; 3]) -> Vec<u8> {
    let mut types = TypeSection::new();
    types.ty().function(values.iter().copied(), []);
    types.ty().cont(&ContType(BODY));
    types.ty().function(values.iter().copied(), values.iter().copied());
    types.ty().function([], [values, &[reference(false)]].concat());
    types.ty().function([ValType::I32], [ValType::I64]);

    let mut declared = FunctionSection::new();
    declared.function(BODY).function(EXPORT).function(EXPORT);

    let mut all_tags = TagSection::new();
    for _ in 0..tags {
        all_tags.tag(TagType { kind: TagKind::Exception, func_type_idx: TAG });
    }

    // The export is what allows its `ref.func`.
    let mut exports = ExportSection::new();
    exports.export("continuation", ExportKind::Func, CONTINUATION);
    exports.export("run", ExportKind::Func, RUN);
    exports.export("expected", ExportKind::Func, EXPECTED);

    let mut code = CodeSection::new();
    for function in &functions {
        code.function(function);
    }

    let mut module = Module::new();
    module.section(&types).section(&declared).section(&all_tags).section(&exports).section(&code);
    module.finish()
}

/// What a payload's values consist of.
#[derive(Clone, Copy)]
enum Lanes {
    /// `i64`.
    One,
    /// `i64x2`.
    Two,
}

impl Lanes {
    fn value_type(self) -> ValType {
        match self {
            Lanes::One => ValType::I64,
            Lanes::Two => ValType::V128,
        }
    }

    /// A constant: the second lane is 1,000 more than the first.
    fn constant(self, code: &mut InstructionSink<'_>, value: i64) {
        match self {
            Lanes::One => code.i64_const(value),
            Lanes::Two => code.v128_const((i128::from(value + 1000) << 64) | i128::from(value)),
        };
    }

    fn add(self, code: &mut InstructionSink<'_>) {
        match self {
            Lanes::One => code.i64_add(),
            Lanes::Two => code.i64x2_add(),
        };
    }

    fn multiply(self, code: &mut InstructionSink<'_>) {
        match self {
            Lanes::One => code.i64_mul(),
            Lanes::Two => code.i64x2_mul(),
        };
    }
}

/// Values go back and forth. The continuation rotates them by one, and adds a constant to the one that it moves from
/// the front to the back; `run` adds the number of round trips that are left to the first. The result depends on
/// each value and its place. `expected` does the same without a continuation.
fn payload(count: u32, lanes: Lanes) -> Vec<u8> {
    // What the continuation does to its values, in locals from `first` on: they are on the stack after that.
    let rotate = |code: &mut InstructionSink<'_>, first: u32| {
        for value in 1..count {
            code.local_get(first + value);
        }
        code.local_get(first);
        lanes.constant(code, 1);
        lanes.add(code);
    };
    let set = |code: &mut InstructionSink<'_>, first: u32| {
        for value in (0..count).rev() {
            code.local_set(first + value);
        }
    };

    let mut continuation = Function::new([]);
    let mut code = continuation.instructions();
    code.loop_(BlockType::Empty);
    rotate(&mut code, 0);
    code.suspend(0);
    set(&mut code, 0);
    code.br(0).end().end();

    // Local 0 is how many are left, 1 the continuation; the values follow, and what is made of them.
    const CURRENT: u32 = 1;
    const FIRST: u32 = 2;
    let sum = FIRST + count;
    let export = |pass: &dyn Fn(&mut InstructionSink<'_>), make: bool| {
        let mut function = Function::new([(1, reference(true)), (count + 1, lanes.value_type())]);
        let mut code = function.instructions();
        if make {
            code.ref_func(CONTINUATION).cont_new(CONT).local_set(CURRENT);
        }
        for value in 0..count {
            lanes.constant(&mut code, i64::from(value) + 1);
            code.local_set(FIRST + value);
        }
        code.loop_(BlockType::Empty);
        pass(&mut code);
        set(&mut code, FIRST);
        code.local_get(FIRST).local_get(0).i64_extend_i32_u();
        if let Lanes::Two = lanes {
            code.i64x2_splat();
        }
        lanes.add(&mut code);
        code.local_set(FIRST);
        code.local_get(0).i32_const(1).i32_sub().local_tee(0).br_if(0).end();
        for value in 0..count {
            code.local_get(sum);
            lanes.constant(&mut code, 31);
            lanes.multiply(&mut code);
            code.local_get(FIRST + value);
            lanes.add(&mut code);
            code.local_set(sum);
        }
        match lanes {
            Lanes::One => code.local_get(sum),
            Lanes::Two => code
                .local_get(sum)
                .i64x2_extract_lane(0)
                .i64_const(7)
                .i64_mul()
                .local_get(sum)
                .i64x2_extract_lane(1)
                .i64_add(),
        };
        code.end();
        function
    };

    let round_trip = |code: &mut InstructionSink<'_>| {
        code.block(BlockType::FunctionType(CLAUSE));
        for value in 0..count {
            code.local_get(FIRST + value);
        }
        code.local_get(CURRENT);
        code.resume(CONT, [Handle::OnLabel { tag: 0, label: 0 }]);
        // It never ends.
        code.unreachable().end().local_set(CURRENT);
    };
    let run = export(&round_trip, true);
    let expected = export(&|code| rotate(code, FIRST), false);
    module(&vec![lanes.value_type(); count as usize], 1, [continuation, run, expected])
}

const CLAUSES: u32 = 32;

/// A resume with [`CLAUSES`] clauses, of which the one with this number, from 1, is for the tag that the continuation
/// suspends with. The other ones lead to a trap.
fn handlers(matching: u32) -> Vec<u8> {
    let matching = matching - 1;
    let mut continuation = Function::new([]);
    continuation.instructions().loop_(BlockType::Empty).suspend(matching).br(0).end().end();

    // Local 0 is how many there should be, 1 how many there were, 2 the continuation.
    let mut run = Function::new([(1, ValType::I32), (1, reference(true))]);
    let mut code = run.instructions();
    code.ref_func(CONTINUATION).cont_new(CONT).local_set(2);
    code.loop_(BlockType::Empty);
    code.block(BlockType::FunctionType(CLAUSE)).block(BlockType::FunctionType(CLAUSE));
    let clauses: Vec<Handle> =
        (0..CLAUSES).map(|tag| Handle::OnLabel { tag, label: u32::from(tag == matching) }).collect();
    code.local_get(2).resume(CONT, clauses);
    // Neither does it end, nor suspend with another tag.
    code.unreachable().end().unreachable().end().local_set(2);
    code.local_get(1).i32_const(1).i32_add().local_tee(1).local_get(0).i32_lt_u().br_if(0).end();
    code.local_get(1).i64_extend_i32_u().end();

    let mut expected = Function::new([]);
    expected.instructions().local_get(0).i64_extend_i32_u().end();
    module(&[], CLAUSES, [continuation, run, expected])
}
