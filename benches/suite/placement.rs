//! Where in memory a sample is taken: at another place each time.
//!
//! A processor guesses by the low bits of addresses whether a load depends on a store before it. Whether frames on two
//! stacks, a store's context and a continuation agree in these is an accident of the process, which makes some round trips
//! take half as long again. A median over many places does not depend on it.

use std::hint::black_box;

/// Calls `sample` with the stack pointer and the heap's next free memory at a place that depends on `turn`.
pub(crate) fn elsewhere<R>(turn: usize, mut sample: impl FnMut() -> R) -> R {
    let heap = black_box(vec![0u8; 16 + turn * 592 % 4096]);
    let mut result = None;
    deeper(turn * 7 % 64, &mut || result = Some(sample()));
    drop(heap);
    result.expect("it was called")
}

/// Each level takes a hundred bytes or so.
#[inline(never)]
fn deeper(levels: usize, then: &mut dyn FnMut()) {
    let frame = black_box([0u8; 64]);
    match levels.checked_sub(1) {
        Some(levels) => deeper(levels, then),
        None => then(),
    }
    black_box(&frame);
}
