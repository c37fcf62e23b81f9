//! Runs a module on an engine and writes down what it does, in the form of the model's traces.
//!
//! | import | what the host does |
//! | --- | --- |
//! | `event_…` | appends its argument to the trace |
//! | `make_extern` | makes an `externref` of a number |
//! | `gc` | collects garbage, and counts the continuations that are left |
//! | `hostN` | appends its arguments to the trace, runs the export `callbackN` if any, returns constants |
//!
//! | export | |
//! | --- | --- |
//! | `runN` | the host calls it |
//! | `runN resumes …` | the host makes a continuation of it, and resumes that: see `Driver` |
//! | `callbackN` | see `hostN`; if N is odd, the host resumes a continuation of it |
//!
//! The exports `run0`, `run1` and so on run one after another, in one store. After each of them, every second round through the
//! engines, a collection counts the continuations. In the end `clear` drops all references, so that nothing can resume a
//! continuation any more, and a collection counts again.

use crate::program::{Answer, Callee, Driver, Exception, Value, host_result, list, resumes_callback};
use crate::trace::counted;
use std::rc::Rc;
use wasmfx::StackSwitchingBackend;
use wasmfx::wasmtime::error::Context as _;
use wasmfx::wasmtime::*;

/// How many engines a backend has: `turn`s are taken modulo this.
pub(crate) const ENGINES: u64 = 9;

/// Whether a program whose turn this is collects after each entry: every second round through the engines.
pub(crate) fn collects(turn: u64) -> bool {
    (turn / ENGINES).is_multiple_of(2)
}

/// The engines of a backend: programs take turns on them.
pub(crate) struct Engines {
    engines: Vec<Engine>,
}

#[derive(Default)]
struct State {
    trace: Vec<String>,
    /// The module's tags, in their order.
    tags: Vec<Tag>,
}

impl Engines {
    pub(crate) fn new(backend: StackSwitchingBackend) -> Result<Self> {
        let mut engines = Vec::new();
        // Some of them trap by explicit checks.
        for (collector, signals) in [
            (Collector::DeferredReferenceCounting, true),
            (Collector::Copying, false),
            (Collector::Null, true),
        ] {
            for (opt_level, inlining) in [
                (OptLevel::None, Inlining::No),
                (OptLevel::Speed, Inlining::No),
                (OptLevel::Speed, Inlining::Yes),
            ] {
                let mut config = wasmfx::config();
                config
                    .stack_switching_backend(backend)
                    .collector(collector)
                    .signals_based_traps(signals)
                    .cranelift_opt_level(opt_level)
                    .compiler_inlining(inlining)
                    .parallel_compilation(false);
                engines.push(Engine::new(&config)?);
            }
        }
        assert_eq!(engines.len() as u64, ENGINES);
        Ok(Self { engines })
    }

    /// The trace of a module, in binary or text format, on the engine whose turn it is.
    pub(crate) fn run(&self, module: &[u8], turn: u64) -> Vec<String> {
        let engine = &self.engines[(turn % ENGINES) as usize];
        let mut store = Store::new(engine, State::default());
        if let Err(error) = run_all(&mut store, module, collects(turn)) {
            store.data_mut().trace.push(format!("error {error:?}"));
        }
        store.into_data().trace
    }
}

fn run_all(store: &mut Store<State>, module: &[u8], collect: bool) -> Result<()> {
    let module = Module::new(store.engine(), module)?;
    let mut imports = Vec::new();
    for import in module.imports() {
        let ty = import.ty().unwrap_func().clone();
        imports.push(host_function(store, import.name(), ty)?.into());
    }
    let instance = Instance::new(&mut *store, &module, &imports)?;
    let tags = (0..).map_while(|n| instance.get_tag(&mut *store, &format!("tag{n}"))).collect();
    store.data_mut().tags = tags;
    for n in 0.. {
        let prefix = format!("run{n}");
        let mut names = module.exports().filter_map(|export| export.name().strip_prefix(&prefix));
        let Some(rest) = names.find(|rest| !rest.starts_with(|c: char| c.is_ascii_digit())) else { break };
        let entry = instance.get_func(&mut *store, &format!("{prefix}{rest}")).context("a function")?;
        let driver = if rest.is_empty() { None } else { Some(rest.parse()?) };
        let line = enter(store, entry, driver, collect)?;
        store.data_mut().trace.push(line);
        census(&mut store.as_context_mut(), collect)?;
    }
    // Scripts of earlier failures need not have this.
    if let Some(clear) = instance.get_func(&mut *store, "clear") {
        clear.call(&mut *store, &[], &mut [])?;
        census(&mut store.as_context_mut(), true)?;
    }
    Ok(())
}

/// Calls an entry, or resumes a continuation of it, and returns the line of how it has ended.
fn enter(store: &mut Store<State>, entry: Func, driver: Option<Driver>, collect: bool) -> Result<String> {
    // What the host holds of an entry's results, and of the exception that ended it, ends with the entry.
    let mut scope = RootScope::new(&mut *store);
    let store = &mut scope.as_context_mut();
    let mut results = vec![Val::I32(0); entry.ty(&*store).results().len()];
    let ended = match driver {
        None => entry.call(&mut *store, &[], &mut results).map(|()| true),
        Some(driver) => drive(store, entry, &driver, &mut results, collect),
    };
    Ok(match ended {
        Ok(false) => "discard".to_string(),
        Ok(true) => {
            let results: Result<Vec<Value>> =
                results.iter().map(|result| seen(&mut store.as_context_mut(), result)).collect();
            format!("return {}", list(&results?))
        }
        Err(error) if error.is::<ThrownException>() => {
            let exception = store.take_pending_exception();
            match seen(&mut store.as_context_mut(), &Val::ExnRef(exception))? {
                Value::Exn(Some(exception)) => format!("uncaught {exception}"),
                _ => "uncaught, and there is no exception".to_string(),
            }
        }
        Err(error) => match error.downcast_ref::<Trap>() {
            Some(trap) => trap.to_string().replace("wasm trap: ", "trap "),
            None => return Err(error),
        },
    })
}

/// Makes a continuation of an entry, and resumes it as the driver says. Returns whether it has returned.
fn drive(
    store: &mut StoreContextMut<'_, State>,
    entry: Func,
    driver: &Driver,
    results: &mut [Val],
    collect: bool,
) -> Result<bool> {
    let tags = store.data().tags.clone();
    let clauses: Vec<On<'_>> = (driver.suspend.iter().map(|&tag| On::Suspend(&tags[tag])))
        .chain(driver.switch.iter().map(|&tag| On::Switch(&tags[tag])))
        .collect();
    let cont = resumable(&mut *store, entry)?;
    let mut resumed = cont.resume(&mut *store, &[], results, &clauses)?;
    for turn in 0.. {
        let Resumed::Suspended(Suspension { tag, payload, mut cont, .. }) = resumed else { break };
        let number = tags.iter().position(|t| Tag::eq(t, &tag, &*store)).context("an unknown tag")?;
        let payload: Result<Vec<Value>> = payload.iter().map(|value| seen(store, value)).collect();
        store.data_mut().trace.push(format!("suspend {number} ({})", list(&payload?)));
        census(store, collect)?;
        let types: Vec<ValType> = tag.ty(&*store).ty().results().collect();
        let mut args = host_values(store, number, &types)?;
        resumed = match driver.answer(turn) {
            Answer::Resume { bind } => {
                if bind && !args.is_empty() {
                    let results = entry.ty(&*store).results().collect::<Vec<_>>();
                    let rest = FuncType::new(store.engine(), types[1..].iter().cloned(), results);
                    let rest = ContType::new(store.engine(), rest)?;
                    cont = cont.bind(&mut *store, &rest, &args[..1])?;
                    args.remove(0);
                }
                cont.resume(&mut *store, &args, results, &clauses)?
            }
            Answer::Throw(number) => {
                let tag = tags[number];
                let ty = ExnType::from_tag_type(&tag.ty(&*store))?;
                let types: Vec<ValType> = tag.ty(&*store).ty().params().collect();
                let payload = host_values(store, number, &types)?;
                let pre = ExnRefPre::new(&mut *store, ty);
                let exception = ExnRef::new(&mut *store, &pre, &tag, &payload)?;
                cont.resume_throw(&mut *store, exception, results, &clauses)?
            }
            Answer::Discard => {
                cont.discard(&mut *store)?;
                return Ok(false);
            }
        };
    }
    Ok(true)
}

/// A continuation of a function without parameters.
fn resumable(mut store: impl AsContextMut, function: Func) -> Result<ContRef> {
    let ty = function.ty(&store);
    let ty = ContType::new(store.as_context().engine(), ty)?;
    ContRef::new(&mut store, &ty, function)
}

/// What the host with this number gives for these types.
fn host_values(store: &mut StoreContextMut<'_, State>, host: usize, types: &[ValType]) -> Result<Vec<Val>> {
    let value = |ty: &ValType| {
        let zero = ty.default_value().expect("references are nullable");
        let zero = seen(store, &zero)?;
        Ok(match host_result(host, &zero) {
            Value::I32(v) => Val::I32(v),
            Value::I64(v) => Val::I64(v),
            Value::F32(bits) => Val::F32(bits),
            Value::F64(bits) => Val::F64(bits),
            Value::V128(v) => Val::V128(v.into()),
            _ => Val::null_ref(ty.unwrap_ref().heap_type()),
        })
    };
    types.iter().map(value).collect()
}

fn host_function(store: &mut Store<State>, name: &str, ty: FuncType) -> Result<Func> {
    Ok(match name.trim_end_matches(|c: char| c.is_ascii_digit()) {
        "make_extern" => Func::wrap(store, |mut caller: Caller<'_, State>, n: i32| {
            ExternRef::new(&mut caller, n).map(Some)
        }),
        "gc" => Func::wrap(store, |mut caller: Caller<'_, State>| census(&mut caller.as_context_mut(), true)),
        "host" => {
            let index: usize = name["host".len()..].parse()?;
            Func::new(store, ty.clone(), move |mut caller, args, results| {
                caller.data_mut().trace.push(format!("host {index}"));
                for arg in args {
                    event(&mut caller.as_context_mut(), arg)?;
                }
                if let Some(callback) = caller.get_export(&format!("callback{index}")) {
                    let callback = callback.into_func().expect("a function");
                    if resumes_callback(index) {
                        let cont = resumable(&mut caller, callback)?;
                        let Resumed::Returned = cont.resume(&mut caller, &[], &mut [], &[])? else {
                            bail!("a suspend was handled without a clause")
                        };
                    } else {
                        callback.call(&mut caller, &[], &mut [])?;
                    }
                }
                let types: Vec<ValType> = ty.results().collect();
                let values = host_values(&mut caller.as_context_mut(), index, &types)?;
                results.copy_from_slice(&values);
                Ok(())
            })
        }
        // The digits of `event_i32` are gone.
        event_name if event_name.starts_with("event_") => {
            Func::new(store, ty, |mut caller, args, _| event(&mut caller.as_context_mut(), &args[0]))
        }
        other => bail!("no import is called {other}"),
    })
}

/// Collects garbage, or does not, and writes down how many continuations are left.
fn census(store: &mut StoreContextMut<'_, State>, collect: bool) -> Result<()> {
    if collect {
        store.gc(None)?;
    }
    let alive = collect.then(|| store.continuation_statistics().alive);
    store.data_mut().trace.push(counted(alive));
    Ok(())
}

fn event(store: &mut StoreContextMut<'_, State>, value: &Val) -> Result<()> {
    let line = format!("event {}", seen(store, value)?);
    store.data_mut().trace.push(line);
    Ok(())
}

/// What can be seen of a value.
fn seen(store: &mut StoreContextMut<'_, State>, value: &Val) -> Result<Value> {
    Ok(match value {
        Val::I32(v) => Value::I32(*v),
        Val::I64(v) => Value::I64(*v),
        Val::F32(bits) => Value::F32(*bits),
        Val::F64(bits) => Value::F64(*bits),
        Val::V128(v) => Value::V128((*v).into()),
        Val::FuncRef(None) => Value::Func(None),
        Val::FuncRef(Some(probe)) => {
            let number = probe.typed::<(), u32>(&mut *store)?.call(&mut *store, ())?;
            Value::Func(Some(Callee::Probe(number)))
        }
        Val::ExternRef(None) => Value::Extern(None),
        Val::ExternRef(Some(reference)) => {
            let data = reference.data(&*store)?.and_then(|data| data.downcast_ref::<i32>());
            Value::Extern(Some(*data.context("an externref of another's")?))
        }
        Val::ExnRef(None) => Value::Exn(None),
        Val::ExnRef(Some(exception)) => {
            let tag = exception.tag(&mut *store)?;
            let number = store.data().tags.iter().position(|t| Tag::eq(t, &tag, &*store));
            let fields: Vec<Val> = exception.fields(&mut *store)?.collect();
            let payload: Result<Vec<Value>> = fields.iter().map(|field| seen(store, field)).collect();
            Value::Exn(Some(Rc::new(Exception { tag: number.context("an unknown tag")?, payload: payload? })))
        }
        Val::ContRef(None) => Value::Cont(None),
        Val::ContRef(Some(reference)) => {
            reference.unroot(&*store);
            Value::Cont(Some(0))
        }
        Val::AnyRef(_) => bail!("programs have no anyref"),
    })
}
