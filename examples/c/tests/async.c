// Continuations in an asynchronous store.
//
// Usage: async native|libcall

#include "test.h"

static const char MODULE[] =
    "(module\n"
    "  (import \"host\" \"wait\" (func $wait (param i32) (result i32)))\n"
    "  (tag $yield (export \"yield\") (param i32))\n"
    "  (tag $cancelled (export \"cancelled\"))\n"
    "  ;; Waits, works, and yields in between.\n"
    "  (func (export \"works\") (param i32) (result i32) (local $n i32)\n"
    "    (local.set 0 (call $wait (local.get 0)))\n"
    "    (suspend $yield (local.get 0))\n"
    "    (loop $next\n"
    "      (br_if $next (i32.lt_u\n"
    "        (local.tee $n (i32.add (local.get $n) (i32.const 1)))\n"
    "        (i32.const 100000))))\n"
    "    (i32.add (local.get 0) (local.get $n))))";

// How often the function of the host still waits.
static int waits;

static bool is_ready(void *env) {
  (void)env;
  return --waits < 0;
}

static void wait(void *env, wasmtime_caller_t *caller,
                 const wasmtime_val_t *args, size_t nargs,
                 wasmtime_val_t *results, size_t nresults, wasm_trap_t **trap,
                 wasmtime_async_continuation_t *continuation) {
  (void)env, (void)caller, (void)nargs, (void)nresults, (void)trap;
  results[0] = i32(args[0].of.i32 * 2);
  continuation->callback = is_ready;
  continuation->env = NULL;
  continuation->finalizer = NULL;
}

// Polls to the end, and returns how often that took.
static int finish(wasmtime_call_future_t *future) {
  int polls = 1;
  while (!wasmtime_call_future_poll(future))
    polls++;
  wasmtime_call_future_delete(future);
  return polls;
}

int main(int argc, char **argv) {
  CHECK(argc == 2);
  wasm_config_t *config = new_config(argv[1]);
  wasmtime_config_consume_fuel_set(config, true);
  wasm_engine_t *engine = wasm_engine_new_with_config(config);
  wasmtime_module_t *module = compile(engine, MODULE);
  wasmtime_linker_t *linker = wasmtime_linker_new(engine);
  wasm_functype_t *type =
      wasm_functype_new_1_1(wasm_valtype_new_i32(), wasm_valtype_new_i32());
  FINE(wasmtime_linker_define_async_func(linker, "host", 4, "wait", 4, type,
                                         wait, NULL, NULL));
  wasm_functype_delete(type);

  guest_t guest = {.engine = engine,
                   .store = wasmtime_store_new(engine, NULL, NULL)};
  guest.context = wasmtime_store_context(guest.store);
  FINE(wasmtime_context_set_fuel(guest.context, 1000000000));
  FINE(wasmtime_context_fuel_async_yield_interval(guest.context, 10000));
  wasm_trap_t *trap = NULL;
  wasmtime_error_t *error = NULL;
  finish(wasmtime_linker_instantiate_async(linker, guest.context, module,
                                           &guest.instance, &trap, &error));
  OK(error, trap);

  wasmtime_val_t arg = i32(21), result;
  wasmtime_on_t on = {.kind = WASMTIME_ON_SUSPEND,
                      .tag = tag_of(&guest, "yield")};
  wasmtime_resumed_t resumed;

  // It needs the other function.
  wasmtime_contref_t cont = new_cont(&guest, "works");
  EXPECT_ERROR(wasmtime_cont_resume(guest.context, &cont, &arg, 1, &result, 1,
                                    &on, 1, &resumed, &trap),
               trap, "async");
  CHECK(status_of(&guest, cont) == WASMTIME_CONT_FRESH);

  // The host waits, then the guest works.
  waits = 3;
  int polls =
      finish(wasmtime_cont_resume_async(guest.context, &cont, &arg, 1, &result,
                                        1, &on, 1, &resumed, &trap, &error));
  OK(error, trap);
  CHECK(polls >= 4);
  CHECK(resumed.kind == WASMTIME_RESUMED_SUSPENDED);
  CHECK(resumed.suspension.payload[0].of.i32 == 42);
  wasmtime_suspension_delete(&resumed.suspension);
  cont = resumed.suspension.cont;
  polls =
      finish(wasmtime_cont_resume_async(guest.context, &cont, NULL, 0, &result,
                                        1, &on, 1, &resumed, &trap, &error));
  OK(error, trap);
  CHECK(polls > 10);
  CHECK(resumed.kind == WASMTIME_RESUMED_RETURNED);
  CHECK(result.of.i32 == 100042);

  // Mistakes.
  finish(wasmtime_cont_resume_async(guest.context, &cont, NULL, 0, &result, 1,
                                    &on, 1, &resumed, &trap, &error));
  EXPECT_TRAP(error, trap, CONTINUATION_ALREADY_CONSUMED);
  cont = new_cont(&guest, "works");
  finish(wasmtime_cont_resume_async(guest.context, &cont, NULL, 0, &result, 1,
                                    &on, 1, &resumed, &trap, &error));
  EXPECT_ERROR(error, trap, "expected 1 arguments for a continuation");
  wasmtime_contref_t null;
  wasmtime_contref_set_null(&null);
  finish(wasmtime_cont_resume_async(guest.context, &null, NULL, 0, &result, 1,
                                    &on, 1, &resumed, &trap, &error));
  EXPECT_ERROR(error, trap, "null reference");
  CHECK(status_of(&guest, cont) == WASMTIME_CONT_FRESH);

  // A future that is deleted ends what ran.
  waits = 1000;
  wasmtime_call_future_t *future =
      wasmtime_cont_resume_async(guest.context, &cont, &arg, 1, &result, 1, &on,
                                 1, &resumed, &trap, &error);
  CHECK(!wasmtime_call_future_poll(future));
  CHECK(!wasmtime_call_future_poll(future));
  wasmtime_call_future_delete(future);
  CHECK(status_of(&guest, cont) == WASMTIME_CONT_CONSUMED);
  CHECK(statistics_of(&guest).alive == 0);
  // One that was never polled ends nothing.
  cont = new_cont(&guest, "works");
  future = wasmtime_cont_resume_async(guest.context, &cont, &arg, 1, &result, 1,
                                      &on, 1, &resumed, &trap, &error);
  wasmtime_call_future_delete(future);
  CHECK(status_of(&guest, cont) == WASMTIME_CONT_FRESH);

  // An exception.
  waits = 0;
  finish(wasmtime_cont_resume_async(guest.context, &cont, &arg, 1, &result, 1,
                                    &on, 1, &resumed, &trap, &error));
  OK(error, trap);
  wasmtime_suspension_delete(&resumed.suspension);
  wasmtime_tag_t cancelled = tag_of(&guest, "cancelled");
  wasmtime_exnref_t exception;
  FINE(wasmtime_exnref_new(guest.context, &cancelled, NULL, 0, &exception));
  finish(wasmtime_cont_resume_throw_async(
      guest.context, &resumed.suspension.cont, &exception, &result, 1, NULL, 0,
      &resumed, &trap, &error));
  wasmtime_exnref_unroot(&exception);
  FINE(error);
  CHECK(trap != NULL);
  wasm_trap_delete(trap);
  CHECK(wasmtime_context_take_exception(guest.context, &exception));
  wasmtime_exnref_unroot(&exception);
  CHECK(statistics_of(&guest).alive == 0);

  wasmtime_store_delete(guest.store);
  wasmtime_linker_delete(linker);
  wasmtime_module_delete(module);
  wasm_engine_delete(engine);
  printf("async: ok\n");
  return 0;
}
