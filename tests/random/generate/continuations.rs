//! Statements that make and consume continuations.

use super::*;

impl<'a> Generator<'a> {
    pub(super) fn suspend(&mut self) {
        let allowed: Vec<usize> =
            self.suspend_tags.iter().copied().filter(|&tag| self.body.allowed & suspends(tag) != 0).collect();
        let Some(tag) = self.choose(&allowed) else { return };
        // With something around it that catches what `resume_throw` throws.
        if self.chance(25) && !self.is_large() {
            self.with_try(|g| g.suspend_with(tag));
        } else {
            self.suspend_with(tag);
        }
    }

    pub(super) fn suspend_with(&mut self, tag: usize) {
        let Sig { params, results } = self.program.tag(tag).clone();
        self.pushes(&params);
        self.emit(Op::Suspend(tag));
        self.consume(&results, None);
    }

    /// Whether continuations of a type can be switched to under a prompt with these results.
    pub(super) fn switchable(&self, ct: usize, results: &[Type]) -> bool {
        let sig = self.program.cont(ct);
        let back = |c| self.program.cont(c).results == results;
        matches!(sig.params.last(), Some(Type::Cont(c)) if back(*c)) && sig.results == results
    }

    /// A function that was switched to switches back.
    pub(super) fn switch_or_given(&mut self) {
        let given = |local: &Local| matches!(local, Local { ty: Type::Cont(_), known: Known::Given(_), .. });
        if self.body.locals.iter().any(given) && self.chance(60) { self.use_given() } else { self.switch() }
    }

    pub(super) fn switch(&mut self) {
        let families = 0..self.switch_tags.len();
        let allowed: Vec<usize> =
            families.filter(|&f| self.body.allowed & switches(self.switch_tags[f]) != 0).collect();
        let Some(family) = self.choose(&allowed) else { return };
        let tag = self.switch_tags[family];
        let results = self.program.tag(tag).results.clone();
        let operand = self
            .operand(|g, ct, does| g.switchable(ct, &results) && does & !g.body.allowed == 0)
            .unwrap_or_else(|| {
                let member = self.below(2);
                let ct = self.families[family].0[member];
                let (callee, effects) = self.request(self.program.conts[ct], self.body.allowed);
                Operand { source: Source::Fresh(callee), ct, effects }
            });
        self.switch_to(operand, tag);
    }

    pub(super) fn switch_to(&mut self, operand: Operand, tag: usize) {
        let params = self.program.cont(operand.ct).params.clone();
        let Some((Type::Cont(back), args)) = params.split_last() else { unreachable!("switchable") };
        self.pushes(args);
        self.emit_operand(&operand);
        self.emit(Op::Switch(operand.ct, tag));
        let received = self.program.cont(*back).params.clone();
        let effects = operand.effects | self.body.allowed;
        // Whoever switches back is the one to switch to the next time.
        let known = matches!(received.last(), Some(Type::Cont(_))).then_some(Known::Live(effects));
        self.consume(&received, known);
    }

    /// A type of continuation, worth having one of.
    pub(super) fn some_cont(&mut self) -> usize {
        let later = self.body.function + 1..self.effects.len();
        let useful: Vec<usize> = later.filter(|&f| self.effects[f] & !THROWS != 0).collect();
        if let Some(function) = self.choose(&useful)
            && self.chance(70)
        {
            let sig = self.program.sigs[self.program.functions[function].sig].clone();
            return self.cont(sig);
        }
        let mut params = Vec::new();
        match self.below(4) {
            0 => {}
            // What the first suspend waits for is what the second does.
            1 => {
                let tag = self.suspend_tag();
                params = self.program.tag(tag).results.clone()
            }
            2 => {
                let family = self.below(self.families.len());
                let member = self.below(2);
                return self.families[family].0[member];
            }
            _ => {
                params =
                    self.types(4, &[Type::I32, Type::F64, Type::Extern, Type::V128, Type::I64, Type::Exn])
            }
        }
        let results = self.some_results();
        self.cont(Sig { params, results })
    }

    pub(super) fn fresh(&mut self, ct: usize) -> Operand {
        // What is done on its stack may be for somebody further out.
        let outside = self.may_suspend() && self.chance(50);
        let wanted = if outside { self.body.allowed } else { self.everything() };
        let (callee, effects) = self.request(self.program.conts[ct], wanted);
        Operand { source: Source::Fresh(callee), ct, effects }
    }

    pub(super) fn live(&self, fits: impl Fn(&Self, usize, Effects) -> bool) -> Vec<usize> {
        let live = |index: &usize| match self.body.locals[*index] {
            Local { ty: Type::Cont(ct), known: Known::Live(effects), .. } => fits(self, ct, effects),
            _ => false,
        };
        (self.body.frozen.min(self.body.locals.len())..self.body.locals.len()).filter(live).collect()
    }

    /// A continuation that is there, thought to be usable. It is thought to be gone from now on.
    pub(super) fn operand(&mut self, fits: impl Fn(&Self, usize, Effects) -> bool) -> Option<Operand> {
        let live = self.live(fits);
        if !self.chance(80) {
            return None;
        }
        let local = self.choose(&live)?;
        Some(self.take(local))
    }

    pub(super) fn take(&mut self, local: usize) -> Operand {
        let Local { ty: Type::Cont(ct), known, .. } = self.body.locals[local] else { unreachable!() };
        let (Known::Live(effects) | Known::Given(effects)) = known else {
            return Operand { source: Source::Local(local), ct, effects: 0 };
        };
        self.body.locals[local].known = Known::Gone;
        Operand { source: Source::Local(local), ct, effects }
    }

    pub(super) fn emit_operand(&mut self, operand: &Operand) {
        match operand.source {
            Source::Local(local) => self.emit(Op::LocalGet(local)),
            Source::Fresh(callee) => {
                self.emit(Op::RefFunc(callee));
                self.emit(Op::ContNew(operand.ct));
            }
        }
    }

    pub(super) fn create(&mut self) {
        let ct = self.some_cont();
        let fresh = self.fresh(ct);
        self.emit_operand(&fresh);
        self.keep(ct, Known::Live(fresh.effects));
    }

    pub(super) fn bind(&mut self) {
        let operand = self.operand(|_, _, _| true).unwrap_or_else(|| {
            let ct = self.some_cont();
            self.fresh(ct)
        });
        self.bind_operand(&operand);
    }

    /// Binds some arguments; and the local that has the result.
    pub(super) fn bind_operand(&mut self, operand: &Operand) -> usize {
        let Sig { params, results } = self.program.cont(operand.ct).clone();
        let (prefix, rest) = params.split_at(self.below(params.len() + 1));
        let bound = self.cont(Sig { params: rest.to_vec(), results });
        // Nothing is bound, and the type is the same: families are told apart from others like them.
        let bound = if prefix.is_empty() { operand.ct } else { bound };
        self.pushes(prefix);
        self.emit_operand(operand);
        self.emit(Op::ContBind(operand.ct, bound));
        self.keep(bound, Known::Live(operand.effects))
    }

    pub(super) fn resume_statement(&mut self) {
        let operand = self.operand(|_, _, _| true).unwrap_or_else(|| {
            let ct = self.some_cont();
            self.fresh(ct)
        });
        let how = self.how(&operand);
        self.resume_and_consume(operand, how);
    }

    pub(super) fn how(&mut self, operand: &Operand) -> How {
        let throws = match operand.source {
            Source::Fresh(_) => 6,
            Source::Local(_) => 20,
        };
        if !self.chance(throws) {
            How::Resume
        } else if self.chance(50) {
            How::Throw
        } else {
            How::ThrowRef
        }
    }

    pub(super) fn resume_and_consume(&mut self, operand: Operand, how: How) {
        let results = self.program.cont(operand.ct).results.clone();
        let throws = operand.effects & THROWS != 0 || how != How::Resume;
        let caught = throws && (self.body.allowed & THROWS == 0 || self.chance(30));
        let make = |g: &mut Self| {
            g.resume(operand, how);
            g.consume(&results, None);
        };
        if caught && !self.chance(4) { self.with_try(make) } else { make(self) }
    }

    /// Resumes, handles what is to be handled, and leaves the results of the continuation.
    pub(super) fn resume(&mut self, operand: Operand, how: How) {
        let Sig { params, results } = self.program.cont(operand.ct).clone();
        // What nobody around is ready for must be handled here; other things can be.
        let mut kinds = Vec::new();
        for tag in 0..self.program.tags.len() {
            for (bit, switch) in [(suspends(tag), false), (switches(tag), true)] {
                if operand.effects & bit != 0 {
                    let percent = if self.body.allowed & bit != 0 { 30 } else { 99 };
                    if self.chance(percent) {
                        kinds.insert(self.below(kinds.len() + 1), (tag, switch));
                    }
                }
            }
        }
        // Other clauses, second ones, and ones of the wrong kind.
        while kinds.len() < 5 && self.chance(20) {
            let tag = self.choose(&kinds).map(|kind| kind.0).filter(|_| self.chance(60));
            let extra = (tag.unwrap_or(self.below(self.program.tags.len())), self.chance(30));
            kinds.insert(self.below(kinds.len() + 1), extra);
        }
        let fits = |sig: &Sig| sig.params.is_empty() && sig.results == results;
        kinds.retain(|&(tag, switch)| !switch || fits(self.program.tag(tag)));

        let again =
            kinds.iter().position(|&(tag, switch)| !switch && self.program.tag(tag).results == params);
        let again = again.filter(|_| how == How::Resume && self.body.labels.len() < DEPTH && self.chance(50));
        let mut labels = Vec::new();
        let mut conts = Vec::new();
        let mut clauses = Vec::new();
        for (index, &(tag, switch)) in kinds.iter().enumerate() {
            if switch {
                clauses.push(Clause::Switch { tag });
                continue;
            }
            let Sig { params, results: waits } = self.program.tag(tag).clone();
            if again == Some(index) {
                clauses.push(Clause::Label { tag, depth: 0 });
                continue;
            }
            clauses.push(Clause::Label { tag, depth: labels.len() + if again.is_some() { 2 } else { 0 } });
            let ct = self.cont(Sig { params: waits, results: results.clone() });
            conts.push(ct);
            labels.push([params, vec![Type::Cont(ct)]].concat());
        }
        let again = again.map(|index| kinds[index].0);
        let effects = operand.effects;
        self.dispatch(
            &results,
            &labels,
            &mut |g, outside| match again {
                Some(tag) => g.resume_again(&operand, tag, &clauses, outside, &results),
                None => g.resume_once(&operand, how, &clauses),
            },
            &mut |g, label| {
                let (_, payload) = labels[label].split_last().expect("a continuation");
                let mut local = g.keep(conts[label], Known::Live(effects));
                g.consume(payload, None);
                if g.chance(25) {
                    let operand = g.take(local);
                    local = g.bind_operand(&operand);
                }
                let count = g.below(2);
                g.statements(count);
                let live = matches!(g.body.locals[local].known, Known::Live(_));
                if live && !g.is_large() && g.chance(75) {
                    let operand = g.take(local);
                    let how = g.how(&operand);
                    if how == How::Resume {
                        g.resume(operand, how);
                    } else {
                        g.resume_and_consume(operand, how);
                        g.pushes(&results);
                    }
                } else {
                    g.pushes(&results);
                }
            },
        );
    }

    pub(super) fn resume_once(&mut self, operand: &Operand, how: How, clauses: &[Clause]) {
        let clauses = clauses.to_vec();
        match how {
            How::Resume => {
                let params = self.program.cont(operand.ct).params.clone();
                self.pushes(&params);
                self.emit_operand(operand);
                self.emit(Op::Resume(operand.ct, clauses));
            }
            How::Throw => {
                let tag = self.throw_tag();
                let params = self.program.tag(tag).params.clone();
                self.pushes(&params);
                self.emit_operand(operand);
                self.emit(Op::ResumeThrow(operand.ct, tag, clauses));
            }
            How::ThrowRef => {
                if self.chance(90) {
                    self.exception()
                } else {
                    self.push(Type::Exn)
                }
                self.emit_operand(operand);
                self.emit(Op::ResumeThrowRef(operand.ct, clauses));
            }
        }
    }

    /// Resumes again and again while it suspends with `tag`, a few times at most.
    pub(super) fn resume_again(
        &mut self,
        operand: &Operand,
        tag: usize,
        clauses: &[Clause],
        outside: usize,
        results: &[Type],
    ) {
        let Sig { params, results: waits } = self.program.tag(tag).clone();
        self.emit_operand(operand);
        let local = self.keep(operand.ct, Known::Gone);
        let counter = self.counter();
        self.repeat(counter, |g| {
            let (body, _) = g.nested(None, |g| {
                g.pushes(&waits);
                g.emit(Op::LocalGet(local));
                g.emit(Op::Resume(operand.ct, clauses.to_vec()));
                g.emit(Op::Br(outside + 2));
            });
            g.block(&[params.clone(), vec![Type::Cont(operand.ct)]].concat(), body);
            g.emit(Op::LocalSet(local));
            g.consume(&params, None);
            let count = g.below(2);
            g.statements(count);
        });
        self.body.locals[local].known = Known::Live(operand.effects);
        self.pushes(results);
    }

    /// Uses what came from somewhere, unless it is null.
    pub(super) fn use_given(&mut self) {
        let locals = self.body.frozen.min(self.body.locals.len())..self.body.locals.len();
        let given: Vec<usize> =
            locals.filter(|&local| matches!(self.body.locals[local].known, Known::Given(_))).collect();
        let Some(local) = self.choose(&given) else { return };
        let operand = self.take(local);
        let before = self.known();
        self.emit(Op::LocalGet(local));
        self.emit(Op::IsNull);
        let (otherwise, _) = self.nested(None, |g| {
            let tags = g.switch_tags.iter().copied();
            let tag = tags.filter(|&tag| g.body.allowed & switches(tag) != 0).find(|&tag| {
                let results = &g.program.tag(tag).results;
                g.switchable(operand.ct, results)
            });
            match tag {
                Some(tag) if g.chance(80) => g.switch_to(operand, tag),
                _ => g.resume_and_consume(operand, How::Resume),
            }
        });
        let after = self.known();
        self.emit(Op::If(Vec::new(), Vec::new(), otherwise));
        self.join(&[before, after]);
    }

    /// A continuation that others find in a global after it was used in vain.
    fn store(&mut self, ct: usize) -> usize {
        let fresh = self.fresh(ct);
        self.emit_operand(&fresh);
        let global = self.global(Type::Cont(ct));
        self.emit(Op::GlobalSet(global));
        global
    }

    /// Switches, whether there is a prompt for it or not.
    pub(super) fn switch_nowhere(&mut self) {
        let family = self.below(self.families.len());
        let member = self.below(2);
        let ct = self.families[family].0[member];
        let global = self.store(ct);
        let params = self.program.cont(ct).params.clone();
        let Some((Type::Cont(back), args)) = params.split_last() else { unreachable!("a family") };
        self.pushes(args);
        self.emit(Op::GlobalGet(global));
        self.emit(Op::Switch(ct, self.switch_tags[family]));
        let received = self.program.cont(*back).params.clone();
        self.consume(&received, None);
    }

    /// Throws a null exception into a continuation.
    pub(super) fn resume_throw_nothing(&mut self, ct: usize) {
        let global = self.store(ct);
        self.emit(Op::Null(Type::Exn));
        self.emit(Op::GlobalGet(global));
        self.emit(Op::ResumeThrowRef(ct, Vec::new()));
        let results = self.program.cont(ct).results.clone();
        self.consume(&results, None);
    }

    /// Uses a continuation that is thought not to be usable.
    pub(super) fn misuse(&mut self) {
        let locals = 0..self.body.locals.len();
        let conts: Vec<usize> =
            locals.filter(|&local| matches!(self.body.locals[local].ty, Type::Cont(_))).collect();
        let Some(local) = self.choose(&conts) else { return };
        let operand = self.take(local);
        let how = self.how(&operand);
        if self.chance(70) {
            self.resume_and_consume(operand, how);
        } else {
            self.emit_operand(&operand);
            self.emit(Op::ContBind(operand.ct, operand.ct));
            self.keep(operand.ct, Known::Live(operand.effects));
        }
    }
}
