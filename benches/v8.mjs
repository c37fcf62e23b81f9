// Runs a module on V8, as often as it is asked to: for each line `export size` on standard input it makes a sample as
// `suite.rs` does, and answers with the nanoseconds that this took, or with `error: ` and what went wrong.
//
// Usage: node --experimental-wasm-wasmfx v8.mjs MODULE.wasm
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";

const imports = { host: { add_one: (x) => x + 1n } };
let module;

function sample(name, size) {
  module ??= new WebAssembly.Module(readFileSync(process.argv[2]));
  const { exports } = new WebAssembly.Instance(module, imports);
  const run = exports[name];
  if (run === undefined) {
    throw new Error(`the module has no export ${name}`);
  }
  exports.setup?.();
  run(Math.min(size, 10));
  const start = process.hrtime.bigint();
  const result = run(size);
  const time = process.hrtime.bigint() - start;
  const expected = exports.expected(size);
  if (result !== expected) {
    throw new Error(`${name} ${size} returned ${result} where ${expected} is right`);
  }
  return time;
}

if (process.argv.length !== 3) {
  console.error("usage: node --experimental-wasm-wasmfx v8.mjs MODULE.wasm");
  process.exit(1);
}
for await (const line of createInterface({ input: process.stdin })) {
  const [name, size] = line.trim().split(" ");
  try {
    console.log(`${sample(name, Number(size))}`);
  } catch (error) {
    console.log(`error: ${String(error).replaceAll("\n", " ")}`);
  }
}
