//! Which functions of a module may switch stacks: themselves, or by a function that they call.
//!
//! Behind a switch, a processor predicts return instructions by the calls of the stack that it came from. So these functions
//! return by a jump (`FunctionStencil::return_by_jump`), and so do their callers, whose returns would be predicted by the calls
//! that those jumps left unanswered:
//!
//! ```text
//!   $loop --call--> $next --call--> $yield: suspend       return by a jump: $loop, $next, $yield
//!     '-----call--> $add                                  by the instruction: $add
//! ```
//!
//! Only calls whose callee the module names are followed. A function behind a reference, a table or an import counts as one that
//! does not switch: most such functions do not, and their callers would lose the prediction of returns for nothing. If one does
//! switch, the return of its caller is mispredicted, as all of them were without jumps.

use wasmtime_environ::wasmparser::{BinaryReaderError, FunctionBody, Operator};
use wasmtime_environ::{DefinedFuncIndex, EntitySet, FuncIndex, Module, ModuleTranslation};

/// The functions of a module that may switch stacks.
///
/// This reads all code of a module that has a tag, and none of another module: that could have a `resume` without clauses, but
/// neither `suspend` nor `switch`. What cannot be read is left to the translation, which says what is wrong with it.
pub fn functions_that_switch(translation: &ModuleTranslation<'_>) -> EntitySet<DefinedFuncIndex> {
    let mut switch = EntitySet::new();
    if translation.module.tags.is_empty() {
        return switch;
    }
    let mut found = Vec::new();
    // Each call, as (callee, caller).
    let mut calls = Vec::new();
    for (caller, input) in &translation.function_body_inputs {
        let code = read(&input.body, &translation.module, |callee| calls.push((callee, caller)));
        if let Ok(true) = code {
            found.push(caller);
        }
    }
    calls.sort_unstable();
    calls.dedup();
    while let Some(callee) = found.pop() {
        if switch.insert(callee) {
            let first = calls.partition_point(|call| call.0 < callee);
            found.extend(calls[first..].iter().take_while(|call| call.0 == callee).map(|call| call.1));
        }
    }
    switch
}

/// Reads a function's code: calls `call` for each function of the module that the code calls by its number, and returns whether
/// the code has an instruction that switches stacks.
fn read(
    body: &FunctionBody<'_>,
    module: &Module,
    mut call: impl FnMut(DefinedFuncIndex),
) -> Result<bool, BinaryReaderError> {
    let mut switches = false;
    for operator in body.get_operators_reader()? {
        match operator? {
            Operator::Suspend { .. }
            | Operator::Switch { .. }
            | Operator::Resume { .. }
            | Operator::ResumeThrow { .. }
            | Operator::ResumeThrowRef { .. } => switches = true,
            Operator::Call { function_index } | Operator::ReturnCall { function_index } => {
                // The code is not validated yet.
                if module.functions.len() > function_index as usize
                    && let Some(callee) = module.defined_func_index(FuncIndex::from_u32(function_index))
                {
                    call(callee);
                }
            }
            _ => {}
        }
    }
    Ok(switches)
}

#[cfg(test)]
mod tests {
    use super::*;
    use wasmtime_environ::wasmparser::{Parser, Validator, WasmFeatures};
    use wasmtime_environ::{ModuleEnvironment, ModuleTypesBuilder, StaticModuleIndex, Tunables};

    /// The numbers of the functions of a module that may switch stacks.
    fn switching(text: &str) -> Vec<u32> {
        let wasm = wat::parse_str(text).unwrap();
        let tunables = Tunables::default_host();
        let mut validator = Validator::new_with_features(WasmFeatures::all());
        let mut types = ModuleTypesBuilder::new(&validator);
        let module = StaticModuleIndex::from_u32(0);
        let environment = ModuleEnvironment::new(&tunables, &mut validator, &mut types, module);
        let translation = environment.translate(Parser::new(0), &wasm).unwrap();
        let switch = functions_that_switch(&translation);
        let all = translation.function_body_inputs.keys();
        all.filter(|function| switch.contains(*function)).map(|function| function.as_u32()).collect()
    }

    #[test]
    fn calls_of_what_the_module_does_not_have() {
        let module = "(module (tag $t) (func (call 2)) (func (return_call 4294967295)) (func (suspend $t)))";
        assert_eq!(switching(module), [0, 2]);
        assert_eq!(switching("(module (tag $t) (func (call 9)) (func (suspend $t)))"), [1]);
    }

    #[test]
    fn callers_of_callers() {
        let module = r#"(module
            (type $ft (func)) (type $ct (cont $ft))
            (import "" "f" (func $imported))
            (table 1 funcref)
            (tag $t)
            (func $0 (call $1) (call $5))
            (func $1 (return_call $2))
            (func $2 (suspend $t))
            (func $3 (param (ref $ct)) (resume $ct (local.get 0)))
            (func $4 (call $3 (cont.new $ct (ref.func $2))))
            (func $5 (call $5) (call $imported))
            (func $6 (call_indirect (type $ft) (i32.const 0)) (drop (ref.func $2)))
            (func $7 (call $8))
            (func $8 (call $7) (call $0))
            (elem declare func $2))"#;
        assert_eq!(switching(module), [0, 1, 2, 3, 4, 7, 8]);
    }

    #[test]
    fn each_instruction() {
        let module = r#"(module
            (rec (type $ft (func (param (ref null $ct)))) (type $ct (cont $ft)))
            (tag $t) (tag $e) (tag $s)
            (func (suspend $t))
            (func (param (ref $ct)) (resume $ct (ref.null $ct) (local.get 0)))
            (func (param (ref $ct)) (resume_throw $ct $e (local.get 0)))
            (func (param (ref $ct) exnref) (resume_throw_ref $ct (local.get 1) (local.get 0)))
            (func (param (ref $ct)) (switch $ct $s (local.get 0)))
            (func (param (ref $ct)) (result (ref $ct)) (local.get 0))
            (func (throw $e)))"#;
        assert_eq!(switching(module), [0, 1, 2, 3, 4]);
    }

    #[test]
    fn no_tags() {
        assert!(switching("(module (func $f (call $f)))").is_empty());
    }
}
