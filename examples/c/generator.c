// A host in C that drives generators of a guest.
//
// Each generator is a continuation. The host resumes it, and gets the control
// back when the generator suspends to a tag that the host handles:
//
//   host                              "multiples"
//   resume 3                     -->  needs a factor
//                                <--  suspend $ask
//   resume 7                     -->  computes
//                                <--  suspend $yield 7
//   resume                       -->  computes
//                                <--  suspend $yield 14
//   ...
//   resume                       -->  computes
//                                <--  return 42: the sum
//
// The host cancels a second generator by an exception, which is thrown where
// the generator has suspended, so that it cleans up. It discards a third one,
// which would never end.
//
// `cargo xtask c-api` builds the library; docs/c-api.md says how to compile
// this. Usage: generator [native|libcall]

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wasmtime.h>

static const char MODULE[] =
    "(module\n"
    "  (tag $yield (export \"yield\") (param i32))\n"
    "  (tag $ask (export \"ask\") (result i32))\n"
    "  (tag $cancelled (export \"cancelled\"))\n"
    "  (global $cleaned_up (export \"cleaned_up\") (mut i32) (i32.const 0))\n"
    "\n"
    "  ;; Asks for a factor, yields its first $n multiples, returns their sum.\n"
    "  (func (export \"multiples\") (param $n i32) (result i32)\n"
    "    (local $factor i32) (local $i i32) (local $sum i32)\n"
    "    (local.set $factor (suspend $ask))\n"
    "    (loop $next\n"
    "      (local.set $i (i32.add (local.get $i) (i32.const 1)))\n"
    "      (suspend $yield (i32.mul (local.get $i) (local.get $factor)))\n"
    "      (local.set $sum (i32.add (local.get $sum)\n"
    "        (i32.mul (local.get $i) (local.get $factor))))\n"
    "      (br_if $next (i32.lt_s (local.get $i) (local.get $n))))\n"
    "    (local.get $sum))\n"
    "\n"
    "  ;; Counts for ever, and cleans up when an exception is thrown into it.\n"
    "  (func (export \"counter\") (local $i i32)\n"
    "    (block $cleanup (result exnref)\n"
    "      (try_table (catch_all_ref $cleanup)\n"
    "        (loop $next\n"
    "          (local.set $i (i32.add (local.get $i) (i32.const 1)))\n"
    "          (suspend $yield (local.get $i))\n"
    "          (br $next)))\n"
    "      (unreachable))\n"
    "    (global.set $cleaned_up (local.get $i))\n"
    "    (throw_ref)))";

// Ends the program if an operation has failed.
static void check(const char *what, wasmtime_error_t *error,
                  wasm_trap_t *trap) {
  if (error == NULL && trap == NULL)
    return;
  wasm_byte_vec_t message;
  if (error != NULL) {
    wasmtime_error_message(error, &message);
    wasmtime_error_delete(error);
  } else {
    wasm_trap_message(trap, &message);
    wasm_trap_delete(trap);
  }
  fprintf(stderr, "error: %s: %.*s\n", what, (int)message.size, message.data);
  wasm_byte_vec_delete(&message);
  exit(1);
}

// What all functions below need.
typedef struct host {
  wasm_engine_t *engine;
  wasmtime_store_t *store;
  wasmtime_context_t *context;
  wasmtime_instance_t instance;
  wasmtime_tag_t yield, ask, cancelled;
} host_t;

static wasmtime_extern_t export(host_t *host, const char *name) {
  wasmtime_extern_t item;
  if (!wasmtime_instance_export_get(host->context, &host->instance, name,
                                    strlen(name), &item)) {
    fprintf(stderr, "error: there is no export %s\n", name);
    exit(1);
  }
  return item;
}

// Configures stack switching, and instantiates the guest.
static void start(host_t *host, const char *backend) {
  wasm_config_t *config = wasm_config_new();
  wasmtime_config_wasm_stack_switching_set(config, true);
  // The default is the best that the system has: usually no need to choose.
  if (strcmp(backend, "native") == 0)
    wasmtime_config_stack_switching_backend_set(
        config, WASMTIME_STACK_SWITCHING_BACKEND_NATIVE);
  else if (strcmp(backend, "libcall") == 0)
    wasmtime_config_stack_switching_backend_set(
        config, WASMTIME_STACK_SWITCHING_BACKEND_LIBCALL);
  // A stack takes memory only as its guest uses it.
  wasmtime_config_continuation_stack_size_set(config, 64 * 1024);
  host->engine = wasm_engine_new_with_config(config);

  host->store = wasmtime_store_new(host->engine, NULL, NULL);
  host->context = wasmtime_store_context(host->store);
  // A guest that makes more continuations than this traps.
  wasmtime_store_limiter_continuations(host->store, 1000);

  wasm_byte_vec_t wasm;
  check("the text", wasmtime_wat2wasm(MODULE, strlen(MODULE), &wasm), NULL);
  wasmtime_module_t *module;
  check("the module",
        wasmtime_module_new(host->engine, (uint8_t *)wasm.data, wasm.size,
                            &module),
        NULL);
  wasm_byte_vec_delete(&wasm);
  wasm_trap_t *trap = NULL;
  wasmtime_error_t *error = wasmtime_instance_new(host->context, module, NULL,
                                                  0, &host->instance, &trap);
  check("the instance", error, trap);
  wasmtime_module_delete(module);

  host->yield = export(host, "yield").of.tag;
  host->ask = export(host, "ask").of.tag;
  host->cancelled = export(host, "cancelled").of.tag;
}

// Makes a continuation that will call an exported function.
static wasmtime_contref_t new_continuation(host_t *host, const char *name) {
  wasmtime_func_t func = export(host, name).of.func;
  wasm_functype_t *func_type = wasmtime_func_type(host->context, &func);
  wasmtime_cont_type_t *type;
  check("the type", wasmtime_cont_type_new(host->engine, func_type, &type),
        NULL);
  wasm_functype_delete(func_type);

  wasmtime_contref_t cont;
  wasm_trap_t *trap;
  wasmtime_error_t *error =
      wasmtime_cont_new(host->context, type, &func, &cont, &trap);
  check(name, error, trap);
  wasmtime_cont_type_delete(type);
  return cont;
}

// Drives a generator to its end. The clauses of the resume say which tags the
// host handles, and the index of the clause says which one it was.
static void run_to_the_end(host_t *host) {
  enum { YIELD, ASK };
  const wasmtime_on_t on[] = {
      [YIELD] = {.kind = WASMTIME_ON_SUSPEND, .tag = host->yield},
      [ASK] = {.kind = WASMTIME_ON_SUSPEND, .tag = host->ask},
  };
  wasmtime_contref_t cont = new_continuation(host, "multiples");
  // First the argument of the function; later the result of the tag.
  wasmtime_val_t arg = {.kind = WASMTIME_I32, .of.i32 = 3};
  size_t nargs = 1;
  for (;;) {
    wasmtime_val_t result;
    wasmtime_resumed_t resumed;
    wasm_trap_t *trap;
    wasmtime_error_t *error = wasmtime_cont_resume(
        host->context, &cont, &arg, nargs, &result, 1, on, 2, &resumed, &trap);
    check("resume", error, trap);
    if (resumed.kind == WASMTIME_RESUMED_RETURNED) {
      printf("multiples returns %d\n", result.of.i32);
      return;
    }
    // A continuation is resumed once. What goes on is the one in the
    // suspension.
    wasmtime_suspension_t *suspension = &resumed.suspension;
    cont = suspension->cont;
    switch (suspension->clause) {
    case YIELD:
      printf("multiples yields %d\n", suspension->payload[0].of.i32);
      nargs = 0;
      break;
    case ASK:
      printf("multiples asks for a factor: 7\n");
      arg.of.i32 = 7;
      nargs = 1;
      break;
    }
    wasmtime_suspension_delete(suspension);
  }
}

// Takes some values of a generator that would count for ever.
static wasmtime_contref_t take(host_t *host, int values) {
  const wasmtime_on_t on = {.kind = WASMTIME_ON_SUSPEND, .tag = host->yield};
  wasmtime_contref_t cont = new_continuation(host, "counter");
  while (values-- > 0) {
    wasmtime_resumed_t resumed;
    wasm_trap_t *trap;
    wasmtime_error_t *error = wasmtime_cont_resume(
        host->context, &cont, NULL, 0, NULL, 0, &on, 1, &resumed, &trap);
    check("resume", error, trap);
    printf("counter yields %d\n", resumed.suspension.payload[0].of.i32);
    cont = resumed.suspension.cont;
    wasmtime_suspension_delete(&resumed.suspension);
  }
  return cont;
}

// Throws an exception where a generator has suspended. It cleans up, and throws
// the exception on, to the host.
static void cancel(host_t *host, const wasmtime_contref_t *cont) {
  wasmtime_exnref_t exception;
  check(
      "the exception",
      wasmtime_exnref_new(host->context, &host->cancelled, NULL, 0, &exception),
      NULL);
  wasmtime_resumed_t resumed;
  wasm_trap_t *trap;
  wasmtime_error_t *error = wasmtime_cont_resume_throw(
      host->context, cont, &exception, NULL, 0, NULL, 0, &resumed, &trap);
  wasmtime_exnref_unroot(&exception);
  check("resume_throw", error, NULL);
  if (trap == NULL ||
      !wasmtime_context_take_exception(host->context, &exception)) {
    check("cancel", NULL, trap);
    fprintf(stderr, "error: the generator has caught the exception and returned\n");
    exit(1);
  }
  wasm_trap_delete(trap);
  wasmtime_exnref_unroot(&exception);

  wasmtime_global_t global = export(host, "cleaned_up").of.global;
  wasmtime_val_t value;
  wasmtime_global_get(host->context, &global, &value);
  printf("counter has cleaned up after %d values\n", value.of.i32);
}

// Ends a generator at once: none of its code runs.
static void discard(host_t *host, const wasmtime_contref_t *cont) {
  wasm_trap_t *trap;
  wasmtime_error_t *error = wasmtime_cont_discard(host->context, cont, &trap);
  check("discard", error, trap);
}

int main(int argc, char **argv) {
  host_t host;
  start(&host, argc > 1 ? argv[1] : "");

  run_to_the_end(&host);

  wasmtime_contref_t cancelled = take(&host, 2);
  cancel(&host, &cancelled);

  wasmtime_contref_t discarded = take(&host, 1);
  discard(&host, &discarded);

  // A reference to what has ended is harmless.
  wasmtime_cont_status_t status;
  check("status", wasmtime_cont_status(host.context, &discarded, &status),
        NULL);
  printf("the discarded one is %s\n",
         status == WASMTIME_CONT_CONSUMED ? "consumed" : "usable");

  wasmtime_continuation_statistics_t statistics;
  wasmtime_context_continuation_statistics(host.context, &statistics);
  printf("%llu continuations were made, and %zu are alive\n",
         (unsigned long long)statistics.created, statistics.alive);

  wasmtime_store_delete(host.store);
  wasm_engine_delete(host.engine);
  return 0;
}
