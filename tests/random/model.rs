//! What a program must do: an interpreter that follows the reduction rules.
//!
//! A configuration is a stack of [`Frame`]s: an evaluation context, innermost last. `resume` pushes a prompt
//! with its clauses; `suspend` and `switch` cut the frames above the prompt that handles them off, and these
//! frames are the continuation. Nothing else is needed. The rules that are easy to get wrong have numbers:
//!
//! | rule | |
//! | --- | --- |
//! | 1 | who uses a continuation consumes it: all copies of the reference are of no use any more, for ever |
//! | 2 | an instruction that traps in its own checks has consumed nothing |
//! | 3 | handlers: from the innermost prompt outwards, clauses of the right kind from left to right |
//! | 4 | a capture takes all up to the prompt, and the prompts in it are in force again when resumed |
//! | 5 | the prompt that handled a suspend is gone |
//! | 6 | the prompt that handled a switch stays, with the target under it |
//! | 7 | `cont.bind` adds to the values that a continuation waits for, be it fresh or suspended |
//! | 8 | a continuation's results are those of the innermost `resume` around it when it ends |
//! | 9 | exceptions cross prompts as they cross calls |
//! | 10 | `resume_throw` throws where the continuation was suspended; if it is fresh, nothing of it runs |
//! | 11 | a trap discards all frames, and leaves everything else |
//! | 12 | frames of the host end the search for a handler |
//!
//! After each entry, and where a program collects garbage, the trace says how many continuations must still be there.

use crate::program::*;
use crate::trace::alive;
use std::collections::BTreeMap;
use std::rc::Rc;

/// Steps after which a program is given up. Generated programs end long before; those that the shrinker makes
/// of them need not.
const STEPS: u64 = 200_000;

/// How the host resumes the continuation of a callback.
static NO_CLAUSES: Driver = Driver { suspend: Vec::new(), switch: Vec::new(), resumes: 0, throw: None };

/// What a program did.
pub(crate) struct Outcome {
    /// A line for each event, and for the end of each entry.
    pub(crate) trace: Vec<String>,
    /// How often what happened.
    pub(crate) stats: BTreeMap<String, u64>,
}

/// A piece of the evaluation context: code with a hole in it, and the values to the left of the hole.
struct Frame<'p> {
    kind: Kind<'p>,
    code: &'p [Op],
    next: usize,
    values: Vec<Value>,
}

enum Kind<'p> {
    /// A label that takes this many values and is left by a branch to it.
    Block { arity: usize },
    /// A label that takes no values and is begun again by a branch to it.
    Loop,
    /// As `Block`; and what catches exceptions thrown inside.
    Try { arity: usize, catches: &'p [Catch] },
    /// As `Block`; and the locals of what is inside.
    Function { arity: usize, locals: Vec<Value> },
    /// A `resume` around a continuation.
    Prompt { clauses: &'p [Clause] },
    /// A resume by the host around a continuation.
    Driver(&'p Driver),
    /// A function of the host, which called Wasm. Its values are what it is going to return.
    Host,
}

/// What a reference to a continuation refers to, until it is consumed.
struct Cont<'p> {
    /// Values supplied by `cont.bind`.
    bound: Vec<Value>,
    state: State<'p>,
}

enum State<'p> {
    Fresh(Callee),
    Suspended(Vec<Frame<'p>>),
}

impl Cont<'_> {
    /// How many continuations of an engine it is: one, and one for each prompt that was captured with it.
    fn stacks(&self) -> usize {
        match &self.state {
            State::Fresh(_) => 1,
            State::Suspended(frames) => 1 + prompts(frames),
        }
    }
}

fn prompts(frames: &[Frame<'_>]) -> usize {
    frames.iter().filter(|frame| matches!(frame.kind, Kind::Prompt { .. } | Kind::Driver(_))).count()
}

/// The host's values of these types, for a tag.
fn defaults(tag: usize, types: &[Type]) -> Vec<Value> {
    types.iter().map(|ty| host_result(tag, &ty.default())).collect()
}

/// Why an entry ends without results.
enum Stop {
    Trap(&'static str),
    Uncaught(Rc<Exception>),
    TooLong,
    /// The host handles a `suspend`.
    Suspended {
        tag: usize,
        payload: Vec<Value>,
        reference: Value,
    },
}

struct Machine<'p> {
    program: &'p Program,
    frames: Vec<Frame<'p>>,
    /// Every reference object there ever was; None once consumed [1].
    conts: Vec<Option<Cont<'p>>>,
    globals: Vec<Value>,
    shelves: Vec<Vec<Value>>,
    fuel: i32,
    steps: u64,
    trace: Vec<String>,
    stats: BTreeMap<String, u64>,
}

/// Interprets a program; None if it takes too long.
pub(crate) fn run(program: &Program) -> Option<Outcome> {
    let mut machine = Machine {
        program,
        frames: Vec::new(),
        conts: Vec::new(),
        globals: program.globals.iter().map(|ty| ty.default()).collect(),
        shelves: program.shelves.iter().map(|shelf| vec![shelf.ty.default(); shelf.len]).collect(),
        fuel: program.fuel,
        steps: 0,
        trace: Vec::new(),
        stats: BTreeMap::new(),
    };
    for entry in &program.entries {
        let end = match machine.entry(entry) {
            Ok(Some(results)) => format!("return {}", list(&results)),
            Ok(None) => "discard".to_string(),
            Err(Stop::Trap(message)) => format!("trap {message}"),
            Err(Stop::Uncaught(exception)) => format!("uncaught {exception}"),
            Err(Stop::TooLong) => return None,
            Err(Stop::Suspended { .. }) => unreachable!("nothing outside a driver suspends to the host"),
        };
        let kind = match end.split_once(' ') {
            Some(("trap", _)) => end.as_str(),
            Some((kind, _)) => kind,
            None => "",
        };
        machine.count(&format!("end: {kind}"));
        machine.trace.push(end);
        // A trap or an exception has left them.
        machine.frames.clear();
        machine.census(&[]);
    }
    // Nothing runs, and the references in globals and on shelves are dropped.
    machine.trace.push(alive(0, 0));
    Some(Outcome { trace: machine.trace, stats: machine.stats })
}

impl<'p> Machine<'p> {
    /// What the host does with an entry. None if it has ended the continuation.
    fn entry(&mut self, entry: &'p Entry) -> Result<Option<Vec<Value>>, Stop> {
        let driver = entry.driver.as_ref();
        self.enter_wasm(driver);
        let mut ran = self.invoke(Callee::Local(entry.function), Vec::new()).and_then(|()| self.run());
        let Some(driver) = driver else { return ran.map(Some) };
        for turn in 0.. {
            let Err(Stop::Suspended { tag, payload, reference }) = ran else { break };
            self.trace.push(format!("suspend {tag} ({})", list(&payload)));
            drop(payload);
            self.frames.clear();
            self.census(std::slice::from_ref(&reference));
            let cont = self.consume(&reference)?;
            self.enter_wasm(Some(driver));
            let entered = match driver.answer(turn) {
                Answer::Resume { .. } => {
                    self.count("host: resumes");
                    let args = defaults(tag, &self.program.tag(tag).results);
                    self.enter_cont(cont, args)
                }
                Answer::Throw(tag) => {
                    self.count("host: resume_throws");
                    let payload = defaults(tag, &self.program.tag(tag).params);
                    let State::Suspended(frames) = cont.state else { unreachable!("it has suspended") };
                    self.frames.extend(frames);
                    self.throw(Rc::new(Exception { tag, payload }))
                }
                Answer::Discard => {
                    self.count("host: discards");
                    return Ok(None);
                }
            };
            ran = entered.and_then(|()| self.run());
        }
        ran.map(Some)
    }

    /// The host enters Wasm.
    fn enter_wasm(&mut self, driver: Option<&'p Driver>) {
        self.frames.clear();
        self.enter(Kind::Host, &[]);
        if let Some(driver) = driver {
            self.enter(Kind::Driver(driver), &[]);
        }
    }

    /// Runs until the host's frame is left. A trap or an exception discards all frames and nothing else. [11]
    fn run(&mut self) -> Result<Vec<Value>, Stop> {
        loop {
            self.steps += 1;
            if self.steps > STEPS {
                return Err(Stop::TooLong);
            }
            let top = self.top();
            if let Some(op) = top.code.get(top.next) {
                top.next += 1;
                self.step(op)?;
            } else {
                // The values of a context whose code is at its end are those of the hole it is in. For a
                // prompt: the results of a continuation are those of the innermost `resume` around it. [8]
                let done = self.frames.pop().expect("the frame just seen");
                match self.frames.last_mut() {
                    Some(below) => below.values.extend(done.values),
                    None => return Ok(done.values),
                }
            }
        }
    }

    fn step(&mut self, op: &'p Op) -> Result<(), Stop> {
        let program = self.program;
        match op {
            Op::Const(value) => self.push(value.clone()),
            Op::Null(ty) => self.push(ty.default()),
            Op::RefFunc(callee) => self.push(Value::Func(Some(*callee))),
            Op::MakeExtern => {
                let value = self.pop_i32();
                self.push(Value::Extern(Some(value)));
            }
            Op::LocalGet(local) => {
                let value = self.locals()[*local].clone();
                self.push(value);
            }
            Op::LocalSet(local) => {
                let value = self.pop();
                self.locals()[*local] = value;
            }
            Op::LocalTee(local) => {
                let value = self.top().values.last().expect("valid").clone();
                self.locals()[*local] = value;
            }
            Op::GlobalGet(global) => self.push(self.globals[*global].clone()),
            Op::GlobalSet(global) => self.globals[*global] = self.pop(),
            Op::ShelfGet(shelf) => {
                let index = self.pop_i32() as usize;
                let value = self.shelves[*shelf].get(index).cloned();
                self.push(value.ok_or(Stop::Trap(program.shelves[*shelf].kind.beyond()))?);
            }
            Op::ShelfSet(shelf) => {
                let value = self.pop();
                let index = self.pop_i32() as usize;
                let slot = self.shelves[*shelf].get_mut(index);
                *slot.ok_or(Stop::Trap(program.shelves[*shelf].kind.beyond()))? = value;
            }
            Op::IsNull => {
                let value = self.pop();
                let null = matches!(
                    value,
                    Value::Func(None) | Value::Extern(None) | Value::Exn(None) | Value::Cont(None)
                );
                self.push(Value::I32(null.into()));
            }
            Op::Drop => drop(self.pop()),
            Op::Eqz => {
                let value = self.pop_i32();
                self.push(Value::I32((value == 0).into()));
            }
            Op::Add(_) => {
                let sum = match (self.pop(), self.pop()) {
                    (Value::I32(b), Value::I32(a)) => Value::I32(a.wrapping_add(b)),
                    (Value::I64(b), Value::I64(a)) => Value::I64(a.wrapping_add(b)),
                    other => unreachable!("not valid: {other:?}"),
                };
                self.push(sum);
            }
            Op::Div => {
                let divisor = self.pop_i32() as u32;
                let dividend = self.pop_i32() as u32;
                let quotient = dividend.checked_div(divisor).ok_or(Stop::Trap("integer divide by zero"))?;
                self.push(Value::I32(quotient as i32));
            }
            Op::Event(_) => {
                let value = self.pop();
                self.event(&value);
            }
            Op::Gc => self.census(&[]),
            Op::Fuel => {
                self.fuel -= 1;
                if self.fuel < 0 {
                    self.count("fuel: used up");
                    return Err(Stop::Trap("wasm `unreachable` instruction executed"));
                }
            }
            Op::Call(callee) => {
                let args = self.pops(program.sig(*callee).params.len());
                self.invoke(*callee, args)?;
            }
            Op::ReturnCall(callee) => {
                let args = self.pops(program.sig(*callee).params.len());
                let function = self.function();
                self.frames.truncate(function);
                self.invoke(*callee, args)?;
            }
            Op::Block(results, body) => self.enter(Kind::Block { arity: results.len() }, body),
            Op::Loop(body) => self.enter(Kind::Loop, body),
            Op::If(results, then, otherwise) => {
                let taken = if self.pop_i32() != 0 { then } else { otherwise };
                self.enter(Kind::Block { arity: results.len() }, taken);
            }
            Op::TryTable(results, catches, body) => {
                self.enter(Kind::Try { arity: results.len(), catches }, body)
            }
            Op::Br(depth) => self.branch_with_operands(*depth),
            Op::BrIf(depth) => {
                if self.pop_i32() != 0 {
                    self.branch_with_operands(*depth);
                }
            }
            Op::Return => {
                let function = self.function();
                let Kind::Function { arity, .. } = self.frames[function].kind else { unreachable!() };
                let results = self.pops(arity);
                self.frames.truncate(function);
                self.top().values.extend(results);
            }
            Op::Unreachable => return Err(Stop::Trap("wasm `unreachable` instruction executed")),
            Op::Throw(tag) => {
                let payload = self.pops(program.tag(*tag).params.len());
                self.throw(Rc::new(Exception { tag: *tag, payload }))?;
            }
            Op::ThrowRef => {
                let exception = self.pop_exception()?;
                self.throw(exception)?;
            }
            Op::ContNew(_) => {
                let Value::Func(function) = self.pop() else { unreachable!() };
                let callee = function.ok_or(Stop::Trap("null reference"))?;
                self.new_reference(Cont { bound: Vec::new(), state: State::Fresh(callee) });
            }
            // [7]
            Op::ContBind(from, to) => {
                let reference = self.pop();
                let count = program.cont(*from).params.len() - program.cont(*to).params.len();
                let prefix = self.pops(count);
                let mut cont = self.consume(&reference)?;
                let suspended = matches!(cont.state, State::Suspended(_));
                self.count(if suspended { "bind: suspended" } else { "bind: fresh" });
                cont.bound.extend(prefix);
                self.new_reference(cont);
            }
            Op::Suspend(tag) => {
                let payload = self.pops(program.tag(*tag).params.len());
                let (prompt, depth) = self.handler(*tag, false)?;
                self.count_capture("suspend", prompt);
                self.capture(prompt);
                let reference = self.pop();
                // The prompt is gone once used. [5]
                self.frames.pop();
                let Some(depth) = depth else {
                    return Err(Stop::Suspended { tag: *tag, payload, reference });
                };
                let mut values = payload;
                values.push(reference);
                self.branch(depth, values);
            }
            Op::Resume(ct, clauses) => {
                let reference = self.pop();
                let args = self.pops(program.cont(*ct).params.len());
                let cont = self.consume(&reference)?;
                self.count(match cont.state {
                    State::Suspended(_) => "resume: suspended",
                    State::Fresh(Callee::Host(_)) => "resume: fresh, host",
                    State::Fresh(_) => "resume: fresh",
                });
                self.prompt(clauses);
                self.enter_cont(cont, args)?;
            }
            // The body of a fresh continuation never runs; a suspended one sees the exception where it was
            // suspended. [10]
            Op::ResumeThrow(_, tag, clauses) => {
                let reference = self.pop();
                let payload = self.pops(program.tag(*tag).params.len());
                let cont = self.consume(&reference)?;
                self.throw_into(cont, clauses, Rc::new(Exception { tag: *tag, payload }))?;
            }
            // A null exception is found before a consumed continuation, and does not consume one. [2]
            Op::ResumeThrowRef(_, clauses) => {
                let reference = self.pop();
                if let Value::Cont(None) = reference {
                    return Err(Stop::Trap("null reference"));
                }
                let exception = self.pop_exception()?;
                let cont = self.consume(&reference)?;
                self.throw_into(cont, clauses, exception)?;
            }
            // The prompt stays in force, and the target runs directly under it. [6]
            Op::Switch(ct, tag) => {
                let reference = self.pop();
                let mut args = self.pops(program.cont(*ct).params.len() - 1);
                self.check(&reference)?;
                let (prompt, _) = self.handler(*tag, true)?;
                let target = self.consume(&reference)?;
                self.count_capture("switch", prompt);
                self.capture(prompt);
                args.push(self.pop());
                self.enter_cont(target, args)?;
            }
        }
        Ok(())
    }

    /// Checks a reference to a continuation that is to be consumed.
    fn check(&mut self, reference: &Value) -> Result<usize, Stop> {
        let Value::Cont(reference) = reference else { unreachable!() };
        let index = reference.ok_or(Stop::Trap("null reference"))?;
        match self.conts[index] {
            Some(_) => Ok(index),
            None => Err(Stop::Trap("continuation already consumed")),
        }
    }

    /// One-shot: whoever uses a continuation takes it, from all copies of the reference. [1]
    fn consume(&mut self, reference: &Value) -> Result<Cont<'p>, Stop> {
        let index = self.check(reference)?;
        Ok(self.conts[index].take().expect("checked"))
    }

    fn new_reference(&mut self, cont: Cont<'p>) {
        self.conts.push(Some(cont));
        self.push(Value::Cont(Some(self.conts.len() - 1)));
    }

    fn prompt(&mut self, clauses: &'p [Clause]) {
        self.frames.push(Frame { kind: Kind::Prompt { clauses }, code: &[], next: 0, values: Vec::new() });
        let nested = self.prompts();
        self.count(&format!(
            "resume: {} stacks deep",
            if nested > 9 { "10 or more".to_string() } else { nested.to_string() }
        ));
    }

    /// Puts a continuation back: all its frames, with the prompts among them. [4]
    fn enter_cont(&mut self, cont: Cont<'p>, args: Vec<Value>) -> Result<(), Stop> {
        let mut values = cont.bound;
        values.extend(args);
        match cont.state {
            State::Fresh(callee) => self.invoke(callee, values),
            State::Suspended(frames) => {
                self.frames.extend(frames);
                self.top().values.extend(values);
                Ok(())
            }
        }
    }

    fn throw_into(
        &mut self,
        cont: Cont<'p>,
        clauses: &'p [Clause],
        exception: Rc<Exception>,
    ) -> Result<(), Stop> {
        self.prompt(clauses);
        let prompts = self.prompts();
        match cont.state {
            State::Fresh(_) => self.count("resume_throw: fresh"),
            State::Suspended(frames) => {
                self.count("resume_throw: suspended");
                self.frames.extend(frames);
            }
        }
        self.throw(exception)?;
        if self.prompts() >= prompts {
            self.count("resume_throw: caught inside");
        }
        Ok(())
    }

    /// The innermost prompt this side of the host with a clause for the tag; and the label, unless the clause
    /// is the host's, or for `switch`. [3, 12]
    fn handler(&mut self, tag: usize, switch: bool) -> Result<(usize, Option<usize>), Stop> {
        for index in (0..self.frames.len()).rev() {
            let clauses = match self.frames[index].kind {
                Kind::Prompt { clauses } => clauses,
                Kind::Driver(driver) => {
                    let tags = if switch { &driver.switch } else { &driver.suspend };
                    if tags.contains(&tag) {
                        self.count(if switch { "host: handles a switch" } else { "host: handles a suspend" });
                        return Ok((index, None));
                    }
                    continue;
                }
                Kind::Host => break,
                _ => continue,
            };
            for clause in clauses {
                match *clause {
                    Clause::Label { tag: t, depth } if t == tag && !switch => {
                        return Ok((index, Some(depth)));
                    }
                    Clause::Switch { tag: t } if t == tag && switch => return Ok((index, None)),
                    Clause::Label { tag: t, .. } | Clause::Switch { tag: t } if t == tag => {
                        self.count("handler: a clause of the wrong kind skipped");
                    }
                    _ => {}
                }
            }
        }
        Err(Stop::Trap("unhandled tag: this suspend or switch has no handler for its tag"))
    }

    /// Cuts off all above the prompt, and pushes a reference to it on what is left. [4]
    fn capture(&mut self, prompt: usize) {
        let frames = self.frames.split_off(prompt + 1);
        self.new_reference(Cont { bound: Vec::new(), state: State::Suspended(frames) });
    }

    /// Adds how many continuations are alive after a collection while the host holds these.
    ///
    /// Those that run are, and those that globals and shelves lead to, by way of bound arguments and exceptions too. Values in
    /// frames do not count for certain: a compiler may keep them no longer than they are used, and a frame may keep words
    /// that are of no use. So with frames in play there is a range, up to all that nobody has consumed.
    fn census(&mut self, held: &[Value]) {
        let mut reached = vec![false; self.conts.len()];
        let mut exact = self.frames.is_empty();
        let mut values: Vec<&Value> =
            self.globals.iter().chain(self.shelves.iter().flatten()).chain(held).collect();
        while let Some(value) = values.pop() {
            match value {
                Value::Cont(Some(index)) => {
                    let Some(cont) = &self.conts[*index] else { continue };
                    if !std::mem::replace(&mut reached[*index], true) {
                        exact &= matches!(cont.state, State::Fresh(_));
                        values.extend(&cont.bound);
                    }
                }
                Value::Exn(Some(exception)) => values.extend(&exception.payload),
                _ => {}
            }
        }
        let running = self.prompts();
        let unconsumed =
            || self.conts.iter().zip(&reached).filter_map(|(cont, &reached)| Some((cont.as_ref()?, reached)));
        let least = running
            + unconsumed().filter(|(_, reached)| *reached).map(|(cont, _)| cont.stacks()).sum::<usize>();
        let most = running + unconsumed().map(|(cont, _)| cont.stacks()).sum::<usize>();
        self.count(if exact { "collection: exact" } else { "collection: a range" });
        if exact && least < most {
            self.count("collection: something must be gone");
        }
        self.trace.push(alive(least, if exact { least } else { most }));
    }

    /// Unwinds to the innermost `try_table` with a matching clause, through prompts as through all else. [9]
    fn throw(&mut self, exception: Rc<Exception>) -> Result<(), Stop> {
        let mut crossed = 0;
        while let Some(frame) = self.frames.pop() {
            match frame.kind {
                Kind::Prompt { .. } | Kind::Driver(_) => crossed += 1,
                Kind::Try { catches, .. } => {
                    let matches = |c: &&Catch| c.tag.is_none_or(|tag| tag == exception.tag);
                    let Some(catch) = catches.iter().find(matches) else { continue };
                    self.count(&format!("throw: caught, {} stacks crossed", usize::min(crossed, 3)));
                    let mut values = Vec::new();
                    if catch.tag.is_some() {
                        values.extend(exception.payload.iter().cloned());
                    }
                    if catch.with_ref {
                        values.push(Value::Exn(Some(exception)));
                    }
                    self.branch(catch.depth, values);
                    return Ok(());
                }
                _ => {}
            }
        }
        Err(Stop::Uncaught(exception))
    }

    fn invoke(&mut self, callee: Callee, args: Vec<Value>) -> Result<(), Stop> {
        match callee {
            Callee::Local(function) => {
                let function = &self.program.functions[function];
                let arity = self.program.sigs[function.sig].results.len();
                let mut locals = args;
                locals.extend(function.locals.iter().map(|ty| ty.default()));
                self.enter(Kind::Function { arity, locals }, &function.body);
            }
            Callee::Host(index) => {
                self.trace.push(format!("host {index}"));
                for arg in &args {
                    self.event(arg);
                }
                let host = &self.program.hosts[index];
                let results = &self.program.sigs[host.sig].results;
                let values = results.iter().map(|ty| host_result(index, &ty.default())).collect();
                self.frames.push(Frame { kind: Kind::Host, code: &[], next: 0, values });
                if let Some(callback) = host.callback {
                    self.count("host: callbacks");
                    if resumes_callback(index) {
                        self.enter(Kind::Driver(&NO_CLAUSES), &[]);
                    }
                    self.invoke(Callee::Local(callback), Vec::new())?;
                }
            }
            Callee::Probe(_) => unreachable!("programs do not call probes"),
        }
        Ok(())
    }

    fn enter(&mut self, kind: Kind<'p>, code: &'p [Op]) {
        self.frames.push(Frame { kind, code, next: 0, values: Vec::new() });
    }

    /// Which frame the label is, counted from the innermost. Labels of other functions are out of reach.
    fn label(&self, depth: usize) -> usize {
        self.frames.len() - 1 - depth
    }

    fn branch_with_operands(&mut self, depth: usize) {
        let arity = match self.frames[self.label(depth)].kind {
            Kind::Block { arity } | Kind::Try { arity, .. } | Kind::Function { arity, .. } => arity,
            Kind::Loop => 0,
            Kind::Prompt { .. } | Kind::Driver(_) | Kind::Host => unreachable!("not a label"),
        };
        let values = self.pops(arity);
        self.branch(depth, values);
    }

    fn branch(&mut self, depth: usize, values: Vec<Value>) {
        let label = self.label(depth);
        self.frames.truncate(label + 1);
        if let Kind::Loop = self.top().kind {
            self.top().next = 0;
            self.top().values.clear();
        } else {
            self.frames.pop();
            self.top().values.extend(values);
        }
    }

    /// The frame of the function that is being executed.
    fn function(&self) -> usize {
        let found = self.frames.iter().rposition(|frame| matches!(frame.kind, Kind::Function { .. }));
        found.expect("code is in a function")
    }

    fn locals(&mut self) -> &mut Vec<Value> {
        let function = self.function();
        let Kind::Function { locals, .. } = &mut self.frames[function].kind else { unreachable!() };
        locals
    }

    fn top(&mut self) -> &mut Frame<'p> {
        self.frames.last_mut().expect("the host's frame is at the bottom")
    }

    fn push(&mut self, value: Value) {
        self.top().values.push(value);
    }

    fn pop(&mut self) -> Value {
        self.top().values.pop().expect("valid")
    }

    fn pops(&mut self, count: usize) -> Vec<Value> {
        let values = &mut self.top().values;
        values.split_off(values.len() - count)
    }

    fn pop_i32(&mut self) -> i32 {
        let Value::I32(value) = self.pop() else { unreachable!() };
        value
    }

    fn pop_exception(&mut self) -> Result<Rc<Exception>, Stop> {
        let Value::Exn(exception) = self.pop() else { unreachable!() };
        exception.ok_or(Stop::Trap("null reference"))
    }

    fn event(&mut self, value: &Value) {
        self.trace.push(format!("event {value}"));
    }

    fn prompts(&self) -> usize {
        prompts(&self.frames)
    }

    fn count(&mut self, what: &str) {
        *self.stats.entry(what.to_string()).or_default() += 1;
    }

    /// Counts a suspend or switch by how many stacks it captures.
    fn count_capture(&mut self, what: &str, prompt: usize) {
        let stacks = prompts(&self.frames[prompt..]).min(4);
        self.count(&format!("{what}: {stacks} stacks captured"));
    }
}
