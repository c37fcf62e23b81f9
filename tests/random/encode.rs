//! Programs as Wasm modules.
//!
//! The module says all that a run needs to know: the host finds what to do in the names of the imports and
//! exports (see `run.rs`), so that a module that was printed as text is still the same test.

use crate::program::*;
use wasm_encoder as wasm;
use wasm_encoder::{AbstractHeapType, BlockType, ConstExpr, EntityType, HeapType, RefType, ValType};

/// Functions of the host that all modules import, before [`Program::hosts`].
const EVENTS: [Type; 9] = [
    Type::I32,
    Type::I64,
    Type::F32,
    Type::F64,
    Type::V128,
    Type::Func,
    Type::Extern,
    Type::Exn,
    Type::AnyCont,
];
const MAKE_EXTERN: u32 = EVENTS.len() as u32;
const GC: u32 = MAKE_EXTERN + 1;
const FIXED_IMPORTS: u32 = GC + 1;
const PROBE_TYPE: u32 = FIXED_IMPORTS;
/// The module's own functions before those of the program are the probes, one that counts fuel, for each shelf one that gets and
/// one that sets, and one that clears all globals and shelves.
const FIXED_FUNCTIONS: u32 = PROBES + 2;

/// The first global counts fuel; those of the program come after it, and then one for each shelf, which holds its object.
const FUEL_GLOBAL: u32 = 0;

fn fixed_imports() -> impl Iterator<Item = String> {
    let events = EVENTS.map(|ty| format!("event_{}", format!("{ty:?}").to_lowercase()));
    events.into_iter().chain(["make_extern".to_string(), "gc".to_string()])
}

struct Encoder<'p> {
    program: &'p Program,
}

/// The types of a shelf: its object's, if it has one, and those of the functions that get and set.
struct ShelfTypes {
    object: u32,
    get: u32,
    set: u32,
}

pub(crate) fn encode(program: &Program) -> Vec<u8> {
    let encoder = Encoder { program };
    let mut module = wasm::Module::new();
    module.section(&encoder.types());
    module.section(&encoder.imports());
    let mut functions = wasm::FunctionSection::new();
    for _ in 0..PROBES {
        functions.function(encoder.fixed_type(PROBE_TYPE));
    }
    functions.function(encoder.fixed_type(GC));
    for shelf in 0..program.shelves.len() {
        functions.function(encoder.shelf_types(shelf).get);
        functions.function(encoder.shelf_types(shelf).set);
    }
    functions.function(encoder.fixed_type(GC));
    for function in &program.functions {
        functions.function(function.sig as u32);
    }
    module.section(&functions);
    let mut tables = wasm::TableSection::new();
    for shelf in program.shelves.iter().filter(|shelf| shelf.kind == ShelfKind::Table) {
        let ValType::Ref(element_type) = encoder.val_type(shelf.ty) else { unreachable!() };
        let minimum = shelf.len as u64;
        tables.table(wasm::TableType { element_type, minimum, maximum: None, table64: false, shared: false });
    }
    module.section(&tables);
    let mut tags = wasm::TagSection::new();
    for &sig in &program.tags {
        tags.tag(wasm::TagType { kind: wasm::TagKind::Exception, func_type_idx: sig as u32 });
    }
    module.section(&tags);
    module.section(&encoder.globals());
    module.section(&encoder.exports());
    let callees = (0..PROBES)
        .map(Callee::Probe)
        .chain((0..program.functions.len()).map(Callee::Local))
        .chain((0..program.hosts.len()).map(Callee::Host));
    let declared: Vec<u32> = callees.map(|callee| encoder.function(callee)).collect();
    let mut elements = wasm::ElementSection::new();
    elements.declared(wasm::Elements::Functions(declared.into()));
    module.section(&elements);
    let mut code = wasm::CodeSection::new();
    for probe in 0..PROBES {
        let mut body = wasm::Function::new([]);
        body.instructions().i32_const(probe as i32).end();
        code.function(&body);
    }
    let mut fuel = wasm::Function::new([]);
    let mut body = fuel.instructions();
    body.global_get(FUEL_GLOBAL).i32_const(1).i32_sub().global_set(FUEL_GLOBAL);
    body.global_get(FUEL_GLOBAL).i32_const(0).i32_lt_s().if_(BlockType::Empty).unreachable().end().end();
    code.function(&fuel);
    for shelf in 0..program.shelves.len() {
        code.function(&encoder.shelf_function(shelf, false));
        code.function(&encoder.shelf_function(shelf, true));
    }
    code.function(&encoder.clear_function());
    for function in &program.functions {
        let locals = function.locals.iter().map(|&ty| encoder.val_type(ty));
        let mut body = wasm::Function::new_with_locals_types(locals);
        encoder.ops(&mut body.instructions(), &function.body);
        body.instructions().end();
        code.function(&body);
    }
    module.section(&code);
    module.section(&encoder.names());
    module.finish()
}

impl Encoder<'_> {
    /// The program's types are one recursion group: function types, then continuation types. The types of the
    /// fixed imports and of the probes follow, on their own.
    fn types(&self) -> wasm::TypeSection {
        let sub_type = |inner| wasm::SubType {
            is_final: true,
            supertype_idx: None,
            composite_type: wasm::CompositeType { inner, shared: false, descriptor: None, describes: None },
        };
        let sigs = self.program.sigs.iter().map(|sig| {
            let params = sig.params.iter().map(|&ty| self.val_type(ty));
            let results = sig.results.iter().map(|&ty| self.val_type(ty));
            sub_type(wasm::CompositeInnerType::Func(wasm::FuncType::new(params, results)))
        });
        let conts = self.program.conts.iter();
        let conts = conts.map(|&sig| sub_type(wasm::CompositeInnerType::Cont(wasm::ContType(sig as u32))));
        let mut types = wasm::TypeSection::new();
        types.ty().rec(sigs.chain(conts).collect::<Vec<_>>());
        for ty in EVENTS {
            types.ty().function([self.val_type(ty)], []);
        }
        types.ty().function([ValType::I32], [ValType::EXTERNREF]);
        types.ty().function([], []);
        types.ty().function([], [ValType::I32]);
        for shelf in &self.program.shelves {
            let ty = self.val_type(shelf.ty);
            let field = wasm::FieldType { element_type: wasm::StorageType::Val(ty), mutable: true };
            match shelf.kind {
                ShelfKind::Struct => types.ty().struct_(vec![field; shelf.len]),
                ShelfKind::Table | ShelfKind::Array => types.ty().array(&field.element_type, true),
            }
            types.ty().function([ValType::I32], [ty]);
            types.ty().function([ValType::I32, ty], []);
        }
        types
    }

    fn shelf_types(&self, shelf: usize) -> ShelfTypes {
        let object = self.fixed_type(PROBE_TYPE) + 1 + 3 * shelf as u32;
        ShelfTypes { object, get: object + 1, set: object + 2 }
    }

    /// The function that gets from or sets in a shelf: what a place of each kind needs, in one instruction sequence.
    fn shelf_function(&self, shelf: usize, sets: bool) -> wasm::Function {
        let Shelf { len, kind, .. } = self.program.shelves[shelf];
        let object = self.shelf_types(shelf).object;
        let global = self.shelf_global(shelf);
        let mut function = wasm::Function::new([]);
        let mut body = function.instructions();
        match kind {
            ShelfKind::Table => {
                let before = &self.program.shelves[..shelf];
                let table = before.iter().filter(|shelf| shelf.kind == ShelfKind::Table).count() as u32;
                body.local_get(0);
                if sets {
                    body.local_get(1).table_set(table)
                } else {
                    body.table_get(table)
                };
            }
            ShelfKind::Array => {
                body.global_get(global).local_get(0);
                if sets {
                    body.local_get(1).array_set(object)
                } else {
                    body.array_get(object)
                };
            }
            ShelfKind::Struct => {
                for field in 0..len as u32 {
                    body.local_get(0)
                        .i32_const(field as i32)
                        .i32_eq()
                        .if_(BlockType::Empty)
                        .global_get(global);
                    if sets {
                        body.local_get(1).struct_set(object, field)
                    } else {
                        body.struct_get(object, field)
                    };
                    body.return_().end();
                }
                body.unreachable();
            }
        }
        body.end();
        function
    }

    /// Makes all references null that globals and shelves hold.
    fn clear_function(&self) -> wasm::Function {
        let mut function = wasm::Function::new([]);
        let mut body = function.instructions();
        for (global, &ty) in (FUEL_GLOBAL + 1..).zip(&self.program.globals) {
            if let ValType::Ref(reference) = self.val_type(ty) {
                body.ref_null(reference.heap_type).global_set(global);
            }
        }
        for (index, shelf) in self.program.shelves.iter().enumerate() {
            for place in 0..shelf.len as i32 {
                body.i32_const(place).ref_null(self.heap_type(shelf.ty));
                body.call(self.fuel_function() + 2 + 2 * index as u32);
            }
        }
        body.end();
        function
    }

    fn shelf_global(&self, shelf: usize) -> u32 {
        FUEL_GLOBAL + 1 + (self.program.globals.len() + shelf) as u32
    }

    fn cont_type(&self, cont: usize) -> u32 {
        (self.program.sigs.len() + cont) as u32
    }

    /// The type of a fixed import; that of the probes comes after them.
    fn fixed_type(&self, import: u32) -> u32 {
        self.cont_type(self.program.conts.len()) + import
    }

    fn imports(&self) -> wasm::ImportSection {
        let mut imports = wasm::ImportSection::new();
        for (index, name) in (0..).zip(fixed_imports()) {
            imports.import("", &name, EntityType::Function(self.fixed_type(index)));
        }
        for (index, host) in self.program.hosts.iter().enumerate() {
            imports.import("", &format!("host{index}"), EntityType::Function(host.sig as u32));
        }
        imports
    }

    fn fuel_function(&self) -> u32 {
        FIXED_IMPORTS + self.program.hosts.len() as u32 + PROBES
    }

    fn function(&self, callee: Callee) -> u32 {
        let imports = FIXED_IMPORTS + self.program.hosts.len() as u32;
        match callee {
            Callee::Host(host) => FIXED_IMPORTS + host as u32,
            Callee::Probe(probe) => imports + probe,
            Callee::Local(function) => {
                imports + FIXED_FUNCTIONS + 2 * self.program.shelves.len() as u32 + function as u32
            }
        }
    }

    fn globals(&self) -> wasm::GlobalSection {
        let mut globals = wasm::GlobalSection::new();
        let ty = |val_type| wasm::GlobalType { val_type, mutable: true, shared: false };
        globals.global(ty(ValType::I32), &ConstExpr::i32_const(self.program.fuel));
        for &global in &self.program.globals {
            let val_type = self.val_type(global);
            let init = match val_type {
                ValType::I32 => ConstExpr::i32_const(0),
                ValType::I64 => ConstExpr::i64_const(0),
                ValType::F32 => ConstExpr::f32_const(0f32.into()),
                ValType::F64 => ConstExpr::f64_const(0f64.into()),
                ValType::V128 => ConstExpr::v128_const(0),
                ValType::Ref(reference) => ConstExpr::ref_null(reference.heap_type),
            };
            globals.global(ty(val_type), &init);
        }
        for (index, shelf) in self.program.shelves.iter().enumerate() {
            let object = self.shelf_types(index).object;
            let init = match shelf.kind {
                ShelfKind::Table => ConstExpr::ref_null(HeapType::Concrete(object)),
                ShelfKind::Array => ConstExpr::extended([
                    wasm::Instruction::I32Const(shelf.len as i32),
                    wasm::Instruction::ArrayNewDefault(object),
                ]),
                ShelfKind::Struct => ConstExpr::extended([wasm::Instruction::StructNewDefault(object)]),
            };
            let reference = RefType { nullable: true, heap_type: HeapType::Concrete(object) };
            globals.global(ty(ValType::Ref(reference)), &init);
        }
        globals
    }

    fn exports(&self) -> wasm::ExportSection {
        let mut exports = wasm::ExportSection::new();
        for (index, entry) in self.program.entries.iter().enumerate() {
            let function = self.function(Callee::Local(entry.function));
            exports.export(&format!("run{index}{entry}"), wasm::ExportKind::Func, function);
        }
        for (index, host) in self.program.hosts.iter().enumerate() {
            if let Some(callback) = host.callback {
                let function = self.function(Callee::Local(callback));
                exports.export(&format!("callback{index}"), wasm::ExportKind::Func, function);
            }
        }
        exports.export("clear", wasm::ExportKind::Func, self.function(Callee::Local(0)) - 1);
        for tag in 0..self.program.tags.len() as u32 {
            exports.export(&format!("tag{tag}"), wasm::ExportKind::Tag, tag);
        }
        exports
    }

    /// Names, for those who read modules that are kept.
    fn names(&self) -> wasm::NameSection {
        let map = |names: &mut dyn Iterator<Item = String>| {
            let mut map = wasm::NameMap::new();
            names.zip(0..).for_each(|(name, index)| map.append(index, &name));
            map
        };
        let numbered = |name: &'static str, count: usize| (0..count).map(move |n| format!("{name}{n}"));
        let program = self.program;
        let mut functions = fixed_imports()
            .chain(numbered("host", program.hosts.len()))
            .chain(numbered("probe", PROBES as usize))
            .chain(["fuel".to_string()])
            .chain((0..program.shelves.len()).flat_map(|n| [format!("get{n}"), format!("set{n}")]))
            .chain(["clear".to_string()])
            .chain(numbered("f", program.functions.len()));
        let mut types = numbered("ft", program.sigs.len()).chain(numbered("ct", program.conts.len()));
        let mut names = wasm::NameSection::new();
        names.functions(&map(&mut functions));
        names.types(&map(&mut types));
        names.tags(&map(&mut numbered("t", program.tags.len())));
        names
    }

    fn heap_type(&self, ty: Type) -> HeapType {
        let of = |ty| HeapType::Abstract { shared: false, ty };
        match ty {
            Type::Func => of(AbstractHeapType::Func),
            Type::Extern => of(AbstractHeapType::Extern),
            Type::Exn => of(AbstractHeapType::Exn),
            Type::AnyCont => of(AbstractHeapType::Cont),
            Type::Cont(cont) => HeapType::Concrete(self.cont_type(cont)),
            Type::FuncOf(sig) => HeapType::Concrete(sig as u32),
            other => unreachable!("{other:?} is no reference"),
        }
    }

    fn val_type(&self, ty: Type) -> ValType {
        match ty {
            Type::I32 => ValType::I32,
            Type::I64 => ValType::I64,
            Type::F32 => ValType::F32,
            Type::F64 => ValType::F64,
            Type::V128 => ValType::V128,
            reference => ValType::Ref(RefType { nullable: true, heap_type: self.heap_type(reference) }),
        }
    }

    fn block_type(&self, results: &[Type]) -> BlockType {
        match results {
            [] => BlockType::Empty,
            [one] => BlockType::Result(self.val_type(*one)),
            many => {
                let found = self.program.sigs.iter().position(|s| s.params.is_empty() && s.results == many);
                BlockType::FunctionType(found.expect("the generator makes the types of its blocks") as u32)
            }
        }
    }

    fn handles(&self, clauses: &[Clause]) -> Vec<wasm::Handle> {
        let handle = |clause: &Clause| match *clause {
            Clause::Label { tag, depth } => wasm::Handle::OnLabel { tag: tag as u32, label: depth as u32 },
            Clause::Switch { tag } => wasm::Handle::OnSwitch { tag: tag as u32 },
        };
        clauses.iter().map(handle).collect()
    }

    fn ops(&self, out: &mut wasm::InstructionSink<'_>, ops: &[Op]) {
        for op in ops {
            self.op(out, op);
        }
    }

    fn op(&self, out: &mut wasm::InstructionSink<'_>, op: &Op) {
        match op {
            Op::Const(value) => match *value {
                Value::I32(v) => out.i32_const(v),
                Value::I64(v) => out.i64_const(v),
                Value::F32(bits) => out.f32_const(wasm::Ieee32::new(bits)),
                Value::F64(bits) => out.f64_const(wasm::Ieee64::new(bits)),
                Value::V128(v) => out.v128_const(v as i128),
                ref other => unreachable!("{other:?} is no constant"),
            },
            Op::Null(ty) => out.ref_null(self.heap_type(*ty)),
            Op::RefFunc(callee) => out.ref_func(self.function(*callee)),
            Op::MakeExtern => out.call(MAKE_EXTERN),
            Op::LocalGet(local) => out.local_get(*local as u32),
            Op::LocalSet(local) => out.local_set(*local as u32),
            Op::LocalTee(local) => out.local_tee(*local as u32),
            Op::GlobalGet(global) => out.global_get(*global as u32 + 1),
            Op::GlobalSet(global) => out.global_set(*global as u32 + 1),
            Op::ShelfGet(shelf) => out.call(self.fuel_function() + 1 + 2 * *shelf as u32),
            Op::ShelfSet(shelf) => out.call(self.fuel_function() + 2 + 2 * *shelf as u32),
            Op::IsNull => out.ref_is_null(),
            Op::Drop => out.drop(),
            Op::Eqz => out.i32_eqz(),
            Op::Add(Type::I64) => out.i64_add(),
            Op::Add(_) => out.i32_add(),
            Op::Div => out.i32_div_u(),
            Op::Event(ty) => {
                let ty = if let Type::Cont(_) = ty { &Type::AnyCont } else { ty };
                let import = EVENTS.iter().position(|event| event == ty).expect("there is an event for it");
                out.call(import as u32)
            }
            Op::Gc => out.call(GC),
            Op::Fuel => out.call(self.fuel_function()),
            Op::Call(callee) => out.call(self.function(*callee)),
            Op::ReturnCall(callee) => out.return_call(self.function(*callee)),
            Op::Block(results, body) => {
                out.block(self.block_type(results));
                self.ops(out, body);
                out.end()
            }
            Op::Loop(body) => {
                out.loop_(BlockType::Empty);
                self.ops(out, body);
                out.end()
            }
            Op::If(results, then, otherwise) => {
                out.if_(self.block_type(results));
                self.ops(out, then);
                out.else_();
                self.ops(out, otherwise);
                out.end()
            }
            Op::TryTable(results, catches, body) => {
                let catch = |catch: &Catch| {
                    let label = catch.depth as u32;
                    match (catch.tag.map(|tag| tag as u32), catch.with_ref) {
                        (Some(tag), false) => wasm::Catch::One { tag, label },
                        (Some(tag), true) => wasm::Catch::OneRef { tag, label },
                        (None, false) => wasm::Catch::All { label },
                        (None, true) => wasm::Catch::AllRef { label },
                    }
                };
                let catches: Vec<wasm::Catch> = catches.iter().map(catch).collect();
                out.try_table(self.block_type(results), catches);
                self.ops(out, body);
                out.end()
            }
            Op::Br(depth) => out.br(*depth as u32),
            Op::BrIf(depth) => out.br_if(*depth as u32),
            Op::Return => out.return_(),
            Op::Unreachable => out.unreachable(),
            Op::Throw(tag) => out.throw(*tag as u32),
            Op::ThrowRef => out.throw_ref(),
            Op::ContNew(cont) => out.cont_new(self.cont_type(*cont)),
            Op::ContBind(from, to) => out.cont_bind(self.cont_type(*from), self.cont_type(*to)),
            Op::Suspend(tag) => out.suspend(*tag as u32),
            Op::Resume(cont, clauses) => out.resume(self.cont_type(*cont), self.handles(clauses)),
            Op::ResumeThrow(cont, tag, clauses) => {
                out.resume_throw(self.cont_type(*cont), *tag as u32, self.handles(clauses))
            }
            Op::ResumeThrowRef(cont, clauses) => {
                out.resume_throw_ref(self.cont_type(*cont), self.handles(clauses))
            }
            Op::Switch(cont, tag) => out.switch(self.cont_type(*cont), *tag as u32),
        };
    }
}
