//! What a configuration brings, what it refuses, and what a precompiled module is checked against.

mod support;

use wasmfx::wasmtime::{Config, ContinuationGuards, Engine, Module, Strategy};
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
fn sizes_and_limits_can_be_asked_for() {
    let engine = Engine::new(&config()).unwrap();
    assert_eq!(engine.get_continuation_stack_size(), None);
    let mut config = config();
    config.continuation_stack_size(1 << 18).continuation_stacks(2);
    config.continuations_per_store(3).continuation_keep_resident(4);
    assert_eq!(engine.get_continuation_guards(), ContinuationGuards::Auto);
    config.continuation_guards(ContinuationGuards::Mprotect);
    let engine = Engine::new(&config).unwrap();
    assert_eq!(engine.get_continuation_stack_size(), Some(1 << 18));
    assert_eq!(engine.get_continuation_stacks(), Some(2));
    assert_eq!(engine.get_continuations_per_store(), Some(3));
    assert_eq!(engine.get_continuation_keep_resident(), Some(4));
    assert_eq!(engine.get_continuation_guards(), ContinuationGuards::Mprotect);
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

/// The native backend is refused where there is none, and `Auto` is the other one there.
#[test]
#[cfg(target_arch = "x86_64")]
fn native_is_refused_where_there_is_none() {
    const ELSEWHERE: &str = "x86_64-unknown-freebsd";
    let mut native = config();
    native.stack_switching_backend(StackSwitchingBackend::Native);
    let error = refusal(native.target(ELSEWHERE).unwrap());
    if cfg!(feature = "native") {
        assert!(
            error.contains("is for Linux and macOS on x86-64 and aarch64, not for x86_64-unknown-freebsd"),
            "{error}"
        );
    } else {
        assert!(error.contains("build with the feature `stack-switching-native`"), "{error}");
    }
    let auto = Engine::new(config().target(ELSEWHERE).unwrap()).unwrap();
    auto.precompile_module(MODULE.as_bytes()).unwrap();
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

/// A precompiled module loads where the backend is the same, whether it was named or `Auto` picked it, and
/// is refused by name where it is not.
#[test]
fn precompiled_modules_are_checked() {
    let auto = Engine::new(&config()).unwrap();
    let best = support::backends().last().unwrap().0;
    for (name, backend) in support::backends() {
        let engine = Engine::new(config().stack_switching_backend(backend)).unwrap();
        let bytes = engine.precompile_module(MODULE.as_bytes()).unwrap();
        // SAFETY: `deserialize`: `bytes` is what `precompile_module` returned, unmodified.
        assert_eq!(unsafe { Module::deserialize(&auto, &bytes) }.is_ok(), name == best);
        for (other, backend) in support::backends() {
            let engine = Engine::new(config().stack_switching_backend(backend)).unwrap();
            // SAFETY: `deserialize`: `bytes` is what `precompile_module` returned, unmodified.
            match unsafe { Module::deserialize(&engine, &bytes) } {
                Ok(_) => assert_eq!(name, other),
                Err(error) => {
                    let error = format!("{error:?}");
                    assert!(error.contains(&format!("compiled for the {name}")), "{error}");
                    assert!(error.contains(&format!("configured to use the {other}")), "{error}");
                }
            }
        }

        // SAFETY: `deserialize`: `bytes` is what `precompile_module` returned, unmodified.
        let error = unsafe { Module::deserialize(&Engine::default(), &bytes) }.unwrap_err();
        let error = error.to_string();
        assert!(error.contains("stack") && !error.contains("backend"), "a feature is missing: {error}");
    }
}

/// Wasmtime as published has this major version and other builtins: the version of a module says more.
#[test]
fn code_of_other_builds_is_refused() {
    use wasmfx::wasmtime::ModuleVersionStrategy;
    let published = ModuleVersionStrategy::Custom("48".to_string());
    let bytes = Engine::new(config().module_version(published).unwrap())
        .unwrap()
        .precompile_module(MODULE.as_bytes())
        .unwrap();
    // SAFETY: `deserialize`: `bytes` is what `precompile_module` returned, unmodified.
    let error = unsafe { Module::deserialize(&Engine::new(&config()).unwrap(), &bytes) }.unwrap_err();
    assert!(error.to_string().contains("incompatible version '48'"), "{error:?}");
}
