//! Makes a program small that does something wrong: first the bytes that it is made of, then the program.

use crate::generate::generate;
use crate::program::{Callee, Op, Program};
use std::time::Instant;

/// A small program for which `wrong` holds, as it does for the one made of `bytes`. `wrong` is asked about
/// programs that are not valid, too.
pub(crate) fn shrink(bytes: &[u8], deadline: Instant, wrong: &mut dyn FnMut(&Program) -> bool) -> Program {
    // Bytes are good for large steps only.
    let now = Instant::now();
    let bytes_deadline = now + deadline.saturating_duration_since(now) / 3;
    let bytes = shrink_bytes(bytes.to_vec(), bytes_deadline, &mut |bytes| wrong(&generate(bytes)));
    let mut program = generate(&bytes);
    loop {
        let before = size(&program);
        shrink_code(&mut program, deadline, wrong);
        remove_functions(&mut program, deadline, wrong);
        if size(&program) == before || Instant::now() > deadline {
            return program;
        }
    }
}

fn shrink_bytes(mut bytes: Vec<u8>, deadline: Instant, wrong: &mut dyn FnMut(&[u8]) -> bool) -> Vec<u8> {
    loop {
        let before = bytes.clone();
        let mut chunk = bytes.len();
        while chunk > 3 {
            // From the end, where most bytes are of use to nobody.
            let mut end = bytes.len();
            while end > 0 && Instant::now() < deadline {
                let start = end.saturating_sub(chunk);
                let removed = [&bytes[..start], &bytes[end..]].concat();
                if wrong(&removed) {
                    bytes = removed;
                } else if bytes[start..end].iter().any(|byte| *byte != 0) {
                    let mut simpler = bytes.clone();
                    simpler[start..end].fill(0);
                    if wrong(&simpler) {
                        bytes = simpler;
                    }
                }
                end = start;
            }
            chunk /= 2;
        }
        if bytes == before || Instant::now() > deadline {
            return bytes;
        }
    }
}

/// How many operations a program has, and clauses in them.
pub(crate) fn size(program: &Program) -> usize {
    let mut size = 0;
    for function in &program.functions {
        each_sequence(&mut function.body.clone(), &mut |ops| {
            size += ops.len();
            for op in ops {
                size += match op {
                    Op::Resume(_, clauses)
                    | Op::ResumeThrow(_, _, clauses)
                    | Op::ResumeThrowRef(_, clauses) => clauses.len(),
                    Op::TryTable(_, catches, _) => catches.len(),
                    _ => 0,
                };
            }
        });
    }
    size
}

/// Calls `visit` with the code, and with that of each block in it.
fn each_sequence(ops: &mut Vec<Op>, visit: &mut dyn FnMut(&mut Vec<Op>)) {
    visit(ops);
    for op in ops {
        match op {
            Op::Block(_, body) | Op::Loop(body) | Op::TryTable(_, _, body) => each_sequence(body, visit),
            Op::If(_, then, otherwise) => {
                each_sequence(then, visit);
                each_sequence(otherwise, visit);
            }
            _ => {}
        }
    }
}

/// The program with one sequence of operations changed.
fn edited(program: &Program, wanted: usize, edit: impl Fn(&mut Vec<Op>)) -> Program {
    let mut program = program.clone();
    let mut index = 0;
    for function in &mut program.functions {
        each_sequence(&mut function.body, &mut |ops| {
            if index == wanted {
                edit(ops);
            }
            index += 1;
        });
    }
    program
}

/// The lengths of all sequences of operations.
fn lengths(program: &Program) -> Vec<usize> {
    let mut lengths = Vec::new();
    for function in &program.functions {
        each_sequence(&mut function.body.clone(), &mut |ops| lengths.push(ops.len()));
    }
    lengths
}

/// Removes operations, and takes blocks apart.
fn shrink_code(program: &mut Program, deadline: Instant, wrong: &mut dyn FnMut(&Program) -> bool) {
    let mut sequence = 0;
    while let Some(&length) = lengths(program).get(sequence) {
        for start in 0..lengths(program)[sequence] {
            let cut = edited(program, sequence, |ops| {
                remove(ops, start, usize::MAX - start);
                ops.push(Op::Unreachable);
            });
            if size(&cut) < size(program) && Instant::now() < deadline && wrong(&cut) {
                *program = cut;
                break;
            }
        }
        // Short code is tried in all parts; of long code, only short parts are.
        let mut part = length.min(24);
        while part > 0 {
            let mut start = 0;
            while start + part <= lengths(program)[sequence] && Instant::now() < deadline {
                let removed = edited(program, sequence, |ops| remove(ops, start, part));
                if size(&removed) < size(program) && wrong(&removed) {
                    *program = removed;
                } else {
                    start += 1;
                }
            }
            part -= 1;
        }
        for index in 0..lengths(program)[sequence] {
            for clause in (0..8).rev() {
                let fewer = edited(program, sequence, |ops| match ops.get_mut(index) {
                    Some(
                        Op::Resume(_, clauses)
                        | Op::ResumeThrow(_, _, clauses)
                        | Op::ResumeThrowRef(_, clauses),
                    ) if clause < clauses.len() => {
                        clauses.remove(clause);
                    }
                    Some(Op::TryTable(_, catches, _)) if clause < catches.len() => {
                        catches.remove(clause);
                    }
                    _ => {}
                });
                if size(&fewer) < size(program) && Instant::now() < deadline && wrong(&fewer) {
                    *program = fewer;
                }
            }
            let inlined = edited(program, sequence, |ops| {
                if let Some(Op::Block(_, body) | Op::Loop(body) | Op::TryTable(_, _, body)) = ops.get(index) {
                    let body = body.clone();
                    ops.splice(index..=index, body);
                }
            });
            if size(&inlined) < size(program) && Instant::now() < deadline && wrong(&inlined) {
                *program = inlined;
            }
        }
        sequence += 1;
    }
}

/// Fuel stays: it is what makes programs end, on an engine that is wrong as well.
fn remove(ops: &mut Vec<Op>, start: usize, count: usize) {
    let mut index = 0;
    ops.retain(|op| {
        index += 1;
        !(start..start + count).contains(&(index - 1)) || matches!(op, Op::Fuel)
    });
}

/// Removes entries, callbacks and functions that are not needed.
fn remove_functions(program: &mut Program, deadline: Instant, wrong: &mut dyn FnMut(&Program) -> bool) {
    for entry in (0..program.entries.len()).rev() {
        let mut fewer = program.clone();
        fewer.entries.remove(entry);
        let mut called = program.clone();
        called.entries[entry].driver = None;
        for simpler in [called, fewer] {
            if Instant::now() < deadline && wrong(&simpler) {
                *program = simpler;
            }
        }
    }
    for host in 0..program.hosts.len() {
        let mut fewer = program.clone();
        fewer.hosts[host].callback = None;
        if Instant::now() < deadline && wrong(&fewer) {
            *program = fewer;
        }
    }
    for function in (0..program.functions.len()).rev() {
        let mut used = program.entries.iter().any(|entry| entry.function == function)
            || program.hosts.iter().any(|host| host.callback == Some(function));
        let mut fewer = program.clone();
        let renumber = |other: &mut usize| *other -= usize::from(*other > function);
        fewer.functions.remove(function);
        fewer.entries.iter_mut().map(|entry| &mut entry.function).for_each(renumber);
        fewer.hosts.iter_mut().filter_map(|host| host.callback.as_mut()).for_each(renumber);
        for body in fewer.functions.iter_mut().map(|function| &mut function.body) {
            each_sequence(body, &mut |ops| {
                for op in ops {
                    if let Op::RefFunc(Callee::Local(callee))
                    | Op::Call(Callee::Local(callee))
                    | Op::ReturnCall(Callee::Local(callee)) = op
                    {
                        used |= *callee == function;
                        renumber(callee);
                    }
                }
            });
        }
        if !used && Instant::now() < deadline && wrong(&fewer) {
            *program = fewer;
        }
    }
}
