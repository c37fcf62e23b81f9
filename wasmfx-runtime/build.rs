//! Says in two `cfg`s what this crate has for the target:
//!
//! * `mapped_stacks`: stacks that this crate maps (`stack/unix.rs`), rather than wasmtime-fiber's (`stack/portable.rs`);
//! * `assembly`: the operations of `arch/` too.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let is_set = |name: &str| std::env::var_os(format!("CARGO_CFG_{name}")).is_some();
    let is = |name: &str, values: &[&str]| {
        std::env::var(format!("CARGO_CFG_{name}")).is_ok_and(|value| values.contains(&value.as_str()))
    };
    // The processors with a file in `arch/`.
    let has_file = is("TARGET_ARCH", &["x86_64", "aarch64"]) && is("TARGET_ENDIAN", &["little"]);
    // Miri knows neither guard pages nor switches of stacks, and `wasmfx_portable` is for tests.
    let mapped_stacks = is_set("UNIX") && !is_set("MIRI") && !is_set("WASMFX_PORTABLE");
    for (name, value) in [("mapped_stacks", mapped_stacks), ("assembly", mapped_stacks && has_file)] {
        println!("cargo::rustc-check-cfg=cfg({name})");
        if value {
            println!("cargo::rustc-cfg={name}");
        }
    }
}
