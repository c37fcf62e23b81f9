//! Pieces of code: values, blocks, branches, and what is known after them.

use super::*;
use crate::program::*;

impl<'a> Generator<'a> {
    pub(super) fn emit(&mut self, op: Op) {
        self.size += 1;
        self.body.size += 1;
        self.body.ops.push(op);
    }

    /// A new local; null, if it is for continuations.
    pub(super) fn local(&mut self, ty: Type) -> usize {
        self.body.locals.push(Local { ty, known: Known::Gone, counter: false });
        self.body.locals.len() - 1
    }

    /// Takes the top of the stack into a local of its own.
    pub(super) fn keep(&mut self, ct: usize, known: Known) -> usize {
        let local = self.local(Type::Cont(ct));
        self.body.locals[local].known = known;
        self.emit(Op::LocalSet(local));
        local
    }

    pub(super) fn global(&mut self, ty: Type) -> usize {
        let globals = &mut self.program.globals;
        globals.iter().position(|known| *known == ty).unwrap_or_else(|| {
            globals.push(ty);
            globals.len() - 1
        })
    }

    /// A shelf for continuations of this type, of any kind.
    pub(super) fn shelf(&mut self, ty: Type) -> usize {
        let kind = ShelfKind::ALL[self.below(3)];
        let shelf = Shelf { ty, len: 3, kind };
        let shelves = &mut self.program.shelves;
        shelves.iter().position(|known| *known == shelf).unwrap_or_else(|| {
            shelves.push(shelf);
            shelves.len() - 1
        })
    }

    /// The code that `make` makes, as the inside of a block.
    pub(super) fn nested(
        &mut self,
        label: Option<Label>,
        make: impl FnOnce(&mut Self),
    ) -> (Vec<Op>, Option<Label>) {
        let outside = std::mem::take(&mut self.body.ops);
        self.body.labels.push(label);
        make(self);
        let label = self.body.labels.pop().flatten();
        (std::mem::replace(&mut self.body.ops, outside), label)
    }

    pub(super) fn block(&mut self, results: &[Type], body: Vec<Op>) {
        // The type of the block.
        self.sig(Sig { params: Vec::new(), results: results.to_vec() });
        self.emit(Op::Block(results.to_vec(), body));
    }

    pub(super) fn known(&self) -> Vec<Known> {
        self.body.locals.iter().map(|local| local.known).collect()
    }

    pub(super) fn restore(&mut self, known: &[Known]) {
        for (index, local) in self.body.locals.iter_mut().enumerate() {
            local.known = known.get(index).copied().unwrap_or(Known::Gone);
        }
    }

    /// Code continues from several places.
    pub(super) fn join(&mut self, exits: &[Vec<Known>]) {
        for index in 0..self.body.locals.len() {
            let mut each = exits.iter().map(|known| known.get(index).copied().unwrap_or(Known::Gone));
            let first = each.next().unwrap_or(Known::Gone);
            let joined = each.fold(first, |a, b| match (a, b) {
                (Known::Live(a), Known::Live(b)) => Known::Live(a | b),
                (Known::Given(a), Known::Given(b)) => Known::Given(a | b),
                _ => Known::Gone,
            });
            self.body.locals[index].known = joined;
        }
    }

    /// ```wat
    /// (block $out (result results)
    ///   (block $n (result labels[n])
    ///     …
    ///       (block $0 (result labels[0]) innermost (br $out))
    ///       handler(0) (br $out)
    ///     …)
    ///   handler(n))
    /// ```
    /// `innermost` and each handler leave `results`. Handlers know what was known when `innermost` ended.
    pub(super) fn dispatch(
        &mut self,
        results: &[Type],
        labels: &[Vec<Type>],
        innermost: Handler<'_, 'a>,
        handler: Handler<'_, 'a>,
    ) {
        let mut exits = Vec::new();
        let (body, _) = self.nested(None, |g| g.level(labels, labels.len(), innermost, handler, &mut exits));
        self.block(results, body);
        self.join(&exits);
    }

    pub(super) fn level(
        &mut self,
        labels: &[Vec<Type>],
        level: usize,
        innermost: Handler<'_, 'a>,
        handler: Handler<'_, 'a>,
        exits: &mut Vec<Vec<Known>>,
    ) {
        let Some(label) = level.checked_sub(1) else {
            innermost(self, labels.len());
            exits.push(self.known());
            if !labels.is_empty() {
                self.emit(Op::Br(labels.len()));
            }
            return;
        };
        let (body, _) = self.nested(None, |g| g.level(labels, label, innermost, handler, exits));
        self.block(&labels[label], body);
        self.restore(&exits[0]);
        handler(self, label);
        exits.push(self.known());
        if level < labels.len() {
            self.emit(Op::Br(labels.len() - level));
        }
    }

    pub(super) fn pushes(&mut self, types: &[Type]) {
        for ty in types {
            // Something happens while operands are on the stack.
            if self.chance(4) {
                self.statement();
            }
            self.push(*ty);
        }
    }

    pub(super) fn push(&mut self, ty: Type) {
        if let Type::Cont(ct) = ty {
            return self.push_cont(ct);
        }
        let fits = |local: &Local| match ty {
            Type::AnyCont => matches!(local.ty, Type::Cont(_) | Type::AnyCont),
            _ => local.ty == ty,
        };
        let locals = &self.body.locals;
        let locals: Vec<usize> = (0..locals.len()).filter(|&index| fits(&locals[index])).collect();
        let kind = self.below(100);
        if let Some(local) = self.choose(&locals)
            && kind >= 60
        {
            self.emit(Op::LocalGet(local));
        } else if kind >= 52 && ty != Type::AnyCont {
            let global = self.global(ty);
            self.emit(Op::GlobalGet(global));
        } else if kind >= 45 && matches!(ty, Type::I32 | Type::I64) {
            self.constant(ty);
            self.push(ty);
            self.emit(Op::Add(ty));
        } else {
            self.constant(ty);
        }
    }

    /// A value that is like no other.
    pub(super) fn constant(&mut self, ty: Type) {
        self.serial += 1;
        let n = self.serial;
        let wide = u64::from(n) << 32 | u64::from(n);
        let (even, null) = (n.is_multiple_of(2), n.is_multiple_of(4));
        match ty {
            Type::I32 => self.emit(Op::Const(Value::I32(1000 + n as i32))),
            Type::I64 => self.emit(Op::Const(Value::I64(wide as i64))),
            // Every other is a NaN with a payload.
            Type::F32 => self.emit(Op::Const(Value::F32(if even { 0x4000_0000 } else { 0x7fc0_0000 } | n))),
            Type::F64 => {
                let class = if even { 0x4000 << 48 } else { 0x7ff8 << 48 };
                self.emit(Op::Const(Value::F64(class | u64::from(n))));
            }
            Type::V128 => self.emit(Op::Const(Value::V128(u128::from(wide) << 64 | u128::from(!wide)))),
            Type::Func if !null => self.emit(Op::RefFunc(Callee::Probe(n % PROBES))),
            Type::Extern if !null => {
                self.emit(Op::Const(Value::I32(n as i32)));
                self.emit(Op::MakeExtern);
            }
            Type::Exn if !even => self.exception(),
            reference => self.emit(Op::Null(reference)),
        }
    }

    /// An exception, thrown and caught.
    pub(super) fn exception(&mut self) {
        let tag = self.throw_tag();
        let params = self.program.tag(tag).params.clone();
        let outer = std::mem::replace(&mut self.body.frozen, usize::MAX);
        let (body, _) = self.nested(None, |g| {
            let (body, _) = g.nested(None, |g| {
                for ty in params {
                    // Not another exception, which could go on for ever.
                    if ty == Type::Exn { g.emit(Op::Null(ty)) } else { g.constant(ty) }
                }
                g.emit(Op::Throw(tag));
            });
            g.emit(Op::TryTable(Vec::new(), vec![Catch { tag: None, with_ref: true, depth: 0 }], body));
            g.emit(Op::Unreachable);
        });
        self.body.frozen = outer;
        self.block(&[Type::Exn], body);
    }

    pub(super) fn push_cont(&mut self, ct: usize) {
        let live = self.live(|_, of, _| of == ct);
        if !live.is_empty() && self.chance(70) {
            let local = live[self.below(live.len())];
            if let Known::Live(effects) = self.body.locals[local].known {
                *self.elsewhere.entry(ct).or_default() |= effects;
            }
            self.emit(Op::LocalGet(local));
            // Rarely, two hold it.
            if !self.chance(15) {
                self.body.locals[local].known = Known::Gone;
            }
        } else if self.chance(60) {
            let fresh = self.fresh(ct);
            *self.elsewhere.entry(ct).or_default() |= fresh.effects;
            self.emit_operand(&fresh);
        } else {
            self.emit(Op::Null(Type::Cont(ct)));
        }
    }

    /// Shows, keeps or drops what is on the stack. A continuation on top is `known`.
    pub(super) fn consume(&mut self, types: &[Type], known: Option<Known>) {
        let mut top = known;
        for ty in types.iter().rev().copied() {
            let kind = self.below(100);
            let known = top.take();
            if let Type::Cont(ct) = ty {
                if known.is_some() || kind >= 30 {
                    self.keep(ct, known.unwrap_or(Known::Given(self.elsewhere(ct))));
                } else {
                    self.emit(Op::Event(ty));
                }
            } else if kind < 65 {
                self.emit(Op::Event(ty));
            } else if kind < 90 {
                let locals = &self.body.locals;
                let fits = |local: &&usize| locals[**local].ty == ty && !locals[**local].counter;
                let locals: Vec<usize> =
                    (0..locals.len()).collect::<Vec<_>>().iter().filter(fits).copied().collect();
                let local = self.choose(&locals).unwrap_or_else(|| self.local(ty));
                self.emit(Op::LocalSet(local));
            } else {
                self.emit(Op::Drop);
            }
        }
    }

    /// An `i32` that is not always the same.
    pub(super) fn condition(&mut self) {
        let references: Vec<usize> = (0..self.body.locals.len())
            .filter(|&local| matches!(self.body.locals[local].ty, Type::Cont(_) | Type::Exn | Type::Func))
            .collect();
        match (self.below(4), self.choose(&references)) {
            (0, _) => self.emit(Op::Const(Value::I32(0))),
            (1, Some(local)) => {
                self.emit(Op::LocalGet(local));
                self.emit(Op::IsNull);
            }
            (2, _) => {
                self.push(Type::I32);
                self.emit(Op::Eqz);
            }
            _ => self.emit(Op::Const(Value::I32(1))),
        }
    }

    pub(super) fn counter(&mut self) -> usize {
        let times = 1 + self.below(4) as i32;
        let counter = self.local(Type::I32);
        self.body.locals[counter].counter = true;
        self.emit(Op::Const(Value::I32(times)));
        self.emit(Op::LocalSet(counter));
        counter
    }

    /// A loop that is left when the counter is zero.
    pub(super) fn repeat(&mut self, counter: usize, make: impl FnOnce(&mut Self)) {
        let outer = std::mem::replace(&mut self.body.frozen, self.body.locals.len());
        let (body, _) = self.nested(None, |g| {
            g.emit(Op::Fuel);
            make(g);
            g.emit(Op::LocalGet(counter));
            g.emit(Op::Const(Value::I32(-1)));
            g.emit(Op::Add(Type::I32));
            g.emit(Op::LocalTee(counter));
            g.emit(Op::BrIf(0));
        });
        self.body.frozen = outer;
        self.emit(Op::Loop(body));
    }
}
