//! Runs a module on an engine and writes down what it does, in the form of the model's traces.
//!
//! | import | what the host does |
//! | --- | --- |
//! | `event_…` | appends its argument to the trace |
//! | `make_extern` | makes an `externref` of a number |
//! | `gc` | collects garbage |
//! | `hostN` | appends its arguments to the trace, calls the export `callbackN` if any, returns constants |
//!
//! The exports `run0`, `run1` and so on are called one after another, in one store. In the end `clear` drops all references, so that
//! nothing can resume a continuation any more, and a collection counts the continuations.

use crate::program::{Callee, Exception, Value, host_result, list};
use std::rc::Rc;
use wasmfx::StackSwitchingBackend;
use wasmfx::wasmtime::error::Context as _;
use wasmfx::wasmtime::*;

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
        // Half of them trap by explicit checks.
        for (collector, signals) in
            [(Collector::DeferredReferenceCounting, true), (Collector::Copying, false)]
        {
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
        Ok(Self { engines })
    }

    /// How many there are: `turn`s are taken modulo this.
    pub(crate) fn len(&self) -> usize {
        self.engines.len()
    }

    /// The trace of a module, in binary or text format, on the engine whose turn it is.
    pub(crate) fn run(&self, module: &[u8], turn: u64) -> Vec<String> {
        let engine = &self.engines[(turn % self.engines.len() as u64) as usize];
        let mut store = Store::new(engine, State::default());
        if let Err(error) = run_all(&mut store, module) {
            store.data_mut().trace.push(format!("error {error:?}"));
        }
        store.into_data().trace
    }
}

fn run_all(store: &mut Store<State>, module: &[u8]) -> Result<()> {
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
        let Some(entry) = instance.get_func(&mut *store, &format!("run{n}")) else { break };
        // What the host holds of an entry's results, and of the exception that ended it, ends with the entry.
        let mut scope = RootScope::new(&mut *store);
        let store = &mut scope.as_context_mut();
        let mut results = vec![Val::I32(0); entry.ty(&*store).results().len()];
        let line = match entry.call(&mut *store, &[], &mut results) {
            Ok(()) => {
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
        };
        store.data_mut().trace.push(line);
    }
    // Scripts of earlier failures need not have this.
    if let Some(clear) = instance.get_func(&mut *store, "clear") {
        clear.call(&mut *store, &[], &mut [])?;
        store.gc(None)?;
        let alive = store.continuation_statistics().alive;
        store.data_mut().trace.push(format!("{alive} alive"));
    }
    Ok(())
}

fn host_function(store: &mut Store<State>, name: &str, ty: FuncType) -> Result<Func> {
    Ok(match name.trim_end_matches(|c: char| c.is_ascii_digit()) {
        "make_extern" => Func::wrap(store, |mut caller: Caller<'_, State>, n: i32| {
            ExternRef::new(&mut caller, n).map(Some)
        }),
        "gc" => Func::wrap(store, |mut caller: Caller<'_, State>| caller.gc(None)),
        "host" => {
            let index: usize = name["host".len()..].parse()?;
            Func::new(store, ty.clone(), move |mut caller, args, results| {
                caller.data_mut().trace.push(format!("host {index}"));
                for arg in args {
                    event(&mut caller.as_context_mut(), arg)?;
                }
                if let Some(callback) = caller.get_export(&format!("callback{index}")) {
                    callback.into_func().expect("a function").call(&mut caller, &[], &mut [])?;
                }
                for (result, ty) in results.iter_mut().zip(ty.results()) {
                    let zero = ty.default_value().expect("references are nullable");
                    let zero = seen(&mut caller.as_context_mut(), &zero)?;
                    *result = match host_result(index, &zero) {
                        Value::I32(v) => Val::I32(v),
                        Value::I64(v) => Val::I64(v),
                        Value::F32(bits) => Val::F32(bits),
                        Value::F64(bits) => Val::F64(bits),
                        Value::V128(v) => Val::V128(v.into()),
                        _ => Val::null_ref(ty.unwrap_ref().heap_type()),
                    };
                }
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
