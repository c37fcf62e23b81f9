//! Makes programs of bytes: every byte string is a valid program that ends.
//!
//! Programs are valid because code is only ever made to leave values of known types, and they end because all
//! loops and all functions begin with [`Op::Fuel`]. Both hold for any choice. The rest of this file is about
//! choices that keep a program alive for long: it guesses which locals hold a continuation that can be
//! used ([`Known`]) and what a continuation may do that a handler is needed for ([`Effects`]). The guesses
//! need not be right.
//!
//! When there are no bytes left, each choice is the first, which is the simplest.

mod code;
mod continuations;
mod statements;

use crate::program::*;
use arbitrary::Unstructured;
use std::collections::HashMap;

/// With this many operations, a program gets no more functions, and a function only simple statements.
const SIZE: usize = 1000;
const FUNCTION_SIZE: usize = 100;
/// How deep blocks nest in a function before statements get simple.
const DEPTH: usize = 14;

/// A set of what code may do: suspend with a tag, switch with a tag, throw.
type Effects = u32;

const THROWS: Effects = 1 << 31;

fn suspends(tag: usize) -> Effects {
    1 << (2 * tag)
}

fn switches(tag: usize) -> Effects {
    2 << (2 * tag)
}

/// What is thought of a local that holds a continuation.
#[derive(Clone, Copy, PartialEq)]
enum Known {
    /// It can be used.
    Live(Effects),
    /// It came from somewhere, and may be null.
    Given(Effects),
    /// It was used, or it is null, or nobody knows.
    Gone,
}

struct Local {
    ty: Type,
    known: Known,
    /// Loops count in it.
    counter: bool,
}

/// A block that branches may leave, and what is known where they do.
struct Label {
    results: Vec<Type>,
    exits: Vec<Vec<Known>>,
}

/// The function that is being made.
#[derive(Default)]
struct Body {
    function: usize,
    allowed: Effects,
    locals: Vec<Local>,
    ops: Vec<Op>,
    /// How many operations there are, with those in blocks.
    size: usize,
    /// None for blocks that are not left early.
    labels: Vec<Option<Label>>,
    /// Locals before this one are from outside a loop, and what they hold is not used up in it.
    frozen: usize,
}

struct Generator<'a> {
    bytes: Unstructured<'a>,
    program: Program,
    /// What each function is allowed to do.
    effects: Vec<Effects>,
    /// How many functions may still be made.
    functions: usize,
    size: usize,
    serial: u32,
    /// Tags for `suspend`, for `switch` and for `throw`; one can be in several.
    suspend_tags: Vec<usize>,
    switch_tags: Vec<usize>,
    throw_tags: Vec<usize>,
    /// For each of `switch_tags`, types of continuations that switch to each other, and what they do.
    families: Vec<([usize; 2], Effects)>,
    /// What functions return.
    results: Vec<Vec<Type>>,
    /// What continuations do that come from elsewhere, by their types.
    elsewhere: HashMap<usize, Effects>,
    body: Body,
}

enum Source {
    Local(usize),
    Fresh(Callee),
}

/// A continuation to be consumed.
struct Operand {
    source: Source,
    ct: usize,
    effects: Effects,
}

#[derive(Clone, Copy, PartialEq)]
enum How {
    Resume,
    Throw,
    ThrowRef,
}

type Handler<'h, 'a> = &'h mut dyn FnMut(&mut Generator<'a>, usize);

pub(crate) fn generate(bytes: &[u8]) -> Program {
    let mut generator = Generator {
        bytes: Unstructured::new(bytes),
        program: Program::default(),
        effects: Vec::new(),
        functions: 0,
        size: 0,
        serial: 0,
        suspend_tags: Vec::new(),
        switch_tags: Vec::new(),
        throw_tags: Vec::new(),
        families: Vec::new(),
        results: Vec::new(),
        elsewhere: HashMap::new(),
        body: Body::default(),
    };
    generator.module();
    generator.program
}

/// Choices.
impl Generator<'_> {
    fn below(&mut self, count: usize) -> usize {
        self.bytes.int_in_range(0..=count as u16 - 1).unwrap_or(0).into()
    }

    fn chance(&mut self, percent: u8) -> bool {
        self.bytes.int_in_range(0..=99).unwrap_or(0) >= 100 - percent
    }

    fn choose<T: Copy>(&mut self, of: &[T]) -> Option<T> {
        if of.is_empty() { None } else { Some(of[self.below(of.len())]) }
    }

    fn throw_tag(&mut self) -> usize {
        let index = self.below(self.throw_tags.len());
        self.throw_tags[index]
    }

    fn suspend_tag(&mut self) -> usize {
        let index = self.below(self.suspend_tags.len());
        self.suspend_tags[index]
    }

    fn some_results(&mut self) -> Vec<Type> {
        let index = self.below(self.results.len());
        self.results[index].clone()
    }

    fn types(&mut self, most: usize, of: &[Type]) -> Vec<Type> {
        let count = self.below(most + 1);
        (0..count).map(|_| of[self.below(of.len())]).collect()
    }
}

/// Types, tags and functions.
impl<'a> Generator<'a> {
    fn module(&mut self) {
        use Type::*;
        let plain = [I32, I64, F32, F64, V128, Func, Extern, Exn];
        self.program.fuel = 300;
        self.functions = 4 + self.below(10);
        let most = if self.chance(10) { 12 } else { 2 };
        self.results = vec![Vec::new(), self.types(2, &plain), self.types(most, &plain)];
        // A continuation type for payloads.
        let results = self.some_results();
        let simple = self.cont(Sig { params: Vec::new(), results });
        let payload = [I32, I64, F32, F64, V128, Func, Extern, Exn, AnyCont, Cont(simple)];
        for _ in 0..1 + self.below(2) {
            let results = self.some_results();
            let tag = self.tag(Sig { params: Vec::new(), results: results.clone() });
            self.switch_tags.push(tag);
            self.family(results);
        }
        for _ in 0..1 + self.below(3) {
            // Few values, or more than there are registers.
            let most = if self.chance(15) { 14 } else { 3 };
            let sig = Sig { params: self.types(most, &payload), results: self.types(most, &payload) };
            let tag = self.tag(sig);
            self.suspend_tags.push(tag);
        }
        for _ in 0..1 + self.below(2) {
            let params = self.types(3, &payload);
            let tag = self.tag(Sig { params, results: Vec::new() });
            self.throw_tags.push(tag);
        }
        // Each tag is for one thing, or for more than one.
        if self.chance(30) {
            self.suspend_tags.push(self.switch_tags[0]);
        }
        if self.chance(30) {
            self.suspend_tags.push(self.throw_tags[0]);
        }
        for family in 0..self.families.len() {
            let mut effects = switches(self.switch_tags[family]);
            effects |= if self.chance(30) { THROWS } else { 0 };
            for tag in self.suspend_tags.clone() {
                effects |= if self.chance(40) { suspends(tag) } else { 0 };
            }
            let conts = self.families[family].0;
            self.families[family].1 = effects;
            self.elsewhere.extend(conts.map(|ct| (ct, effects)));
        }
        for _ in 0..1 + self.below(3) {
            let results = self.types(2, &plain);
            let sig = self.sig(Sig { params: Vec::new(), results });
            let driver = if self.chance(50) { Some(self.driver(sig)) } else { None };
            let effects = driver.iter().flat_map(|driver| {
                let suspend = driver.suspend.iter().map(|&tag| suspends(tag));
                suspend.chain(driver.switch.iter().map(|&tag| switches(tag)))
            });
            let effects = effects.fold(0, |all, one| all | one);
            let function = self.new_function(sig, effects);
            self.program.entries.push(Entry { function, driver });
        }
        // The last entry comes last, to find in globals what others leave there.
        let last = self.program.entries.last().map(|entry| entry.function).filter(|entry| *entry > 0);
        let mut next = 0;
        while next < self.program.functions.len() {
            if Some(next) != last {
                self.function(next);
            }
            next += 1;
            if let Some(entry) = last
                && next == self.program.functions.len()
                && self.program.functions[entry].body.is_empty()
            {
                self.function(entry);
            }
        }
    }

    /// Whether functions of this type may switch with this tag: they must return what the prompt does.
    fn switch_fits(&self, tag: usize, sig: usize) -> bool {
        self.program.tag(tag).results == self.program.sigs[sig].results
    }

    /// What the host does with a continuation of a function of this type.
    fn driver(&mut self, sig: usize) -> Driver {
        let mut driver = Driver { resumes: self.below(6), ..Driver::default() };
        for tag in self.suspend_tags.clone() {
            if self.chance(70) {
                driver.suspend.push(tag);
            }
        }
        for tag in self.switch_tags.clone() {
            if self.switch_fits(tag, sig) && self.chance(70) {
                driver.switch.push(tag);
            }
        }
        if self.chance(30) {
            driver.throw = Some(self.throw_tag());
        }
        driver
    }

    fn sig(&mut self, sig: Sig) -> usize {
        let sigs = &mut self.program.sigs;
        sigs.iter().position(|known| *known == sig).unwrap_or_else(|| {
            sigs.push(sig);
            sigs.len() - 1
        })
    }

    fn cont(&mut self, sig: Sig) -> usize {
        let sig = self.sig(sig);
        let conts = &mut self.program.conts;
        conts.iter().position(|known| *known == sig).unwrap_or_else(|| {
            conts.push(sig);
            conts.len() - 1
        })
    }

    fn tag(&mut self, sig: Sig) -> usize {
        let sig = self.sig(sig);
        self.program.tags.push(sig);
        self.program.tags.len() - 1
    }

    /// Two types of continuations, maybe the same, whose last parameter is a continuation of the other type.
    fn family(&mut self, results: Vec<Type>) {
        let numbers = [Type::I32, Type::I64, Type::F64, Type::V128, Type::Extern];
        let count = 1 + self.below(2);
        let first = self.program.conts.len();
        for index in 0..count {
            let most = if self.chance(10) { 10 } else { 2 };
            let mut params = self.types(most, &numbers);
            params.push(Type::Cont(first + (index + 1) % count));
            self.program.sigs.push(Sig { params, results: results.clone() });
            self.program.conts.push(self.program.sigs.len() - 1);
        }
        self.families.push(([first, first + count - 1], 0));
    }

    fn everything(&self) -> Effects {
        let suspends = self.suspend_tags.iter().map(|&tag| suspends(tag));
        let switches = self.switch_tags.iter().map(|&tag| switches(tag));
        suspends.chain(switches).fold(THROWS, |all, one| all | one)
    }

    fn elsewhere(&self, ct: usize) -> Effects {
        self.elsewhere.get(&ct).copied().unwrap_or_default()
    }

    fn new_function(&mut self, sig: usize, effects: Effects) -> usize {
        self.program.functions.push(Function { sig, locals: Vec::new(), body: Vec::new() });
        self.effects.push(effects);
        self.program.functions.len() - 1
    }

    /// A function that does at most what is `wanted`; and what it does.
    fn request(&mut self, sig: usize, wanted: Effects) -> (Callee, Effects) {
        let fits = |g: &Self, f: usize| g.program.functions[f].sig == sig && g.effects[f] & !wanted == 0;
        let here = self.body.function;
        let later: Vec<usize> = (here + 1..self.effects.len()).filter(|&f| fits(self, f)).collect();
        let room = self.functions > 0 && self.size < SIZE;
        if room && (later.is_empty() || self.chance(50)) {
            self.functions -= 1;
            let effects = self.some_of(sig, wanted);
            return (Callee::Local(self.new_function(sig, effects)), effects);
        }
        if let Some(found) = self.choose(&later) {
            return (Callee::Local(found), self.effects[found]);
        }
        let before: Vec<usize> = (0..here + 1).filter(|&f| fits(self, f)).collect();
        if self.chance(15)
            && let Some(found) = self.choose(&before)
        {
            return (Callee::Local(found), self.effects[found]);
        }
        self.host(sig)
    }

    fn some_of(&mut self, sig: usize, wanted: Effects) -> Effects {
        let families = self.families.iter();
        let mut families = families.filter(|family| family.0.iter().any(|&ct| self.program.conts[ct] == sig));
        if let Some((_, effects)) = families.next() {
            return effects & wanted;
        }
        let mut effects = if self.chance(40) { THROWS } else { 0 };
        for tag in self.suspend_tags.clone() {
            effects |= if self.chance(55) { suspends(tag) } else { 0 };
        }
        effects |= suspends(self.suspend_tag());
        for tag in self.switch_tags.clone() {
            effects |= if self.switch_fits(tag, sig) && self.chance(30) { switches(tag) } else { 0 };
        }
        effects & wanted
    }

    fn host(&mut self, sig: usize) -> (Callee, Effects) {
        let found = self.program.hosts.iter().position(|host| host.sig == sig);
        let host = found.unwrap_or_else(|| {
            let mut callback = None;
            if self.chance(50) && self.size < SIZE {
                let sig = self.sig(Sig::default());
                let effects = if self.chance(20) { self.everything() } else { THROWS };
                callback = Some(self.new_function(sig, effects));
            }
            self.program.hosts.push(HostFunction { sig, callback });
            self.program.hosts.len() - 1
        });
        let throws = self.program.hosts[host].callback.is_some_and(|f| self.effects[f] & THROWS != 0);
        (Callee::Host(host), if throws { THROWS } else { 0 })
    }

    fn function(&mut self, index: usize) {
        let Sig { params, results } = self.program.sigs[self.program.functions[index].sig].clone();
        self.body = Body { function: index, allowed: self.effects[index], ..Body::default() };
        for ty in params.iter().copied() {
            let local = self.local(ty);
            if let Type::Cont(ct) = ty {
                self.body.locals[local].known = Known::Given(self.elsewhere(ct));
            }
        }
        // A callback needs more of the host's stack.
        let callback = self.program.hosts.iter().any(|host| host.callback == Some(index));
        for _ in 0..if callback { 8 } else { 1 } {
            self.emit(Op::Fuel);
        }
        for (local, ty) in params.iter().enumerate() {
            if self.chance(35) {
                self.emit(Op::LocalGet(local));
                self.emit(Op::Event(*ty));
            }
        }
        let entry = self.program.entries.iter().any(|entry| entry.function == index);
        let count = if entry { 2 + self.below(4) } else { self.below(5) };
        if entry && index > 0 && self.chance(50) {
            self.take_stored();
            self.use_given();
        }
        // What a function is there for comes first: the rest may never be reached.
        if self.may_switch() && self.chance(60) {
            self.switch_or_given();
        } else if self.may_suspend() && self.chance(60) {
            self.suspend();
        }
        self.statements(count);
        if self.chance(8) {
            self.tail_call(&results);
        } else {
            self.pushes(&results);
        }
        let locals = self.body.locals[params.len()..].iter().map(|local| local.ty).collect();
        let body = std::mem::take(&mut self.body.ops);
        self.program.functions[index] = Function { sig: self.program.functions[index].sig, locals, body };
    }
}
