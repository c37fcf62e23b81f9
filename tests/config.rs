//! What a configuration brings, what it refuses, and what a precompiled module is checked against.

use wasmfx::wasmtime::{Config, Engine, Module, Strategy};
use wasmfx::{StackSwitchingBackend, config};

const MODULE: &str = r#"(module
    (type $ft (func)) (type $ct (cont $ft)) (tag $t)
    (func $f (suspend $t)) (elem declare func $f)
    (func (export "run")
      (block $h (result (ref $ct))
        (resume $ct (on $t $h) (cont.new $ct (ref.func $f))) (return))
      (drop)))"#;

fn refusal(config: &Config) -> String {
    match Engine::new(config) {
        Ok(_) => panic!("the configuration is refused"),
        Err(error) => format!("{error:?}"),
    }
}

#[test]
fn enabling_it_is_enough() {
    Module::new(&Engine::new(&config()).unwrap(), MODULE).unwrap();
}

#[test]
fn it_is_off_by_default() {
    let error = Module::new(&Engine::default(), MODULE).unwrap_err();
    assert!(format!("{error:?}").contains("stack switching"), "{error:?}");
}

#[test]
fn a_proposal_switched_off_by_hand_is_named() {
    for before in [true, false] {
        let mut config = Config::new();
        if before {
            config.wasm_exceptions(false);
        }
        config.wasm_stack_switching(true);
        if !before {
            config.wasm_exceptions(false);
        }
        let error = refusal(&config);
        assert!(error.contains("needs the exceptions proposal, which was disabled"), "{error}");
    }
    let error = refusal(config().wasm_function_references(false));
    assert!(error.contains("needs the function-references proposal"), "{error}");
}

#[test]
fn native_says_that_it_does_not_exist_yet() {
    let error = refusal(config().stack_switching_backend(StackSwitchingBackend::Native));
    assert!(error.contains("native stack switching backend is not implemented yet"), "{error}");
    // Without stack switching there is nothing to refuse.
    Engine::new(Config::new().stack_switching_backend(StackSwitchingBackend::Native)).unwrap();
}

#[test]
fn compilers_and_targets_without_it_say_so() {
    let error = refusal(config().strategy(Strategy::Winch));
    assert!(error.contains("neither Winch nor Pulley has it"), "{error}");
    let error = refusal(config().target("pulley64").unwrap());
    assert!(error.contains("neither Winch nor Pulley has it"), "{error}");
}

#[test]
fn inlining_is_refused() {
    use wasmfx::wasmtime::Inlining;
    let error = refusal(config().compiler_inlining(Inlining::Yes));
    assert!(error.contains("inlining"), "{error}");
}

/// `Auto` and what it picks are the same to a precompiled module; another backend is named.
#[test]
fn precompiled_modules_are_checked() {
    let engine = Engine::new(&config()).unwrap();
    let bytes = engine.precompile_module(MODULE.as_bytes()).unwrap();
    let mut libcall = config();
    libcall.stack_switching_backend(StackSwitchingBackend::Libcall);
    let libcall = Engine::new(&libcall).unwrap();
    // SAFETY: the bytes come from `precompile_module`.
    unsafe { Module::deserialize(&libcall, &bytes) }.unwrap();

    // SAFETY: as above; the module is refused before its code is looked at.
    let error = unsafe { Module::deserialize(&Engine::default(), &bytes) }.unwrap_err();
    let error = error.to_string();
    assert!(error.contains("stack") && !error.contains("backend"), "a feature is missing: {error}");
}

/// No engine makes modules for another backend yet, so that the check is given the metadata of one: the
/// backend is a byte of it, found as the one that leads to this refusal.
#[test]
fn a_module_of_another_backend_is_refused_by_name() {
    use object::{Object, ObjectSection};
    let engine = Engine::new(&config()).unwrap();
    let bytes = engine.precompile_module(MODULE.as_bytes()).unwrap();
    let file = object::File::parse(&*bytes).unwrap();
    let section = file.section_by_name(".wasmtime.engine").expect("metadata has a section");
    let (start, size) = section.file_range().unwrap();
    let refusals: Vec<String> = (start as usize..(start + size) as usize)
        .filter(|&i| bytes[i] == 1)
        .filter_map(|i| {
            let mut other = bytes.clone();
            other[i] = 0;
            // SAFETY: code and all that describes it are what `precompile_module` made; what differs is only
            // compared with the engine.
            let error = unsafe { Module::deserialize(&engine, &other) }.err()?;
            Some(format!("{error:?}"))
        })
        .filter(|error| error.contains("stack switching backend"))
        .collect();
    assert_eq!(refusals.len(), 1, "one byte names the backend: {refusals:?}");
    assert!(refusals[0].contains("compiled for the native"), "{refusals:?}");
    assert!(refusals[0].contains("configured to use the libcall"), "{refusals:?}");
}
