// Functions of the host that suspend: what works, and what must be a trap.
//
// Usage: suspending native|libcall

#include "test.h"

static const char MODULE[] =
    "(module\n"
    "  (type $f (func (param i32) (result i32))) (type $k (cont $f))\n"
    "  (type $e (func (param externref) (result externref)))\n"
    "  (import \"host\" \"read\" (func $read (type $f)))\n"
    "  (import \"host\" \"object\" (func $object (type $e)))\n"
    "  (tag $t (export \"t\") (param i32) (result i32))\n"
    "  (tag $o (export \"o\") (param externref) (result externref))\n"
    "  (tag $none (export \"none\"))\n"
    "  (tag $thrown (export \"thrown\") (param i32))\n"
    "  (func $reads (export \"reads\") (type $f)\n"
    "    (i32.mul (call $read (local.get 0)) (i32.const 10)))\n"
    "  (func (export \"reads-twice\") (type $f)\n"
    "    (i32.add (call $reads (local.get 0)) (call $reads (i32.const 100))))\n"
    "  (func $catches (export \"catches\") (type $f)\n"
    "    (block $h (result i32)\n"
    "      (try_table (result i32) (catch $thrown $h) (call $read (local.get\n"
    "    0)))\n"
    "      (return))\n"
    "    (i32.add (i32.const 1000)))\n"
    "  (func (export \"objects\") (type $e) (call $object (local.get 0)))\n"
    "  (elem declare func $reads)\n"
    "  ;; A handler in Wasm, which doubles.\n"
    "  (func (export \"handles\") (type $f) (local $k (ref null $k)) (local $n "
    "i32)\n"
    "    (block $h (result i32 (ref $k))\n"
    "      (return (resume $k (on $t $h) (local.get 0)\n"
    "        (cont.new $k (ref.func $reads)))))\n"
    "    (local.set $k) (local.set $n)\n"
    "    (resume $k (i32.mul (local.get $n) (i32.const 2)) (local.get $k))))";

// What the callbacks do, and what became of their data.
typedef struct host {
  guest_t guest;
  wasmtime_func_suspending_callback_t read;
  wasmtime_tag_t t, o;
  // The continuation that `attacks_itself` runs in.
  wasmtime_contref_t running;
  // An object of another store.
  wasmtime_val_t foreign;
  // How often finalizers have run.
  int finalized;
  // How often a callback has gone on after a suspend.
  int gone_on;
} host_t;

static host_t *host;

static void finalize(void *env) {
  CHECK(env == host);
  host->finalized++;
}

static wasm_trap_t *read(void *env, wasmtime_caller_t *caller,
                         const wasmtime_val_t *args, size_t nargs,
                         wasmtime_val_t *results, size_t nresults,
                         wasmtime_suspend_t *suspend) {
  CHECK(env == &host && nargs == 1 && nresults == 1);
  return host->read(env, caller, args, nargs, results, nresults, suspend);
}

static wasm_trap_t *object(void *env, wasmtime_caller_t *caller,
                           const wasmtime_val_t *args, size_t nargs,
                           wasmtime_val_t *results, size_t nresults,
                           wasmtime_suspend_t *suspend) {
  (void)env, (void)caller, (void)results, (void)nresults;
  wasmtime_suspend_to(suspend, &host->o, args, nargs, NULL, NULL, NULL);
  return NULL;
}

// Suspends with its argument, and returns what comes back.
static wasm_trap_t *plain(void *env, wasmtime_caller_t *caller,
                          const wasmtime_val_t *args, size_t nargs,
                          wasmtime_val_t *results, size_t nresults,
                          wasmtime_suspend_t *suspend) {
  (void)env, (void)caller, (void)results, (void)nresults;
  wasmtime_suspend_to(suspend, &host->t, args, nargs, NULL, host, finalize);
  return NULL;
}

// Does not suspend.
static wasm_trap_t *returns(void *env, wasmtime_caller_t *caller,
                            const wasmtime_val_t *args, size_t nargs,
                            wasmtime_val_t *results, size_t nresults,
                            wasmtime_suspend_t *suspend) {
  (void)env, (void)caller, (void)nargs, (void)nresults, (void)suspend;
  results[0] = i32(args[0].of.i32 + 1);
  return NULL;
}

static wasm_trap_t *again(void *env, wasmtime_caller_t *caller,
                          const wasmtime_val_t *args, size_t nargs,
                          wasmtime_val_t *results, size_t nresults,
                          wasmtime_suspend_t *suspend) {
  CHECK(env == host && nargs == 1 && nresults == 1);
  (void)caller;
  host->gone_on++;
  if (args[0].of.i32 == 0)
    return wasmtime_trap_new("zero came back", 14);
  if (args[0].of.i32 < 10) {
    wasmtime_val_t next = i32(args[0].of.i32 + 1);
    wasmtime_suspend_to(suspend, &host->t, &next, 1, again, host, finalize);
    return NULL;
  }
  results[0] = args[0];
  return NULL;
}

// Suspends until what comes back is at least 10.
static wasm_trap_t *chain(void *env, wasmtime_caller_t *caller,
                          const wasmtime_val_t *args, size_t nargs,
                          wasmtime_val_t *results, size_t nresults,
                          wasmtime_suspend_t *suspend) {
  (void)env, (void)caller, (void)results, (void)nresults;
  wasmtime_suspend_to(suspend, &host->t, args, nargs, again, host, finalize);
  return NULL;
}

// Says something else first.
static wasm_trap_t *replaces(void *env, wasmtime_caller_t *caller,
                             const wasmtime_val_t *args, size_t nargs,
                             wasmtime_val_t *results, size_t nresults,
                             wasmtime_suspend_t *suspend) {
  wasmtime_val_t other = i32(-1);
  wasmtime_suspend_to(suspend, &host->t, &other, 1, again, host, finalize);
  return plain(env, caller, args, nargs, results, nresults, suspend);
}

static wasm_trap_t *traps(void *env, wasmtime_caller_t *caller,
                          const wasmtime_val_t *args, size_t nargs,
                          wasmtime_val_t *results, size_t nresults,
                          wasmtime_suspend_t *suspend) {
  chain(env, caller, args, nargs, results, nresults, suspend);
  return wasmtime_trap_new("the host says no", 16);
}

static wasm_trap_t *throws(void *env, wasmtime_caller_t *caller,
                           const wasmtime_val_t *args, size_t nargs,
                           wasmtime_val_t *results, size_t nresults,
                           wasmtime_suspend_t *suspend) {
  (void)env, (void)nargs, (void)results, (void)nresults, (void)suspend;
  wasmtime_context_t *context = wasmtime_caller_context(caller);
  wasmtime_tag_t tag = tag_of(&host->guest, "thrown");
  wasmtime_exnref_t exception;
  FINE(wasmtime_exnref_new(context, &tag, args, 1, &exception));
  wasm_trap_t *trap = wasmtime_context_set_exception(context, &exception);
  wasmtime_exnref_unroot(&exception);
  return trap;
}

static wasm_trap_t *wrong_type(void *env, wasmtime_caller_t *caller,
                               const wasmtime_val_t *args, size_t nargs,
                               wasmtime_val_t *results, size_t nresults,
                               wasmtime_suspend_t *suspend) {
  (void)env, (void)caller, (void)args, (void)nargs, (void)results,
      (void)nresults;
  wasmtime_val_t wide = {.kind = WASMTIME_I64, .of.i64 = 1};
  wasmtime_suspend_to(suspend, &host->t, &wide, 1, again, host, finalize);
  return NULL;
}

static wasm_trap_t *wrong_number(void *env, wasmtime_caller_t *caller,
                                 const wasmtime_val_t *args, size_t nargs,
                                 wasmtime_val_t *results, size_t nresults,
                                 wasmtime_suspend_t *suspend) {
  (void)env, (void)caller, (void)args, (void)nargs, (void)results,
      (void)nresults;
  wasmtime_suspend_to(suspend, &host->t, NULL, 0, again, host, finalize);
  return NULL;
}

static wasm_trap_t *wrong_results(void *env, wasmtime_caller_t *caller,
                                  const wasmtime_val_t *args, size_t nargs,
                                  wasmtime_val_t *results, size_t nresults,
                                  wasmtime_suspend_t *suspend) {
  (void)env, (void)caller, (void)args, (void)nargs, (void)results,
      (void)nresults;
  wasmtime_tag_t none = tag_of(&host->guest, "none");
  wasmtime_suspend_to(suspend, &none, NULL, 0, NULL, host, finalize);
  return NULL;
}

static wasm_trap_t *returns_wrong(void *env, wasmtime_caller_t *caller,
                                  const wasmtime_val_t *args, size_t nargs,
                                  wasmtime_val_t *results, size_t nresults,
                                  wasmtime_suspend_t *suspend) {
  (void)env, (void)caller, (void)args, (void)nargs, (void)nresults,
      (void)suspend;
  results[0].kind = WASMTIME_F64;
  results[0].of.f64 = 1;
  return NULL;
}

static wasm_trap_t *foreign_payload(void *env, wasmtime_caller_t *caller,
                                    const wasmtime_val_t *args, size_t nargs,
                                    wasmtime_val_t *results, size_t nresults,
                                    wasmtime_suspend_t *suspend) {
  (void)env, (void)caller, (void)args, (void)nargs, (void)results,
      (void)nresults;
  wasmtime_suspend_to(suspend, &host->o, &host->foreign, 1, again, host,
                      finalize);
  return NULL;
}

static wasm_trap_t *foreign_result(void *env, wasmtime_caller_t *caller,
                                   const wasmtime_val_t *args, size_t nargs,
                                   wasmtime_val_t *results, size_t nresults,
                                   wasmtime_suspend_t *suspend) {
  (void)env, (void)caller, (void)args, (void)nargs, (void)nresults,
      (void)suspend;
  wasmtime_val_clone(&host->foreign, &results[0]);
  return NULL;
}

// Resumes another continuation of the same store.
static wasm_trap_t *nests(void *env, wasmtime_caller_t *caller,
                          const wasmtime_val_t *args, size_t nargs,
                          wasmtime_val_t *results, size_t nresults,
                          wasmtime_suspend_t *suspend) {
  (void)env, (void)nargs, (void)nresults, (void)suspend;
  host->read = plain;
  wasmtime_contref_t cont = new_cont(&host->guest, "reads");
  wasmtime_context_t *context = wasmtime_caller_context(caller);
  wasmtime_on_t on = {.kind = WASMTIME_ON_SUSPEND, .tag = host->t};
  wasmtime_resumed_t resumed;
  wasm_trap_t *trap;
  OK(wasmtime_cont_resume(context, &cont, args, 1, results, 1, &on, 1, &resumed,
                          &trap),
     trap);
  CHECK(resumed.kind == WASMTIME_RESUMED_SUSPENDED);
  wasmtime_val_t doubled = i32(resumed.suspension.payload[0].of.i32 * 2);
  wasmtime_suspension_delete(&resumed.suspension);
  OK(wasmtime_cont_resume(context, &resumed.suspension.cont, &doubled, 1,
                          results, 1, &on, 1, &resumed, &trap),
     trap);
  CHECK(resumed.kind == WASMTIME_RESUMED_RETURNED);
  return NULL;
}

// Resumes and ends the continuation that calls it.
static wasm_trap_t *attacks_itself(void *env, wasmtime_caller_t *caller,
                                   const wasmtime_val_t *args, size_t nargs,
                                   wasmtime_val_t *results, size_t nresults,
                                   wasmtime_suspend_t *suspend) {
  (void)env, (void)nargs, (void)nresults, (void)suspend;
  wasmtime_context_t *context = wasmtime_caller_context(caller);
  CHECK(status_of(&host->guest, host->running) == WASMTIME_CONT_ACTIVE);
  wasmtime_resumed_t resumed;
  wasm_trap_t *trap;
  EXPECT_TRAP(wasmtime_cont_resume(context, &host->running, args, 1, results, 1,
                                   NULL, 0, &resumed, &trap),
              trap, CONTINUATION_ALREADY_CONSUMED);
  EXPECT_TRAP(wasmtime_cont_discard(context, &host->running, &trap), trap,
              CONTINUATION_ALREADY_CONSUMED);
  FINE(wasmtime_cont_unroot(context, &host->running));
  FINE(wasmtime_context_gc(context));
  results[0] = i32(1);
  return NULL;
}

// Resumes with one i32 and a clause for `$t`. Returns the number that the
// continuation has suspended with or returned.
static int32_t step(wasmtime_contref_t *cont, int32_t value,
                    wasmtime_resumed_kind_t kind) {
  wasmtime_val_t arg = i32(value), out;
  wasmtime_on_t on = {.kind = WASMTIME_ON_SUSPEND, .tag = host->t};
  wasmtime_resumed_t resumed;
  wasm_trap_t *trap;
  OK(wasmtime_cont_resume(host->guest.context, cont, &arg, 1, &out, 1, &on, 1,
                          &resumed, &trap),
     trap);
  CHECK(resumed.kind == kind);
  if (kind == WASMTIME_RESUMED_RETURNED)
    return out.of.i32;
  *cont = resumed.suspension.cont;
  int32_t number = resumed.suspension.payload[0].of.i32;
  wasmtime_suspension_delete(&resumed.suspension);
  return number;
}

// Resumes as above, and expects a trap or exception.
static const char *fails(wasmtime_contref_t *cont, int32_t value) {
  wasmtime_val_t arg = i32(value), out;
  wasmtime_on_t on = {.kind = WASMTIME_ON_SUSPEND, .tag = host->t};
  wasmtime_resumed_t resumed;
  wasm_trap_t *trap;
  wasmtime_error_t *error = wasmtime_cont_resume(
      host->guest.context, cont, &arg, 1, &out, 1, &on, 1, &resumed, &trap);
  // It ran, so that this is no mistake of the caller's.
  CHECK(error == NULL && trap != NULL);
  CHECK(status_of(&host->guest, *cont) == WASMTIME_CONT_CONSUMED);
  return trap_text(trap);
}

static void suspends(void) {
  host->read = plain;
  wasmtime_contref_t cont = new_cont(&host->guest, "reads-twice");
  CHECK(step(&cont, 5, WASMTIME_RESUMED_SUSPENDED) == 5);
  CHECK(host->finalized == 1);
  CHECK(step(&cont, 6, WASMTIME_RESUMED_SUSPENDED) == 100);
  CHECK(step(&cont, 7, WASMTIME_RESUMED_RETURNED) == 130);
  CHECK(host->finalized == 2);

  host->read = returns;
  cont = new_cont(&host->guest, "reads");
  CHECK(step(&cont, 5, WASMTIME_RESUMED_RETURNED) == 60);

  // In Wasm's handler, and in none.
  host->read = plain;
  wasmtime_func_t func = func_of(&host->guest, "handles");
  wasmtime_val_t arg = i32(5), result;
  wasm_trap_t *trap = NULL;
  OK(wasmtime_func_call(host->guest.context, &func, &arg, 1, &result, 1, &trap),
     trap);
  CHECK(result.of.i32 == 100);
  func = func_of(&host->guest, "reads");
  EXPECT_TRAP(wasmtime_func_call(host->guest.context, &func, &arg, 1, &result,
                                 1, &trap),
              trap, UNHANDLED_TAG);

  // The function itself as what runs.
  host->read = nests;
  cont = new_cont(&host->guest, "reads");
  CHECK(step(&cont, 5, WASMTIME_RESUMED_RETURNED) == 1000);

  host->read = attacks_itself;
  cont = host->running = new_cont(&host->guest, "reads");
  CHECK(step(&cont, 5, WASMTIME_RESUMED_RETURNED) == 10);
}

static void goes_on(void) {
  host->finalized = host->gone_on = 0;
  host->read = chain;
  wasmtime_contref_t cont = new_cont(&host->guest, "reads");
  CHECK(step(&cont, 5, WASMTIME_RESUMED_SUSPENDED) == 5);
  CHECK(host->finalized == 0);
  CHECK(step(&cont, 7, WASMTIME_RESUMED_SUSPENDED) == 8);
  CHECK(host->finalized == 1 && host->gone_on == 1);
  CHECK(step(&cont, 12, WASMTIME_RESUMED_RETURNED) == 120);
  CHECK(host->finalized == 2 && host->gone_on == 2);

  // It fails.
  cont = new_cont(&host->guest, "reads");
  CHECK(step(&cont, 5, WASMTIME_RESUMED_SUSPENDED) == 5);
  CHECK(strstr(fails(&cont, 0), "zero came back") != NULL);
  CHECK(host->finalized == 3 && host->gone_on == 3);

  // The last word counts.
  host->read = replaces;
  cont = new_cont(&host->guest, "reads");
  CHECK(step(&cont, 5, WASMTIME_RESUMED_SUSPENDED) == 5);
  CHECK(step(&cont, 6, WASMTIME_RESUMED_RETURNED) == 60);
  CHECK(host->finalized == 5 && host->gone_on == 3);
}

static void mistakes(void) {
  host->finalized = host->gone_on = 0;
  struct {
    wasmtime_func_suspending_callback_t callback;
    const char *text;
  } cases[] = {
      {traps, "the host says no"},
      {wrong_type, "type mismatch"},
      {wrong_number, "expected 1 values"},
      {wrong_results, "are not those of the function"},
      {returns_wrong, "incompatible"},
      {foreign_payload, "a value is of another store"},
      {foreign_result, "a value is of another store"},
  };
  wasmtime_store_t *other = wasmtime_store_new(host->guest.engine, NULL, NULL);
  host->foreign.kind = WASMTIME_EXTERNREF;
  CHECK(wasmtime_externref_new(wasmtime_store_context(other), NULL, NULL,
                               &host->foreign.of.externref));
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    host->read = cases[i].callback;
    wasmtime_contref_t cont = new_cont(&host->guest, "reads");
    const char *text = fails(&cont, 5);
    if (strstr(text, cases[i].text) == NULL) {
      fprintf(stderr, "expected \"%s\" in: %s\n", cases[i].text, text);
      exit(1);
    }
  }
  CHECK(host->finalized == 5 && host->gone_on == 0);
  wasmtime_val_unroot(&host->foreign);

  // A tag of another store.
  host->read = plain;
  host->finalized = 0;
  wasm_functype_t *type = wasm_functype_new_1_0(wasm_valtype_new_i32());
  wasm_tagtype_t *tag_type = wasm_tagtype_new(type);
  wasmtime_tag_t own = host->t;
  FINE(wasmtime_tag_new(wasmtime_store_context(other), tag_type, &host->t));
  wasm_tagtype_delete(tag_type);
  wasmtime_val_t arg = i32(5), out;
  wasmtime_resumed_t resumed;
  wasm_trap_t *trap;
  wasmtime_contref_t cont = new_cont(&host->guest, "reads");
  wasmtime_error_t *error = wasmtime_cont_resume(
      host->guest.context, &cont, &arg, 1, &out, 1, NULL, 0, &resumed, &trap);
  CHECK(error == NULL && trap != NULL);
  CHECK(strstr(trap_text(trap), "cross-`Store`") != NULL);
  host->t = own;
  wasmtime_store_delete(other);
  CHECK(host->finalized == 1);
}

static void exceptions(void) {
  wasmtime_context_t *context = host->guest.context;
  // The callback throws.
  host->read = throws;
  wasmtime_contref_t cont = new_cont(&host->guest, "catches");
  CHECK(step(&cont, 5, WASMTIME_RESUMED_RETURNED) == 1005);

  // Whoever resumes throws.
  host->finalized = host->gone_on = 0;
  host->read = chain;
  cont = new_cont(&host->guest, "catches");
  CHECK(step(&cont, 5, WASMTIME_RESUMED_SUSPENDED) == 5);
  wasmtime_tag_t tag = tag_of(&host->guest, "thrown");
  wasmtime_val_t field = i32(7), result;
  wasmtime_exnref_t exception;
  FINE(wasmtime_exnref_new(context, &tag, &field, 1, &exception));
  wasmtime_resumed_t resumed;
  wasm_trap_t *trap;
  OK(wasmtime_cont_resume_throw(context, &cont, &exception, &result, 1, NULL, 0,
                                &resumed, &trap),
     trap);
  wasmtime_exnref_unroot(&exception);
  CHECK(resumed.kind == WASMTIME_RESUMED_RETURNED && result.of.i32 == 1007);
  CHECK(host->gone_on == 0);
}

static int objects_freed;

static void free_object(void *data) {
  free(data);
  objects_freed++;
}

static wasmtime_val_t new_object(int number) {
  int *data = malloc(sizeof *data);
  *data = number;
  wasmtime_val_t val = {.kind = WASMTIME_EXTERNREF};
  CHECK(wasmtime_externref_new(host->guest.context, data, free_object,
                               &val.of.externref));
  return val;
}

static int number_of(const wasmtime_val_t *val) {
  CHECK(val->kind == WASMTIME_EXTERNREF);
  return *(int *)wasmtime_externref_data(host->guest.context,
                                         &val->of.externref);
}

// Objects of the garbage collector on the way, with collections in between.
static void objects(void) {
  wasmtime_context_t *context = host->guest.context;
  wasmtime_contref_t cont = new_cont(&host->guest, "objects");
  wasmtime_val_t object = new_object(1), result;
  wasmtime_on_t on = {.kind = WASMTIME_ON_SUSPEND, .tag = host->o};
  wasmtime_resumed_t resumed;
  wasm_trap_t *trap;
  OK(wasmtime_cont_resume(context, &cont, &object, 1, &result, 1, &on, 1,
                          &resumed, &trap),
     trap);
  wasmtime_val_unroot(&object);
  FINE(wasmtime_context_gc(context));
  CHECK(number_of(&resumed.suspension.payload[0]) == 1);
  wasmtime_suspension_delete(&resumed.suspension);
  object = new_object(2);
  OK(wasmtime_cont_resume(context, &resumed.suspension.cont, &object, 1,
                          &result, 1, &on, 1, &resumed, &trap),
     trap);
  wasmtime_val_unroot(&object);
  FINE(wasmtime_context_gc(context));
  CHECK(number_of(&result) == 2);
  wasmtime_val_unroot(&result);
}

// Continuations that nobody resumes: their data is finalized with the store.
static void left(void) {
  host->finalized = host->gone_on = 0;
  host->read = chain;
  wasm_trap_t *trap;
  for (int i = 0; i < 1000; i++) {
    wasmtime_contref_t cont = new_cont(&host->guest, "reads");
    CHECK(step(&cont, 5, WASMTIME_RESUMED_SUSPENDED) == 5);
    if (i % 2 == 0)
      OK(wasmtime_cont_discard(host->guest.context, &cont, &trap), trap);
  }
  // Of those that were discarded, most data is gone already.
  CHECK(host->finalized > 200 && host->finalized <= 500);
}

static wasm_functype_t *unary(wasm_valkind_t kind) {
  return wasm_functype_new_1_1(wasm_valtype_new(kind), wasm_valtype_new(kind));
}

int main(int argc, char **argv) {
  CHECK(argc == 2);
  wasm_engine_t *engine = wasm_engine_new_with_config(new_config(argv[1]));
  wasmtime_module_t *module = compile(engine, MODULE);
  host_t this = {0};
  host = &this;
  wasmtime_linker_t *linker = wasmtime_linker_new(engine);
  wasm_functype_t *type = unary(WASM_I32);
  FINE(wasmtime_linker_define_func_suspending(linker, "host", 4, "read", 4,
                                              type, read, &host, NULL));
  wasm_functype_delete(type);
  type = unary(WASM_EXTERNREF);
  FINE(wasmtime_linker_define_func_suspending(linker, "host", 4, "object", 6,
                                              type, object, NULL, NULL));
  // Defined already: the data is finalized.
  wasm_trap_t *none = NULL;
  EXPECT_ERROR(wasmtime_linker_define_func_suspending(linker, "host", 4,
                                                      "object", 6, type, object,
                                                      host, finalize),
               none, "defined twice");
  CHECK(host->finalized == 1);
  wasm_functype_delete(type);
  host->finalized = 0;
  host->guest = new_guest(engine, module, linker);
  host->t = tag_of(&host->guest, "t");
  host->o = tag_of(&host->guest, "o");

  suspends();
  goes_on();
  mistakes();
  exceptions();
  objects();
  left();

  // Without a linker.
  type = unary(WASM_I32);
  wasmtime_func_t func;
  wasmtime_func_new_suspending(host->guest.context, type, read, &host, NULL,
                               &func);
  host->read = returns;
  wasmtime_val_t arg = i32(1), result;
  wasm_trap_t *trap = NULL;
  OK(wasmtime_func_call(host->guest.context, &func, &arg, 1, &result, 1, &trap),
     trap);
  CHECK(result.of.i32 == 2);
  // And as the function of a continuation.
  host->read = plain;
  wasmtime_cont_type_t *cont_type;
  FINE(wasmtime_cont_type_new(engine, type, &cont_type));
  wasmtime_contref_t cont;
  OK(wasmtime_cont_new(host->guest.context, cont_type, &func, &cont, &trap),
     trap);
  wasmtime_cont_type_delete(cont_type);
  wasm_functype_delete(type);
  CHECK(step(&cont, 3, WASMTIME_RESUMED_SUSPENDED) == 3);
  CHECK(step(&cont, 4, WASMTIME_RESUMED_RETURNED) == 4);

  host->finalized -= 1;
  wasmtime_store_delete(host->guest.store);
  // Those of `left`, and of the exception, whose function did not go on.
  CHECK(host->finalized == 1001 && host->gone_on == 0);
  CHECK(objects_freed == 2);
  wasmtime_linker_delete(linker);
  wasmtime_module_delete(module);
  wasm_engine_delete(engine);
  printf("suspending: ok\n");
  return 0;
}
