//! Statements: code that leaves nothing on the stack.

use super::*;

type Statement<'a> = fn(&mut Generator<'a>);

impl<'a> Generator<'a> {
    pub(super) fn statements(&mut self, count: usize) {
        for _ in 0..count {
            self.statement();
        }
    }

    pub(super) fn may_suspend(&self) -> bool {
        self.suspend_tags.iter().any(|&tag| self.body.allowed & suspends(tag) != 0)
    }

    pub(super) fn is_large(&self) -> bool {
        self.size > SIZE || self.body.size > FUNCTION_SIZE || self.body.labels.len() > DEPTH
    }

    pub(super) fn may_switch(&self) -> bool {
        self.switch_tags.iter().any(|&tag| self.body.allowed & switches(tag) != 0)
    }

    pub(super) fn statement(&mut self) {
        if self.is_large() {
            return self.event();
        }
        let given = self.body.locals.iter().any(|local| matches!(local.known, Known::Given(_)));
        let throws = if self.body.allowed & THROWS != 0 { 30 } else { 0 };
        let choices: [(usize, Statement<'a>); _] = [
            (6, Self::event),
            (4, Self::set),
            (if self.may_suspend() { 45 } else { 0 }, Self::suspend),
            (if self.may_switch() { 45 } else { 0 }, Self::switch_or_given),
            (6, Self::create),
            (8, Self::bind),
            (40, Self::resume_statement),
            (if given { 20 } else { 0 }, Self::use_given),
            (6, Self::call),
            (3, Self::call_host),
            (5, Self::ballast),
            (6, Self::move_cont),
            (5, Self::branch),
            (3, Self::exit),
            (3, Self::left_block),
            (4, Self::loop_statement),
            (5, Self::try_statement),
            (throws, Self::throw),
            (2, Self::misuse),
            (2, Self::trap),
            (2, |g| g.emit(Op::Gc)),
        ];
        let mut choice = self.below(choices.iter().map(|(weight, _)| weight).sum());
        for (weight, make) in choices {
            if choice < weight {
                return make(self);
            }
            choice -= weight;
        }
    }

    pub(super) fn event(&mut self) {
        let types =
            [Type::I32, Type::I64, Type::F32, Type::F64, Type::V128, Type::Func, Type::Extern, Type::Exn];
        let ty = types[self.below(types.len())];
        self.push(ty);
        self.emit(Op::Event(ty));
    }

    pub(super) fn set(&mut self) {
        let types = [Type::I32, Type::I64, Type::F32, Type::V128, Type::Func, Type::Extern, Type::Exn];
        let ty = types[self.below(types.len())];
        self.push(ty);
        if self.chance(30) {
            let global = self.global(ty);
            self.emit(Op::GlobalSet(global));
        } else {
            let local = self.local(ty);
            self.emit(Op::LocalSet(local));
        }
    }

    pub(super) fn call(&mut self) {
        let plain = [Type::I32, Type::F32, Type::Extern, Type::V128, Type::Func, Type::I64];
        let results = self.some_results();
        let sig = Sig { params: self.types(3, &plain), results };
        self.call_with(sig, Self::request);
    }

    pub(super) fn call_host(&mut self) {
        let sig = Sig {
            params: self.types(2, &[Type::I64, Type::F32, Type::Extern, Type::AnyCont]),
            results: self.results[1].clone(),
        };
        self.call_with(sig, |g, sig, _| g.host(sig));
    }

    pub(super) fn call_with(
        &mut self,
        sig: Sig,
        request: impl Fn(&mut Self, usize, Effects) -> (Callee, Effects),
    ) {
        let index = self.sig(sig.clone());
        let (callee, effects) = request(self, index, self.body.allowed);
        let make = |g: &mut Self| {
            g.pushes(&sig.params);
            g.emit(Op::Call(callee));
            g.consume(&sig.results, None);
        };
        if effects & THROWS & !self.body.allowed != 0 { self.with_try(make) } else { make(self) }
    }

    pub(super) fn tail_call(&mut self, results: &[Type]) {
        let sig =
            Sig { params: self.types(3, &[Type::I32, Type::F64, Type::Extern]), results: results.to_vec() };
        let index = self.sig(sig.clone());
        let (callee, _) = self.request(index, self.body.allowed);
        self.pushes(&sig.params);
        self.emit(Op::ReturnCall(callee));
    }

    /// A statement above values that are looked at afterwards.
    pub(super) fn ballast(&mut self) {
        let types = self.types(
            3,
            &[Type::I32, Type::I64, Type::F32, Type::F64, Type::V128, Type::Func, Type::Extern, Type::Exn],
        );
        self.pushes(&types);
        self.statement();
        self.consume(&types, None);
    }

    /// Between locals, globals and shelves.
    pub(super) fn move_cont(&mut self) {
        let live = self.live(|_, _, _| true);
        match self.choose(&live) {
            Some(local) if self.chance(60) => {
                let ty = self.body.locals[local].ty;
                let Type::Cont(ct) = ty else { unreachable!() };
                if self.chance(50) {
                    self.push_cont(ct);
                    let global = self.global(ty);
                    self.emit(Op::GlobalSet(global));
                } else {
                    let index = self.below(3) as i32;
                    self.emit(Op::Const(Value::I32(index)));
                    self.push_cont(ct);
                    let shelf = self.shelf(ty);
                    self.emit(Op::ShelfSet(shelf));
                }
            }
            _ => self.take_stored(),
        }
    }

    /// A continuation that was put into a global or on a shelf.
    pub(super) fn take_stored(&mut self) {
        let globals = self.program.globals.iter().map(|&ty| (ty, None));
        let shelves = self.program.shelves.iter().enumerate().map(|(shelf, known)| (known.ty, Some(shelf)));
        let stored: Vec<_> = globals.chain(shelves).filter(|(ty, _)| matches!(ty, Type::Cont(_))).collect();
        let Some((ty @ Type::Cont(ct), shelf)) = self.choose(&stored) else { return self.create() };
        // Mostly, what is taken is not there any more.
        let leave = self.chance(7);
        if let Some(shelf) = shelf {
            let index = self.below(3) as i32;
            self.emit(Op::Const(Value::I32(index)));
            self.emit(Op::ShelfGet(shelf));
            if !leave {
                self.emit(Op::Const(Value::I32(index)));
                self.emit(Op::Null(ty));
                self.emit(Op::ShelfSet(shelf));
            }
        } else {
            let global = self.global(ty);
            self.emit(Op::GlobalGet(global));
            if !leave {
                self.emit(Op::Null(ty));
                self.emit(Op::GlobalSet(global));
            }
        }
        self.keep(ct, Known::Given(self.elsewhere(ct)));
    }

    pub(super) fn branch(&mut self) {
        self.condition();
        let before = self.known();
        let count = self.below(3);
        let (then, _) = self.nested(None, |g| g.statements(count));
        let after = self.known();
        self.restore(&before);
        let count = self.below(3);
        let (otherwise, _) = self.nested(None, |g| g.statements(count));
        let exits = [after, self.known()];
        self.emit(Op::If(Vec::new(), then, otherwise));
        self.join(&exits);
    }

    /// Something that leaves the code at hand, if a condition holds.
    pub(super) fn conditionally(&mut self, make: impl FnOnce(&mut Self)) {
        self.condition();
        let before = self.known();
        let (then, _) = self.nested(None, make);
        self.emit(Op::If(Vec::new(), then, Vec::new()));
        self.restore(&before);
    }

    /// Leaves a block or the function early.
    pub(super) fn exit(&mut self) {
        self.conditionally(|g| {
            let labels = &g.body.labels;
            let left: Vec<usize> = (0..labels.len()).filter(|&index| labels[index].is_some()).collect();
            let label = if g.chance(85) { g.choose(&left) } else { None };
            let Some(label) = label else {
                let sig = g.program.functions[g.body.function].sig;
                let results = g.program.sigs[sig].results.clone();
                g.pushes(&results);
                return g.emit(Op::Return);
            };
            let results = g.body.labels[label].as_ref().expect("chosen").results.clone();
            g.pushes(&results);
            let known = g.known();
            g.body.labels[label].as_mut().expect("chosen").exits.push(known);
            g.emit(Op::Br(g.body.labels.len() - 1 - label));
        });
    }

    pub(super) fn left_block(&mut self) {
        let results = self.types(2, &[Type::I32, Type::F32, Type::Extern, Type::V128]);
        let label = Label { results: results.clone(), exits: Vec::new() };
        let (body, label) = self.nested(Some(label), |g| {
            let count = 1 + g.below(2);
            g.statements(count);
            g.exit();
            g.statement();
            g.pushes(&results);
        });
        let mut exits = label.map(|label| label.exits).unwrap_or_default();
        exits.push(self.known());
        self.block(&results, body);
        self.join(&exits);
        self.consume(&results, None);
    }

    pub(super) fn loop_statement(&mut self) {
        let counter = self.counter();
        let before = self.known();
        self.repeat(counter, |g| {
            let count = 1 + g.below(2);
            g.statements(count);
        });
        let after = self.known();
        self.join(&[before, after]);
    }

    pub(super) fn try_statement(&mut self) {
        let count = 1 + self.below(3);
        self.with_try(|g| g.statements(count));
    }

    pub(super) fn with_try(&mut self, make: impl FnOnce(&mut Self)) {
        let mut catches = Vec::new();
        let mut labels = Vec::new();
        let others = self.below(3);
        for index in 0..=others {
            let last = index == others && !self.chance(20);
            let tag = if last { None } else { Some(self.throw_tag()) };
            let with_ref = self.chance(50);
            let mut types = tag.map(|tag| self.program.tag(tag).params.clone()).unwrap_or_default();
            if with_ref {
                types.push(Type::Exn);
            }
            catches.push(Catch { tag, with_ref, depth: labels.len() });
            labels.push(types);
        }
        let mut make = Some(make);
        self.dispatch(
            &[],
            &labels.clone(),
            &mut |g, _| {
                let before = g.known();
                let allowed = g.body.allowed;
                g.body.allowed |= THROWS;
                let make = make.take().expect("made once");
                let (body, _) = g.nested(None, make);
                g.body.allowed = allowed;
                g.emit(Op::TryTable(Vec::new(), catches.clone(), body));
                // It may have been left anywhere.
                let after = g.known();
                g.join(&[before, after]);
            },
            &mut |g, label| {
                g.consume(&labels[label], None);
                let count = g.below(2);
                g.statements(count);
            },
        );
    }

    pub(super) fn throw(&mut self) {
        self.conditionally(|g| {
            if g.chance(25) {
                g.push(Type::Exn);
                g.emit(Op::ThrowRef);
            } else {
                let tag = g.throw_tag();
                let params = g.program.tag(tag).params.clone();
                g.pushes(&params);
                g.emit(Op::Throw(tag));
            }
        });
    }

    pub(super) fn trap(&mut self) {
        let kind = self.below(8);
        let ct = self.some_cont();
        self.conditionally(|g| match kind {
            0 => g.emit(Op::Unreachable),
            1 => {
                g.constant(Type::I32);
                g.emit(Op::Const(Value::I32(0)));
                g.emit(Op::Div);
                g.emit(Op::Drop);
            }
            2 => {
                g.emit(Op::Null(Type::FuncOf(g.program.conts[ct])));
                g.emit(Op::ContNew(ct));
                g.emit(Op::Drop);
            }
            // There need not be a handler.
            3 => {
                let tag = g.suspend_tag();
                g.suspend_with(tag);
            }
            4 => g.switch_nowhere(),
            5 => g.resume_throw_nothing(ct),
            _ => {
                let shelf = g.shelf(Type::Cont(ct));
                g.emit(Op::Const(Value::I32(3)));
                g.emit(Op::ShelfGet(shelf));
                g.emit(Op::Drop);
            }
        });
    }
}
