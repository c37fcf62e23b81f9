//! Programs as data: what the generator makes, the model interprets and the encoder turns into Wasm.
//!
//! An [`Op`] is one Wasm instruction, except for a few that stand for a fixed sequence; code is structured
//! as in the text format. Types, tags, functions and so on are indices into the vectors of a [`Program`].

use std::fmt;
use std::rc::Rc;

/// A value type. References are nullable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Type {
    I32,
    I64,
    F32,
    F64,
    V128,
    /// `funcref`; its values are null or one of the [`PROBES`].
    Func,
    /// `externref`; its values are null or made by the host from an `i32`.
    Extern,
    Exn,
    /// `contref`.
    AnyCont,
    /// A reference to a continuation of a type in [`Program::conts`].
    Cont(usize),
    /// A reference to a function of a type in [`Program::sigs`]; only as an operand of `cont.new`.
    FuncOf(usize),
}

/// Functions of type `[] -> [i32]` that return their own number, so that a `funcref` shows which it is.
pub(crate) const PROBES: u32 = 4;

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    I32(i32),
    I64(i64),
    /// Floats are their bits.
    F32(u32),
    F64(u64),
    V128(u128),
    Func(Option<Callee>),
    Extern(Option<i32>),
    Exn(Option<Rc<Exception>>),
    /// Which reference object, as the model counts them.
    Cont(Option<usize>),
}

#[derive(Debug, PartialEq)]
pub(crate) struct Exception {
    pub(crate) tag: usize,
    pub(crate) payload: Vec<Value>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Callee {
    Local(usize),
    Host(usize),
    Probe(u32),
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sig {
    pub(crate) params: Vec<Type>,
    pub(crate) results: Vec<Type>,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Program {
    /// Function types.
    pub(crate) sigs: Vec<Sig>,
    /// Continuation types: each is over one of `sigs`.
    pub(crate) conts: Vec<usize>,
    /// The type of each tag, one of `sigs`.
    pub(crate) tags: Vec<usize>,
    pub(crate) functions: Vec<Function>,
    pub(crate) hosts: Vec<HostFunction>,
    /// Mutable globals, null or zero at first.
    pub(crate) globals: Vec<Type>,
    /// Where continuation references are kept, null at first.
    pub(crate) shelves: Vec<Shelf>,
    /// How often [`Op::Fuel`] can be executed, over all entries.
    pub(crate) fuel: i32,
    /// What the host runs, one after another.
    pub(crate) entries: Vec<Entry>,
}

/// A function, of a type without parameters, that the host calls, or of which it makes a continuation.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) function: usize,
    pub(crate) driver: Option<Driver>,
}

/// How the host resumes a continuation that it has made.
///
/// It resumes after each suspension with [`host_result`]s, every second time after it has bound the first of them; after `resumes`
/// suspensions with an exception of the tag `throw`, if there is one; and then it ends the continuation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Driver {
    /// The tags of which it handles a `suspend`.
    pub(crate) suspend: Vec<usize>,
    /// The tags of which it handles a `switch`: their results are those of the function.
    pub(crate) switch: Vec<usize>,
    pub(crate) resumes: usize,
    pub(crate) throw: Option<usize>,
}

impl Driver {
    /// What it does after this suspension, which is the first if `turn` is 0.
    pub(crate) fn answer(&self, turn: usize) -> Answer {
        match self.throw {
            _ if turn < self.resumes => Answer::Resume { bind: turn % 2 == 1 },
            Some(tag) if turn == self.resumes => Answer::Throw(tag),
            _ => Answer::Discard,
        }
    }
}

pub(crate) enum Answer {
    Resume { bind: bool },
    Throw(usize),
    Discard,
}

/// Whether the host makes a continuation of the callback of the host function with this number, rather than to call it.
pub(crate) fn resumes_callback(host: usize) -> bool {
    host % 2 == 1
}

/// The form in which a module's exports say it.
impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(Driver { suspend, switch, resumes, throw }) = &self.driver else { return Ok(()) };
        write!(f, " resumes {resumes}")?;
        suspend.iter().try_for_each(|tag| write!(f, " on {tag}"))?;
        switch.iter().try_for_each(|tag| write!(f, " switch {tag}"))?;
        throw.iter().try_for_each(|tag| write!(f, " throw {tag}"))
    }
}

impl std::str::FromStr for Driver {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut driver = Driver::default();
        let words: Vec<&str> = text.split_whitespace().collect();
        for pair in words.chunks_exact(2) {
            let number = pair[1].parse()?;
            match pair[0] {
                "resumes" => driver.resumes = number,
                "on" => driver.suspend.push(number),
                "switch" => driver.switch.push(number),
                "throw" => driver.throw = Some(number),
                other => unreachable!("no driver does `{other}`"),
            }
        }
        Ok(driver)
    }
}

/// Some places for references of one type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shelf {
    pub(crate) ty: Type,
    pub(crate) len: usize,
    pub(crate) kind: ShelfKind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ShelfKind {
    Table,
    /// An array that a global holds.
    Array,
    /// A structure that a global holds, and whose fields are the places.
    Struct,
}

impl ShelfKind {
    pub(crate) const ALL: [ShelfKind; 3] = [ShelfKind::Table, ShelfKind::Array, ShelfKind::Struct];

    /// The message of the trap at an index beyond the places.
    pub(crate) fn beyond(self) -> &'static str {
        match self {
            ShelfKind::Table => "undefined element: out of bounds table access",
            ShelfKind::Array => "out of bounds array access",
            ShelfKind::Struct => "wasm `unreachable` instruction executed",
        }
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Function {
    pub(crate) sig: usize,
    /// Without the parameters.
    pub(crate) locals: Vec<Type>,
    pub(crate) body: Vec<Op>,
}

/// An imported function that traces its arguments, calls a function of the instance if it has a callback,
/// and returns [`host_result`]s.
#[derive(Clone, Debug)]
pub(crate) struct HostFunction {
    pub(crate) sig: usize,
    /// One of [`Program::functions`], of type `[] -> []`.
    pub(crate) callback: Option<usize>,
}

#[derive(Clone, Debug)]
pub(crate) enum Op {
    Const(Value),
    Null(Type),
    RefFunc(Callee),
    /// `[i32] -> [externref]`, by a call of the host.
    MakeExtern,
    LocalGet(usize),
    LocalSet(usize),
    LocalTee(usize),
    GlobalGet(usize),
    GlobalSet(usize),
    /// `[i32] -> [t]`, for one of [`Program::shelves`].
    ShelfGet(usize),
    /// `[i32 t] -> []`
    ShelfSet(usize),
    IsNull,
    Drop,
    Eqz,
    /// `i32.add` or `i64.add`.
    Add(Type),
    /// `i32.div_u`.
    Div,
    /// `[t] -> []`: a call of the host, which appends the value to the trace.
    Event(Type),
    /// A call of the host, which collects garbage.
    Gc,
    /// Traps when executed more often than [`Program::fuel`] says. All functions and all loops begin with it.
    Fuel,
    Call(Callee),
    ReturnCall(Callee),
    Block(Vec<Type>, Vec<Op>),
    Loop(Vec<Op>),
    If(Vec<Type>, Vec<Op>, Vec<Op>),
    TryTable(Vec<Type>, Vec<Catch>, Vec<Op>),
    Br(usize),
    BrIf(usize),
    Return,
    Unreachable,
    Throw(usize),
    ThrowRef,
    ContNew(usize),
    ContBind(usize, usize),
    Suspend(usize),
    Resume(usize, Vec<Clause>),
    ResumeThrow(usize, usize, Vec<Clause>),
    ResumeThrowRef(usize, Vec<Clause>),
    Switch(usize, usize),
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Clause {
    /// `(on $tag $label)`
    Label { tag: usize, depth: usize },
    /// `(on $tag switch)`
    Switch { tag: usize },
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Catch {
    /// None for `catch_all` and `catch_all_ref`.
    pub(crate) tag: Option<usize>,
    pub(crate) with_ref: bool,
    pub(crate) depth: usize,
}

impl Program {
    pub(crate) fn tag(&self, tag: usize) -> &Sig {
        &self.sigs[self.tags[tag]]
    }

    pub(crate) fn cont(&self, cont: usize) -> &Sig {
        &self.sigs[self.conts[cont]]
    }

    pub(crate) fn sig(&self, callee: Callee) -> &Sig {
        match callee {
            Callee::Local(f) => &self.sigs[self.functions[f].sig],
            Callee::Host(h) => &self.sigs[self.hosts[h].sig],
            Callee::Probe(_) => unreachable!("programs do not call probes"),
        }
    }
}

impl Type {
    /// Zero, or null.
    pub(crate) fn default(self) -> Value {
        match self {
            Self::I32 => Value::I32(0),
            Self::I64 => Value::I64(0),
            Self::F32 => Value::F32(0),
            Self::F64 => Value::F64(0),
            Self::V128 => Value::V128(0),
            Self::Func | Self::FuncOf(_) => Value::Func(None),
            Self::Extern => Value::Extern(None),
            Self::Exn => Value::Exn(None),
            Self::AnyCont | Self::Cont(_) => Value::Cont(None),
        }
    }
}

/// What the host function with this number returns for a result like `zero`.
pub(crate) fn host_result(host: usize, zero: &Value) -> Value {
    let n = 7_000_000 + host as u32;
    match zero {
        Value::I32(_) => Value::I32(n as i32),
        Value::I64(_) => Value::I64(i64::from(n) << 8),
        Value::F32(_) => Value::F32(n),
        Value::F64(_) => Value::F64(u64::from(n) << 16),
        Value::V128(_) => Value::V128(u128::from(n) << 64 | 1),
        null => null.clone(),
    }
}

/// The form in which traces show values. A continuation can only be seen to be null or not.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::I32(v) => write!(f, "i32 {v}"),
            Self::I64(v) => write!(f, "i64 {v}"),
            Self::F32(v) => write!(f, "f32 {v:#x}"),
            Self::F64(v) => write!(f, "f64 {v:#x}"),
            Self::V128(v) => write!(f, "v128 {v:#x}"),
            Self::Func(Some(Callee::Probe(n))) => write!(f, "func {n}"),
            Self::Func(Some(other)) => write!(f, "func {other:?}"),
            Self::Func(None) => f.write_str("func null"),
            Self::Extern(Some(v)) => write!(f, "extern {v}"),
            Self::Extern(None) => f.write_str("extern null"),
            Self::Exn(Some(exception)) => write!(f, "exn {exception}"),
            Self::Exn(None) => f.write_str("exn null"),
            Self::Cont(Some(_)) => f.write_str("cont"),
            Self::Cont(None) => f.write_str("cont null"),
        }
    }
}

impl fmt::Display for Exception {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "tag {} ({})", self.tag, list(&self.payload))
    }
}

/// Values in the form in which traces show them.
pub(crate) fn list(values: &[Value]) -> String {
    values.iter().map(Value::to_string).collect::<Vec<_>>().join(", ")
}
