//! Entry code.

use super::*;
use cranelift_codegen::ir::Block;
use wasmfx_runtime::abi::{INLINE_ARGS, KEPT, RETURNED, offsets};

/// An engine whose `VMFuncRef`s have the code at offset 0 and the context at 8. The continuation context is at offset 16 of an
/// instance's.
struct EntryEngine {
    engine: Engine,
    context: Option<ir::Value>,
    exhausted: usize,
}

impl Memory for EntryEngine {
    fn pointer_type(&self) -> Type {
        self.engine.pointer_type()
    }

    fn is_big_endian(&self) -> bool {
        self.engine.is_big_endian()
    }

    fn native_isa(&self) -> Isa {
        self.engine.native_isa()
    }

    fn region(&mut self, func: &mut Function, region: MemoryRegion) -> ir::AliasRegion {
        self.engine.region(func, region)
    }
}

impl EntryEnv for EntryEngine {
    fn load_callee(
        &mut self,
        builder: &mut FunctionBuilder<'_>,
        func_ref: ir::Value,
    ) -> (ir::Value, ir::Value) {
        let mut load = |offset| builder.ins().load(types::I64, MemFlagsData::trusted(), func_ref, offset);
        (load(0), load(8))
    }

    fn continuation_context(&mut self, builder: &mut FunctionBuilder<'_>, vmctx: ir::Value) -> ir::Value {
        let context = builder.ins().load(types::I64, MemFlagsData::trusted(), vmctx, 16);
        *self.context.insert(context)
    }

    fn exhausted(&mut self, builder: &mut FunctionBuilder<'_>, _vmctx: ir::Value) {
        self.exhausted += 1;
        builder.ins().trap(Engine::trap_code());
    }
}

/// The entry code of one type of function.
struct Code {
    func: Function,
    contref: ir::Value,
    /// The continuation context, if the code has loaded it.
    context: Option<ir::Value>,
    /// How often the code traps because the stack is exhausted.
    exhausted: usize,
}

impl Code {
    /// For a function with so many parameters and results, all of them `i32`, on x86-64.
    fn new(params: usize, results: usize, notify_runtime: bool) -> Code {
        Code::on(Isa::X86_64, params, results, notify_runtime)
    }

    fn on(isa: Isa, params: usize, results: usize, notify_runtime: bool) -> Code {
        let mut engine = Engine::new(Backend::Native, &[]);
        engine.isa = isa;
        let mut env = EntryEngine { engine, context: None, exhausted: 0 };
        let params = vec![types::I32; params];
        let mut signature = Signature::new(CallConv::Tail);
        let contexts = [types::I64; 2];
        signature.params = contexts.iter().chain(&params).map(|ty| AbiParam::new(*ty)).collect();
        signature.returns = vec![AbiParam::new(types::I32); results];
        let entry = Entry { params, signature, notify_runtime };
        let mut signature = Signature::new(CallConv::SystemV);
        signature.params = vec![AbiParam::new(types::I64)];
        let func = function(signature, |builder, params| {
            native_entry(&mut env, builder, params[0], entry);
            Ok(())
        });
        let func = func.unwrap();
        let contref = func.dfg.block_params(func.layout.entry_block().unwrap())[0];
        Code { func, contref, context: env.context, exhausted: env.exhausted }
    }

    /// The two summands of an address of which the second is constant, and likewise for the parts of a word.
    fn parts(&self, value: ir::Value, opcode: Opcode) -> Option<(ir::Value, i64)> {
        let [left, right] = *self.func.dfg.inst_args(definition(&self.func, value, opcode)?) else {
            return None;
        };
        Some((left, constant(&self.func, right)?))
    }

    /// The outcome and the block of each switch, after a check of the switch's operands.
    fn switches(&self) -> Vec<(u64, Block)> {
        let switches = instructions(&self.func)
            .filter(|inst| self.func.dfg.insts[*inst].opcode() == Opcode::StackSwitch);
        let switches = switches.map(|inst| {
            let [store, load, payload] = *self.func.dfg.inst_args(inst) else { unreachable!() };
            let control = (self.contref, i64::from(offsets::VMCONTREF_CONTROL));
            assert_eq!(self.parts(store, Opcode::Iadd).unwrap_or((store, 0)), control);
            let parent_control = (self.contref, i64::from(offsets::VMCONTREF_PARENT_CONTROL));
            assert_eq!(self.parts(load, Opcode::Iadd), Some(parent_control));
            let (contref, outcome) = self.parts(payload, Opcode::Bor).unwrap();
            assert_eq!(contref, self.contref);
            (outcome as u64, self.func.layout.inst_block(inst).unwrap())
        });
        switches.collect()
    }

    /// The offset and value of each store in a block to the object at this address, in order.
    fn stores(&self, block: Block, object: ir::Value) -> Vec<(i32, ir::Value)> {
        let stores = self.func.layout.block_insts(block).filter_map(|inst| {
            let data = &self.func.dfg.insts[inst];
            match (data.opcode(), self.func.dfg.inst_args(inst)) {
                (Opcode::Store, [value, address]) if *address == object => {
                    Some((data.load_store_offset().unwrap(), *value))
                }
                _ => None,
            }
        });
        stores.collect()
    }

    /// Whether `value` is loaded from this offset of the object at this address.
    fn is_field(&self, value: ir::Value, object: ir::Value, offset: i32) -> bool {
        definition(&self.func, value, Opcode::Load).is_some_and(|inst| {
            self.func.dfg.insts[inst].load_store_offset() == Some(offset)
                && self.func.dfg.inst_args(inst) == [object]
        })
    }

    fn values(stores: &[(i32, ir::Value)], offset: i32) -> ir::Value {
        stores.iter().find(|(at, _)| *at == offset).unwrap().1
    }
}

#[test]
fn a_continuation_that_returned_joins_the_lists() {
    for params in [0, 3] {
        let code = Code::new(params, 1, false);
        let switches = code.switches();
        let [(RETURNED, free), (KEPT, keep)] = switches[..] else { panic!("{switches:?}\n{}", code.func) };

        // `brif context.room, free, keep`
        let context = code.context.unwrap();
        let entry = code.func.layout.entry_block().unwrap();
        let branch = code.func.layout.last_inst(entry).unwrap();
        let targets: Vec<_> = code.func.dfg.insts[branch]
            .branch_destination(&code.func.dfg.jump_tables, &code.func.dfg.exception_tables)
            .iter()
            .map(|call| call.block(&code.func.dfg.value_lists))
            .collect();
        assert_eq!(targets, [free, keep]);
        let room = code.func.dfg.inst_args(branch)[0];
        assert!(code.is_field(room, context, offsets::VMCONTINUATIONCONTEXT_ROOM));

        // The continuation is the first free one, and has no stack.
        let to_context = code.stores(free, context);
        let to_contref = code.stores(free, code.contref);
        assert_eq!(Code::values(&to_context, offsets::VMCONTINUATIONCONTEXT_FREE), code.contref);
        let next = Code::values(&to_contref, offsets::VMCONTREF_PARENT);
        assert!(code.is_field(next, context, offsets::VMCONTINUATIONCONTEXT_FREE));
        let none = Code::values(&to_contref, offsets::VMCONTREF_STACK);
        assert_eq!(constant(&code.func, none), Some(0));

        // Its stack is the first idle one.
        let stack = Code::values(&to_context, offsets::VMCONTINUATIONCONTEXT_STACKS);
        assert!(code.is_field(stack, code.contref, offsets::VMCONTREF_STACK));
        let [(offsets::VMSTACKHEADER_NEXT, next)] = code.stores(free, stack)[..] else {
            panic!("{}", code.func)
        };
        assert!(code.is_field(next, context, offsets::VMCONTINUATIONCONTEXT_STACKS));
        let room = Code::values(&to_context, offsets::VMCONTINUATIONCONTEXT_ROOM);
        let (before, change) = code.parts(room, Opcode::Iadd).unwrap();
        assert!(code.is_field(before, context, offsets::VMCONTINUATIONCONTEXT_ROOM));
        assert_eq!(change, -1);
        assert_eq!(to_context.len(), 3);

        // The runtime ends what is kept.
        assert_eq!(code.stores(keep, context), []);
        assert_eq!(code.stores(keep, code.contref), []);
    }
}

#[test]
fn a_continuation_is_kept_for_the_runtime() {
    // A buffer for the arguments, and an engine that has to know of each end.
    let many = INLINE_ARGS + 1;
    for code in [Code::new(many, 1, false), Code::new(0, 1, true), Code::new(many, 1, true)] {
        let switches = code.switches();
        assert!(matches!(switches[..], [(KEPT, _)]), "{switches:?}\n{}", code.func);
        assert_eq!(code.context, None);
        assert_eq!(count(&code.func, Opcode::Brif), 0);
    }
}

#[test]
fn arguments_and_results_are_where_the_resume_has_them() {
    for (params, inline) in [(INLINE_ARGS, true), (INLINE_ARGS + 1, false)] {
        let code = Code::new(params, 2, false);
        let call = instructions(&code.func)
            .find(|inst| code.func.dfg.insts[*inst].opcode() == Opcode::CallIndirect)
            .unwrap();
        // The function, its context, the caller's context.
        let args = &code.func.dfg.inst_args(call)[3..];
        assert_eq!(args.len(), params);
        for (i, arg) in args.iter().enumerate() {
            let load = definition(&code.func, *arg, Opcode::Load).unwrap();
            assert_eq!(code.func.dfg.insts[load].load_store_offset(), Some(16 * i as i32));
            let place = code.func.dfg.inst_args(load)[0];
            if inline {
                let args = (code.contref, i64::from(offsets::VMCONTREF_ARGS));
                assert_eq!(code.parts(place, Opcode::Iadd), Some(args));
            } else {
                assert!(code.is_field(place, code.contref, offsets::VMCONTREF_VALUES_DATA));
            }
        }
        let [first, second] = *code.func.dfg.inst_results(call) else { panic!("{}", code.func) };
        let place = instructions(&code.func)
            .find_map(|inst| match (code.func.dfg.insts[inst].opcode(), code.func.dfg.inst_args(inst)) {
                (Opcode::Store, [value, address]) if *value == first => Some(*address),
                _ => None,
            })
            .unwrap();
        let load = definition(&code.func, place, Opcode::Load).unwrap();
        let frame = code.func.dfg.inst_args(load)[0];
        assert!(code.is_field(place, frame, offsets::VMRESUMEFRAME_VALUES));
        assert!(code.is_field(frame, code.contref, offsets::VMCONTREF_RESUME));
        let entry = code.func.layout.entry_block().unwrap();
        assert_eq!(code.stores(entry, place), [(0, first), (16, second)]);
    }
}

#[test]
fn many_values_need_a_check_of_the_stack() {
    for (params, results, checks) in [(32, 32, 0), (32, 33, 1), (65, 0, 1)] {
        let code = Code::new(params, results, false);
        assert_eq!(code.exhausted, checks);
        assert_eq!(count(&code.func, Opcode::GetStackPointer), checks);
    }
}

/// Where calls leave the return address in a register, the first thing that entry code does is to store one that ends walks.
#[test]
fn a_return_address_where_no_call_stores_one() {
    for isa in Isa::ALL {
        let code = Code::on(isa, 1, 1, false);
        let entry = code.func.layout.entry_block().unwrap();
        let first = code
            .func
            .layout
            .block_insts(entry)
            .find(|inst| code.func.dfg.insts[*inst].opcode() == Opcode::Store);
        let stored = first.and_then(|store| {
            let [value, address] = *code.func.dfg.inst_args(store) else { return None };
            let bottom = definition(&code.func, value, Opcode::Load)?;
            let (frame, header) = code.parts(address, Opcode::Iadd)?;
            definition(&code.func, frame, Opcode::GetFramePointer)?;
            let offset = |inst| code.func.dfg.insts[inst].load_store_offset();
            let of_header = code.func.dfg.inst_args(bottom)[0] == address;
            Some((of_header, header, offset(bottom)?, header as i32 + offset(store)?))
        });
        // Above the frame pointer that the prologue has stored.
        let header = offsets::ENTRY_FP_TO_VMSTACKHEADER;
        let wanted = (true, header.into(), offsets::VMSTACKHEADER_BOTTOM, 8);
        assert_eq!(stored == Some(wanted), isa.links_in_register(), "{isa:?}: {stored:?}");
    }
}
