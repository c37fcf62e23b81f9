// Runs a module on V8, as often as it is asked to: for each line `export size` on standard input it makes a sample as
// `suite.rs` does, and answers with the nanoseconds that this took, or with `error: ` and what went wrong.
//
// Usage: node --experimental-wasm-wasmfx v8.mjs MODULE.wasm
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { Worker, isMainThread, parentPort, workerData } from "node:worker_threads";

function sample({ module, name, size }) {
  const imports = { host: { add_one: (x) => (x + 1) | 0 } };
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
  const expected = exports.expected ? exports.expected(size) : result;
  if (result !== expected) {
    throw new Error(`${name} ${size} returned ${result} where ${expected} is right`);
  }
  return time;
}

// Each sample is made in a worker, the compiled module shared: V8 frees a continuation that stays suspended only
// with its isolate, and has an end at some 32,000.
function sampleInWorker(task) {
  return new Promise((resolve, reject) => {
    let time;
    const worker = new Worker(fileURLToPath(import.meta.url), { workerData: task });
    worker.on("message", (message) => (time = message));
    worker.on("error", reject);
    worker.on("exit", (code) => (time === undefined ? reject(new Error(`it exited: ${code}`)) : resolve(time)));
  });
}

async function main() {
  if (process.argv.length !== 3) {
    console.error("usage: node --experimental-wasm-wasmfx v8.mjs MODULE.wasm");
    process.exit(1);
  }
  let module;
  for await (const line of createInterface({ input: process.stdin })) {
    const [name, size] = line.trim().split(" ");
    try {
      module ??= new WebAssembly.Module(readFileSync(process.argv[2]));
      console.log(`${await sampleInWorker({ module, name, size: Number(size) })}`);
    } catch (error) {
      console.log(`error: ${String(error).replaceAll("\n", " ")}`);
    }
  }
}

if (isMainThread) {
  await main();
} else {
  parentPort.postMessage(sample(workerData));
}
