//! Stops a plain `cargo build` when `wasmtime/` was not made from the `patches/` that are here now.

#[path = "xtask/src/stamp.rs"]
#[allow(dead_code, reason = "xtask uses the rest")]
mod stamp;

use std::path::Path;

fn main() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    println!("cargo::rerun-if-changed={}", stamp::PATCHES);
    println!("cargo::rerun-if-changed={}", stamp::path(root).display());
    for pin in stamp::PINS.iter().chain([&stamp::LAYOUT]) {
        println!("cargo::rerun-if-changed={pin}");
    }
    if !stamp::is_current(root) {
        println!(
            "cargo::error=wasmtime/ is not what patches/ and xtask/upstream/ make: run `cargo xtask setup`"
        );
    }
}
