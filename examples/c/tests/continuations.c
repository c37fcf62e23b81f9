// Continuations that the host drives: what works, and what must be an error
// that consumes nothing.
//
// Usage: continuations native|libcall

#include "test.h"

static const char MODULE[] =
    "(module\n"
    "  (type $f (func (param i32) (result i32))) (type $k (cont $f))\n"
    "  (type $two (func (param i32 i32) (result i32))) (type $k2 (cont $two))\n"
    "  (type $f0 (func (result i32))) (type $k0 (cont $f0))\n"
    "  (type $f1 (func (param (ref null $k0)) (result i32))) (type $k1 (cont\n"
    "    $f1))\n"
    "  (tag $yield (export \"yield\") (param i32) (result i32))\n"
    "  (tag $give (export \"give\") (param (ref $k) externref) (result i32))\n"
    "  (tag $cancelled (export \"cancelled\") (param i32))\n"
    "  (tag $switch (export \"switch\") (result i32))\n"
    "  (table (export \"table\") 2 (ref null $k))\n"
    "  (global (export \"global\") (mut (ref null $k)) (ref.null $k))\n"
    "  (func $gen (export \"gen\") (param i32) (result i32)\n"
    "    (loop $next\n"
    "      (local.set 0 (suspend $yield (local.get 0)))\n"
    "      (br_if $next (i32.ne (local.get 0) (i32.const 0))))\n"
    "    (i32.const 42))\n"
    "  (func (export \"add\") (param i32 i32) (result i32)\n"
    "    (i32.add (local.get 0) (local.get 1)))\n"
    "  (func (export \"catches\") (param i32) (result i32)\n"
    "    (block $h (result i32)\n"
    "      (try_table (catch $cancelled $h) (drop (suspend $yield (local.get\n"
    "    0))))\n"
    "      (i32.const -1)))\n"
    "  (func (export \"gives\") (param externref) (result i32)\n"
    "    (suspend $give (cont.new $k (ref.func $gen)) (local.get 0)))\n"
    "  (func (export \"traps\") (param i32) (result i32) (unreachable))\n"
    "  (func (export \"make\") (result (ref $k)) (cont.new $k (ref.func\n"
    "    $gen)))\n"
    "  (func (export \"abstract\") (result (ref null cont)) (cont.new $k\n"
    "    (ref.func $gen)))\n"
    "  (func (export \"run\") (param (ref null $k) i32) (result i32)\n"
    "    (resume $k (local.get 1) (local.get 0)))\n"
    "  (func $second (type $f1) (i32.const 5))\n"
    "  (elem declare func $second)\n"
    "  (func (export \"switches\") (type $f0)\n"
    "    (switch $k1 $switch (cont.new $k1 (ref.func $second)))\n"
    "    (i32.const 6)))";

typedef struct test {
  guest_t guest, other;
  wasmtime_tag_t yield;
} test_t;

static wasmtime_on_t on_suspend(wasmtime_tag_t tag) {
  wasmtime_on_t on = {.kind = WASMTIME_ON_SUSPEND, .tag = tag};
  return on;
}

// Resumes with one i32 and one clause, for `$yield`.
static wasmtime_resumed_t step(test_t *test, wasmtime_contref_t cont,
                               int32_t value, int32_t *result) {
  wasmtime_val_t arg = i32(value), out;
  wasmtime_on_t on = on_suspend(test->yield);
  wasmtime_resumed_t resumed;
  wasm_trap_t *trap;
  OK(wasmtime_cont_resume(test->guest.context, &cont, &arg, 1, &out, 1, &on, 1,
                          &resumed, &trap),
     trap);
  if (resumed.kind == WASMTIME_RESUMED_RETURNED) {
    CHECK(out.kind == WASMTIME_I32);
    CHECK(resumed.suspension.payload == NULL);
    *result = out.of.i32;
  } else {
    CHECK(resumed.suspension.payload_len == 1);
    CHECK(resumed.suspension.clause == 0);
    CHECK(wasmtime_tag_eq(test->guest.context, &resumed.suspension.tag,
                          &test->yield));
    *result = resumed.suspension.payload[0].of.i32;
    wasmtime_suspension_delete(&resumed.suspension);
    // Twice does no harm.
    wasmtime_suspension_delete(&resumed.suspension);
  }
  return resumed;
}

static void suspends_and_returns(test_t *test) {
  wasmtime_contref_t cont = new_cont(&test->guest, "gen");
  CHECK(status_of(&test->guest, cont) == WASMTIME_CONT_FRESH);
  int32_t result;
  wasmtime_resumed_t resumed = step(test, cont, 5, &result);
  CHECK(resumed.kind == WASMTIME_RESUMED_SUSPENDED && result == 5);
  CHECK(status_of(&test->guest, cont) == WASMTIME_CONT_CONSUMED);
  cont = resumed.suspension.cont;
  CHECK(status_of(&test->guest, cont) == WASMTIME_CONT_SUSPENDED);
  resumed = step(test, cont, 6, &result);
  CHECK(resumed.kind == WASMTIME_RESUMED_SUSPENDED && result == 6);
  cont = resumed.suspension.cont;
  resumed = step(test, cont, 0, &result);
  CHECK(resumed.kind == WASMTIME_RESUMED_RETURNED && result == 42);
  CHECK(status_of(&test->guest, cont) == WASMTIME_CONT_CONSUMED);
}

static void binds(test_t *test) {
  guest_t *guest = &test->guest;
  wasmtime_contref_t cont = new_cont(guest, "add"), bound;
  wasmtime_cont_type_t *rest = type_of(guest, "gen");
  wasmtime_cont_type_t *copy = wasmtime_cont_type_copy(rest);
  wasm_functype_t *func = wasmtime_cont_type_func(copy);
  CHECK(wasm_functype_params(func)->size == 1);
  CHECK(wasm_functype_results(func)->size == 1);
  wasm_functype_delete(func);
  wasmtime_cont_type_delete(copy);

  wasm_trap_t *trap;
  wasmtime_val_t args[2] = {i32(40), i32(1)};
  EXPECT_ERROR(
      wasmtime_cont_bind(guest->context, &cont, rest, args, 2, &bound, &trap),
      trap, "type mismatch");
  wasmtime_val_t wrong = {.kind = WASMTIME_I64, .of.i64 = 1};
  EXPECT_ERROR(
      wasmtime_cont_bind(guest->context, &cont, rest, &wrong, 1, &bound, &trap),
      trap, "type mismatch");
  CHECK(status_of(guest, cont) == WASMTIME_CONT_FRESH);
  OK(wasmtime_cont_bind(guest->context, &cont, rest, args, 1, &bound, &trap),
     trap);
  CHECK(status_of(guest, cont) == WASMTIME_CONT_CONSUMED);
  EXPECT_TRAP(
      wasmtime_cont_bind(guest->context, &cont, rest, args, 1, &bound, &trap),
      trap, CONTINUATION_ALREADY_CONSUMED);
  int32_t result;
  wasmtime_resumed_t resumed = step(test, bound, 2, &result);
  CHECK(resumed.kind == WASMTIME_RESUMED_RETURNED && result == 42);
  wasmtime_cont_type_delete(rest);
}

// None of these errors consumes the reference.
static void wrong_operands(test_t *test) {
  guest_t *guest = &test->guest;
  wasmtime_context_t *context = guest->context;
  wasmtime_contref_t cont = new_cont(guest, "gen"), out;
  wasmtime_contref_t foreign = new_cont(&test->other, "gen"), null;
  wasmtime_contref_set_null(&null);
  CHECK(wasmtime_contref_is_null(&null) && !wasmtime_contref_is_null(&cont));
  wasmtime_val_t arg = i32(1), result;
  wasmtime_val_t wide = {.kind = WASMTIME_I64, .of.i64 = 1};
  wasmtime_val_t two[2] = {arg, arg};
  wasmtime_on_t on = on_suspend(test->yield);
  wasmtime_resumed_t resumed;
  wasm_trap_t *trap;
  wasmtime_exnref_t no_exception;
  wasmtime_exnref_set_null(&no_exception);
  wasmtime_exnref_t exception;
  wasmtime_tag_t cancelled = tag_of(&test->other, "cancelled");
  FINE(wasmtime_exnref_new(test->other.context, &cancelled, &arg, 1,
                           &exception));

  // Null references.
  EXPECT_ERROR(wasmtime_cont_resume(context, &null, &arg, 1, &result, 1, &on, 1,
                                    &resumed, &trap),
               trap, "null reference");
  EXPECT_ERROR(wasmtime_cont_resume_throw(context, &cont, &no_exception,
                                          &result, 1, &on, 1, &resumed, &trap),
               trap, "null reference");
  EXPECT_ERROR(wasmtime_cont_discard(context, &null, &trap), trap,
               "null reference");
  wasmtime_cont_status_t status;
  EXPECT_ERROR(wasmtime_cont_status(context, &null, &status), trap,
               "null reference");
  FINE(wasmtime_cont_unroot(context, &null));
  wasmtime_cont_type_t *type = type_of(guest, "gen");
  EXPECT_ERROR(wasmtime_cont_bind(context, &null, type, NULL, 0, &out, &trap),
               trap, "null reference");
  wasmtime_func_t no_func;
  wasmtime_funcref_set_null(&no_func);
  EXPECT_ERROR(wasmtime_cont_new(context, type, &no_func, &out, &trap), trap,
               "null reference");

  // Functions that do not fit.
  wasmtime_func_t func = func_of(guest, "add");
  EXPECT_ERROR(wasmtime_cont_new(context, type, &func, &out, &trap), trap,
               "type mismatch");
  func = func_of(&test->other, "gen");
  EXPECT_ERROR(wasmtime_cont_new(context, type, &func, &out, &trap), trap,
               "cross-`Store`");

  // Numbers and types of arguments and results.
  EXPECT_ERROR(wasmtime_cont_resume(context, &cont, NULL, 0, &result, 1, &on, 1,
                                    &resumed, &trap),
               trap, "expected 1 arguments for a continuation");
  EXPECT_ERROR(wasmtime_cont_resume(context, &cont, two, 2, &result, 1, &on, 1,
                                    &resumed, &trap),
               trap, "expected 1 arguments for a continuation");
  EXPECT_ERROR(wasmtime_cont_resume(context, &cont, &arg, 1, NULL, 0, &on, 1,
                                    &resumed, &trap),
               trap, "expected room for 1 results");
  EXPECT_ERROR(wasmtime_cont_resume(context, &cont, &wide, 1, &result, 1, &on,
                                    1, &resumed, &trap),
               trap, "type mismatch");
  wasmtime_val_t unknown = {.kind = 77};
  EXPECT_ERROR(wasmtime_cont_resume(context, &cont, &unknown, 1, &result, 1,
                                    &on, 1, &resumed, &trap),
               trap, "unknown wasmtime_valkind_t");

  // Clauses.
  wasmtime_on_t bad = {.kind = 9, .tag = test->yield};
  EXPECT_ERROR(wasmtime_cont_resume(context, &cont, &arg, 1, &result, 1, &bad,
                                    1, &resumed, &trap),
               trap, "wasmtime_on_kind_t");
  bad = on_suspend(tag_of(&test->other, "yield"));
  EXPECT_ERROR(wasmtime_cont_resume(context, &cont, &arg, 1, &result, 1, &bad,
                                    1, &resumed, &trap),
               trap, "cross-`Store`");
  bad.kind = WASMTIME_ON_SWITCH;
  bad.tag = test->yield;
  EXPECT_ERROR(wasmtime_cont_resume(context, &cont, &arg, 1, &result, 1, &bad,
                                    1, &resumed, &trap),
               trap, "a tag for `switch`");

  // Another store.
  EXPECT_ERROR(wasmtime_cont_resume(context, &foreign, &arg, 1, &result, 1, &on,
                                    1, &resumed, &trap),
               trap, "another store");
  EXPECT_ERROR(wasmtime_cont_resume_throw(context, &cont, &exception, &result,
                                          1, &on, 1, &resumed, &trap),
               trap, "another store");
  EXPECT_ERROR(wasmtime_cont_discard(context, &foreign, &trap), trap,
               "another store");
  EXPECT_ERROR(
      wasmtime_cont_bind(context, &foreign, type, NULL, 0, &out, &trap), trap,
      "another store");
  EXPECT_ERROR(wasmtime_cont_status(context, &foreign, &status), trap,
               "another store");
  EXPECT_ERROR(wasmtime_cont_unroot(context, &foreign), trap, "another store");

  EXPECT_ERROR(wasmtime_cont_resume_throw(context, &foreign, &exception,
                                          &result, 1, &on, 1, &resumed, &trap),
               trap, "another store");
  wasmtime_val_t object = {.kind = WASMTIME_EXTERNREF};
  CHECK(wasmtime_externref_new(test->other.context, NULL, NULL,
                               &object.of.externref));
  EXPECT_ERROR(wasmtime_cont_resume(context, &cont, &object, 1, &result, 1, &on,
                                    1, &resumed, &trap),
               trap, "another store");
  EXPECT_ERROR(
      wasmtime_cont_bind(context, &cont, type, &object, 1, &out, &trap), trap,
      "another store");
  wasmtime_val_unroot(&object);
  object = contref(foreign);
  EXPECT_ERROR(wasmtime_cont_resume(context, &cont, &object, 1, &result, 1, &on,
                                    1, &resumed, &trap),
               trap, "mismatch");
  object.kind = WASMTIME_FUNCREF;
  object.of.funcref = func;
  EXPECT_ERROR(wasmtime_cont_resume(context, &cont, &object, 1, &result, 1, &on,
                                    1, &resumed, &trap),
               trap, "mismatch");
  CHECK(status_of(guest, cont) == WASMTIME_CONT_FRESH);
  CHECK(status_of(&test->other, foreign) == WASMTIME_CONT_FRESH);
  OK(wasmtime_cont_discard(context, &cont, &trap), trap);
  OK(wasmtime_cont_discard(test->other.context, &foreign, &trap), trap);
  wasmtime_exnref_unroot(&exception);
  wasmtime_cont_type_delete(type);
}

static void consumed(test_t *test) {
  guest_t *guest = &test->guest;
  wasmtime_context_t *context = guest->context;
  wasmtime_contref_t cont = new_cont(guest, "gen");
  wasm_trap_t *trap;
  OK(wasmtime_cont_discard(context, &cont, &trap), trap);
  EXPECT_TRAP(wasmtime_cont_discard(context, &cont, &trap), trap,
              CONTINUATION_ALREADY_CONSUMED);
  wasmtime_val_t arg = i32(1), result;
  wasmtime_resumed_t resumed;
  EXPECT_TRAP(wasmtime_cont_resume(context, &cont, &arg, 1, &result, 1, NULL, 0,
                                   &resumed, &trap),
              trap, CONTINUATION_ALREADY_CONSUMED);
  FINE(wasmtime_cont_unroot(context, &cont));

  // A suspended one, too, is ended once.
  int32_t value;
  wasmtime_contref_t first = new_cont(guest, "gen");
  resumed = step(test, first, 3, &value);
  EXPECT_TRAP(wasmtime_cont_resume(context, &first, &arg, 1, &result, 1, NULL,
                                   0, &resumed, &trap),
              trap, CONTINUATION_ALREADY_CONSUMED);
  cont = resumed.suspension.cont;
  OK(wasmtime_cont_discard(context, &cont, &trap), trap);
  EXPECT_TRAP(wasmtime_cont_discard(context, &cont, &trap), trap,
              CONTINUATION_ALREADY_CONSUMED);
}

static void ends_badly(test_t *test) {
  guest_t *guest = &test->guest;
  wasmtime_context_t *context = guest->context;
  wasmtime_val_t arg = i32(1), result;
  wasmtime_resumed_t resumed;
  wasm_trap_t *trap;

  wasmtime_contref_t cont = new_cont(guest, "traps");
  EXPECT_TRAP(wasmtime_cont_resume(context, &cont, &arg, 1, &result, 1, NULL, 0,
                                   &resumed, &trap),
              trap, UNREACHABLE_CODE_REACHED);
  CHECK(status_of(guest, cont) == WASMTIME_CONT_CONSUMED);

  cont = new_cont(guest, "gen");
  EXPECT_TRAP(wasmtime_cont_resume(context, &cont, &arg, 1, &result, 1, NULL, 0,
                                   &resumed, &trap),
              trap, UNHANDLED_TAG);
  CHECK(statistics_of(guest).alive == 0);
}

// A clause for `switch`.
static void switches(test_t *test) {
  guest_t *guest = &test->guest;
  wasmtime_on_t on = {.kind = WASMTIME_ON_SWITCH,
                      .tag = tag_of(guest, "switch")};
  wasmtime_val_t result;
  wasmtime_resumed_t resumed;
  wasm_trap_t *trap;
  wasmtime_contref_t cont = new_cont(guest, "switches");
  OK(wasmtime_cont_resume(guest->context, &cont, NULL, 0, &result, 1, &on, 1,
                          &resumed, &trap),
     trap);
  CHECK(resumed.kind == WASMTIME_RESUMED_RETURNED && result.of.i32 == 5);
  cont = new_cont(guest, "switches");
  on.kind = WASMTIME_ON_SUSPEND;
  EXPECT_TRAP(wasmtime_cont_resume(guest->context, &cont, NULL, 0, &result, 1,
                                   &on, 1, &resumed, &trap),
              trap, UNHANDLED_TAG);
}

static void throws(test_t *test) {
  guest_t *guest = &test->guest;
  wasmtime_context_t *context = guest->context;
  wasmtime_tag_t cancelled = tag_of(guest, "cancelled");
  wasmtime_val_t field = i32(7), result;
  wasmtime_exnref_t exception, got;
  FINE(wasmtime_exnref_new(context, &cancelled, &field, 1, &exception));
  wasmtime_resumed_t resumed;
  wasm_trap_t *trap;
  int32_t value;

  // One that catches it.
  resumed = step(test, new_cont(guest, "catches"), 3, &value);
  wasmtime_contref_t cont = resumed.suspension.cont;
  OK(wasmtime_cont_resume_throw(context, &cont, &exception, &result, 1, NULL, 0,
                                &resumed, &trap),
     trap);
  CHECK(resumed.kind == WASMTIME_RESUMED_RETURNED && result.of.i32 == 7);

  // One that does not, and one that was never resumed.
  for (int fresh = 0; fresh < 2; fresh++) {
    cont = new_cont(guest, "gen");
    if (!fresh)
      cont = step(test, cont, 3, &value).suspension.cont;
    FINE(wasmtime_cont_resume_throw(context, &cont, &exception, &result, 1,
                                    NULL, 0, &resumed, &trap));
    CHECK(trap != NULL && wasmtime_context_has_exception(context));
    wasm_trap_delete(trap);
    CHECK(wasmtime_context_take_exception(context, &got));
    wasmtime_val_t val;
    FINE(wasmtime_exnref_field(context, &got, 0, &val));
    CHECK(val.of.i32 == 7);
    wasmtime_exnref_unroot(&got);
    CHECK(status_of(guest, cont) == WASMTIME_CONT_CONSUMED);
  }
  wasmtime_exnref_unroot(&exception);
  CHECK(statistics_of(guest).alive == 0);
}

// Continuations as values: in a payload, arguments, results, tables, globals.
static void values(test_t *test) {
  guest_t *guest = &test->guest;
  wasmtime_context_t *context = guest->context;
  wasm_trap_t *trap = NULL;
  int32_t number = 0;

  // A payload with a continuation and an object.
  int data = 0;
  wasmtime_val_t arg = {.kind = WASMTIME_EXTERNREF}, result;
  CHECK(wasmtime_externref_new(context, &data, NULL, &arg.of.externref));
  wasmtime_contref_t cont = new_cont(guest, "gives");
  wasmtime_on_t on[2] = {on_suspend(test->yield),
                         on_suspend(tag_of(guest, "give"))};
  wasmtime_resumed_t resumed;
  OK(wasmtime_cont_resume(context, &cont, &arg, 1, &result, 1, on, 2, &resumed,
                          &trap),
     trap);
  wasmtime_val_unroot(&arg);
  CHECK(resumed.kind == WASMTIME_RESUMED_SUSPENDED);
  CHECK(resumed.suspension.clause == 1 && resumed.suspension.payload_len == 2);
  wasmtime_val_t *payload = resumed.suspension.payload;
  CHECK(payload[0].kind == WASMTIME_CONTREF);
  CHECK(payload[1].kind == WASMTIME_EXTERNREF);
  CHECK(wasmtime_externref_data(context, &payload[1].of.externref) == &data);
  wasmtime_contref_t given = payload[0].of.contref;
  wasmtime_val_t clone;
  wasmtime_val_clone(&payload[0], &clone);
  CHECK(memcmp(&clone.of.contref, &given, sizeof given) == 0);
  wasmtime_suspension_delete(&resumed.suspension);
  wasmtime_val_unroot(&clone);
  // Neither of these ends it.
  CHECK(status_of(guest, given) == WASMTIME_CONT_FRESH);
  OK(wasmtime_cont_discard(context, &resumed.suspension.cont, &trap), trap);

  // Tables.
  wasmtime_table_t table = export_of(guest, "table").of.table;
  wasmtime_val_t val = contref(given);
  FINE(wasmtime_table_set(context, &table, 0, &val));
  CHECK(wasmtime_table_get(context, &table, 0, &val));
  CHECK(val.kind == WASMTIME_CONTREF &&
        !wasmtime_contref_is_null(&val.of.contref));
  wasmtime_val_t null;
  CHECK(wasmtime_table_get(context, &table, 1, &null));
  CHECK(null.kind == WASMTIME_CONTREF &&
        wasmtime_contref_is_null(&null.of.contref));
  uint64_t size;
  FINE(wasmtime_table_grow(context, &table, 3, &val, &size));
  CHECK(size == 2 && wasmtime_table_size(context, &table) == 5);
  CHECK(wasmtime_table_get(context, &table, 4, &val));
  wasmtime_val_t number_val = i32(1);
  EXPECT_ERROR(wasmtime_table_set(context, &table, 0, &number_val), trap,
               "not a reference");
  wasmtime_val_t wrong = contref(new_cont(guest, "add"));
  EXPECT_ERROR(wasmtime_table_set(context, &table, 0, &wrong), trap, "type");
  wasmtime_val_t foreign = contref(new_cont(&test->other, "gen"));
  EXPECT_ERROR(wasmtime_table_set(context, &table, 0, &foreign), trap, "tore");

  // Globals.
  wasmtime_global_t global = export_of(guest, "global").of.global;
  FINE(wasmtime_global_set(context, &global, &val));
  wasmtime_global_get(context, &global, &val);
  CHECK(status_of(guest, val.of.contref) == WASMTIME_CONT_FRESH);
  EXPECT_ERROR(wasmtime_global_set(context, &global, &wrong), trap, "type");
  EXPECT_ERROR(wasmtime_global_set(context, &global, &foreign), trap, "tore");

  // Arguments and results of functions.
  wasmtime_func_t run = func_of(guest, "run");
  wasmtime_val_t args[2] = {val, i32(0)};
  FINE(wasmtime_func_call(context, &run, args, 2, &result, 1, &trap));
  // It suspends, and nobody handles that.
  CHECK(trap != NULL);
  wasm_trap_delete(trap);
  trap = NULL;
  wasmtime_func_t make = func_of(guest, "make");
  OK(wasmtime_func_call(context, &make, NULL, 0, &val, 1, &trap), trap);
  CHECK(val.kind == WASMTIME_CONTREF);
  step(test, val.of.contref, 9, &number);
  CHECK(number == 9);
  args[0] = foreign;
  EXPECT_ERROR(wasmtime_func_call(context, &run, args, 2, &result, 1, &trap),
               trap, "tore");
  args[0] = contref(new_cont(guest, "add"));
  EXPECT_ERROR(wasmtime_func_call(context, &run, args, 2, &result, 1, &trap),
               trap, "type");
  args[0] = null;
  EXPECT_TRAP(wasmtime_func_call(context, &run, args, 2, &result, 1, &trap),
              trap, NULL_REFERENCE);

  // The abstract type.
  wasmtime_func_t abstract = func_of(guest, "abstract");
  OK(wasmtime_func_call(context, &abstract, NULL, 0, &val, 1, &trap), trap);
  number_val = i32(1);
  EXPECT_ERROR(wasmtime_cont_resume(context, &val.of.contref, &number_val, 1,
                                    &result, 1, on, 2, &resumed, &trap),
               trap, "abstract type");
  OK(wasmtime_cont_discard(context, &val.of.contref, &trap), trap);
}

// Types of tables, globals and functions that have continuations.
static void types(test_t *test) {
  guest_t *guest = &test->guest;
  wasmtime_table_t table = export_of(guest, "table").of.table;
  wasm_tabletype_t *table_type = wasmtime_table_type(guest->context, &table);
  wasmtime_valtype_t element, clone;
  wasmtime_valtype_new(wasm_tabletype_element(table_type), &element);
  CHECK(element.kind == WASMTIME_VALTYPE_KIND_REF);
  CHECK(element.reftype.nullable);
  CHECK(element.reftype.heaptype.kind == WASMTIME_HEAPTYPE_KIND_CONCRETE_CONT);
  wasm_functype_t *func =
      wasmtime_cont_type_func(element.reftype.heaptype.of.concrete_cont);
  CHECK(wasm_functype_params(func)->size == 1);
  wasm_functype_delete(func);
  wasmtime_valtype_clone(&element, &clone);
  wasm_valtype_t *back = wasmtime_valtype_to_wasm(guest->engine, &clone);
  CHECK(wasmtime_wasm_valtype_equal(back, wasm_tabletype_element(table_type)));
  wasmtime_valtype_delete(&clone);
  wasmtime_valtype_delete(&element);

  // A table that the host makes.
  wasm_limits_t limits = {.min = 1, .max = 10};
  wasm_tabletype_t *own = wasm_tabletype_new(back, &limits);
  wasmtime_val_t init = contref(new_cont(guest, "gen"));
  wasmtime_table_t new_table;
  FINE(wasmtime_table_new(guest->context, own, &init, &new_table));
  wasm_tabletype_delete(own);
  wasm_tabletype_delete(table_type);
  CHECK(wasmtime_table_get(guest->context, &new_table, 0, &init));
  wasm_trap_t *trap;
  OK(wasmtime_cont_discard(guest->context, &init.of.contref, &trap), trap);

  // The abstract types.
  const uint8_t kinds[2] = {WASMTIME_HEAPTYPE_KIND_CONT,
                            WASMTIME_HEAPTYPE_KIND_NOCONT};
  for (int i = 0; i < 2; i++) {
    wasmtime_valtype_t type = {.kind = WASMTIME_VALTYPE_KIND_REF};
    type.reftype.nullable = true;
    type.reftype.heaptype.kind = kinds[i];
    wasm_valtype_t *abstract = wasmtime_valtype_to_wasm(guest->engine, &type);
    wasm_globaltype_t *global_type = wasm_globaltype_new(abstract, WASM_VAR);
    wasmtime_global_t global;
    wasmtime_val_t null = {.kind = WASMTIME_CONTREF};
    wasmtime_contref_set_null(&null.of.contref);
    FINE(wasmtime_global_new(guest->context, global_type, &null, &global));
    wasm_globaltype_delete(global_type);
    wasmtime_global_get(guest->context, &global, &null);
    CHECK(null.kind == WASMTIME_CONTREF &&
          wasmtime_contref_is_null(&null.of.contref));
  }
}

static void limits(test_t *test, const wasmtime_module_t *module) {
  guest_t guest = new_guest(test->guest.engine, module, NULL);
  wasmtime_store_limiter_continuations(guest.store, 3);
  // The other limits leave this one as it is.
  wasmtime_store_limiter(guest.store, -1, 4, -1, -1, -1);
  wasmtime_contref_t conts[3], more;
  for (int i = 0; i < 3; i++)
    conts[i] = new_cont(&guest, "gen");
  wasmtime_cont_type_t *type = type_of(&guest, "gen");
  wasmtime_func_t func = func_of(&guest, "gen");
  wasm_trap_t *trap;
  EXPECT_TRAP(wasmtime_cont_new(guest.context, type, &func, &more, &trap), trap,
              CONTINUATION_LIMIT);
  OK(wasmtime_cont_discard(guest.context, &conts[1], &trap), trap);
  OK(wasmtime_cont_new(guest.context, type, &func, &more, &trap), trap);
  wasmtime_table_t table = export_of(&guest, "table").of.table;
  wasmtime_val_t null = {.kind = WASMTIME_CONTREF};
  wasmtime_contref_set_null(&null.of.contref);
  uint64_t size;
  EXPECT_ERROR(wasmtime_table_grow(guest.context, &table, 3, &null, &size),
               trap, "grow");
  wasmtime_store_limiter_continuations(guest.store, -1);
  OK(wasmtime_cont_new(guest.context, type, &func, &more, &trap), trap);
  wasmtime_cont_type_delete(type);
  wasmtime_store_delete(guest.store);
}

// No stack for another continuation: its reference stays usable.
static void stack_limit(const char *backend) {
  wasm_config_t *config = new_config(backend);
  wasmtime_config_continuation_stacks_set(config, 2);
  wasm_engine_t *engine = wasm_engine_new_with_config(config);
  wasmtime_module_t *module = compile(engine, MODULE);
  test_t test = {.guest = new_guest(engine, module, NULL)};
  test.yield = tag_of(&test.guest, "yield");
  int32_t value;
  wasmtime_resumed_t first =
      step(&test, new_cont(&test.guest, "gen"), 1, &value);
  step(&test, new_cont(&test.guest, "gen"), 1, &value);
  wasmtime_contref_t third = new_cont(&test.guest, "gen");
  wasmtime_val_t arg = i32(1), result;
  wasmtime_resumed_t resumed;
  wasm_trap_t *trap;
  EXPECT_TRAP(wasmtime_cont_resume(test.guest.context, &third, &arg, 1, &result,
                                   1, NULL, 0, &resumed, &trap),
              trap, CONTINUATION_LIMIT);
  CHECK(status_of(&test.guest, third) == WASMTIME_CONT_FRESH);
  OK(wasmtime_cont_discard(test.guest.context, &first.suspension.cont, &trap),
     trap);
  step(&test, third, 3, &value);
  CHECK(value == 3);
  wasmtime_module_delete(module);
  wasmtime_store_delete(test.guest.store);
  wasm_engine_delete(engine);
}

// A program may drop what it has: nothing is freed twice, nothing leaks.
static void dropped(test_t *test, const wasmtime_module_t *module) {
  guest_t guest = new_guest(test->guest.engine, module, NULL);
  test_t own = {.guest = guest, .yield = tag_of(&guest, "yield")};
  int32_t value;
  for (int i = 0; i < 10; i++)
    step(&own, new_cont(&guest, "gen"), 1, &value);
  CHECK(statistics_of(&guest).alive == 10);
  // Held by the host, so that a search finds nothing.
  FINE(wasmtime_context_gc(guest.context));
  CHECK(statistics_of(&guest).alive == 10);
  wasmtime_resumed_t resumed = step(&own, new_cont(&guest, "gen"), 1, &value);
  FINE(wasmtime_cont_unroot(guest.context, &resumed.suspension.cont));
#if defined(__x86_64__) || defined(__aarch64__)
  FINE(wasmtime_context_gc(guest.context));
  CHECK(statistics_of(&guest).alive == 10);
  CHECK(statistics_of(&guest).reclaimed == 1);
  CHECK(status_of(&guest, resumed.suspension.cont) == WASMTIME_CONT_CONSUMED);
#endif
  // With ten suspended continuations.
  wasmtime_store_delete(guest.store);
}

static void many(test_t *test) {
  guest_t *guest = &test->guest;
  wasmtime_cont_type_t *type = type_of(guest, "gen");
  wasmtime_func_t func = func_of(guest, "gen");
  wasmtime_continuation_statistics_t before = statistics_of(guest);
  int32_t value;
  wasm_trap_t *trap;
  for (int i = 0; i < 100000; i++) {
    wasmtime_contref_t cont;
    OK(wasmtime_cont_new(guest->context, type, &func, &cont, &trap), trap);
    if (i % 10 == 0)
      cont = step(test, cont, 1, &value).suspension.cont;
    OK(wasmtime_cont_discard(guest->context, &cont, &trap), trap);
  }
  wasmtime_continuation_statistics_t after = statistics_of(guest);
  CHECK(after.created == before.created + 100000);
  CHECK(after.alive == before.alive && after.peak <= before.peak + 1);
  CHECK(after.stacks <= before.stacks + 1);
  CHECK(!after.bytes_resident_known || after.bytes_resident < 64 << 20);
  wasmtime_cont_type_delete(type);
}

static wasm_trap_t *never(const wasm_val_vec_t *args, wasm_val_vec_t *results) {
  (void)args, (void)results;
  CHECK(false);
  return NULL;
}

// wasm.h has no such values: that is a trap, and no end of the process.
static void older_interface(wasm_engine_t *engine) {
  const char *text =
      "(module\n"
      "  (type $f (func)) (type $k (cont $f))\n"
      "  (import \"\" \"f\" (func $f (param (ref null $k))))\n"
      "  (func (export \"passes\") (call $f (ref.null $k)))\n"
      "  (func (export \"returns\") (result (ref null $k)) (ref.null $k)))";
  wasm_byte_vec_t wasm;
  FINE(wasmtime_wat2wasm(text, strlen(text), &wasm));
  wasm_store_t *store = wasm_store_new(engine);
  wasm_module_t *module = wasm_module_new(store, &wasm);
  wasm_byte_vec_delete(&wasm);
  CHECK(module != NULL);
  wasm_importtype_vec_t imports;
  wasm_module_imports(module, &imports);
  wasm_func_t *func = wasm_func_new(
      store,
      wasm_externtype_as_functype_const(wasm_importtype_type(imports.data[0])),
      never);
  wasm_importtype_vec_delete(&imports);
  wasm_extern_t *import = wasm_func_as_extern(func);
  wasm_extern_vec_t given = {.size = 1, .data = &import}, exports;
  wasm_trap_t *trap = NULL;
  wasm_instance_t *instance = wasm_instance_new(store, module, &given, &trap);
  CHECK(instance != NULL);
  wasm_instance_exports(instance, &exports);
  for (size_t i = 0; i < 2; i++) {
    wasm_val_vec_t args = WASM_EMPTY_VEC, results;
    wasm_val_vec_new_uninitialized(&results, i);
    trap =
        wasm_func_call(wasm_extern_as_func(exports.data[i]), &args, &results);
    CHECK(trap != NULL);
    CHECK(strstr(trap_text(trap), "use `wasmtime.h`") != NULL);
    wasm_val_vec_delete(&results);
  }
  wasm_extern_vec_delete(&exports);
  wasm_instance_delete(instance);
  wasm_func_delete(func);
  wasm_module_delete(module);
  wasm_store_delete(store);
}

int main(int argc, char **argv) {
  CHECK(argc == 2);
  wasm_config_t *config = new_config(argv[1]);
  wasmtime_config_continuation_stack_size_set(config, 64 << 10);
  wasmtime_config_continuation_stacks_set(config, 1000);
  wasmtime_config_continuations_per_store_set(config, 1000);
  wasmtime_config_continuation_keep_resident_set(config, 8 << 10);
  wasmtime_config_continuation_guards_set(config,
                                          WASMTIME_CONTINUATION_GUARDS_AUTO);
  wasm_engine_t *engine = wasm_engine_new_with_config(config);
  wasmtime_module_t *module = compile(engine, MODULE);
  test_t test = {.guest = new_guest(engine, module, NULL),
                 .other = new_guest(engine, module, NULL)};
  test.yield = tag_of(&test.guest, "yield");

  suspends_and_returns(&test);
  binds(&test);
  wrong_operands(&test);
  consumed(&test);
  ends_badly(&test);
  throws(&test);
  many(&test);
  switches(&test);
  values(&test);
  types(&test);
  limits(&test, module);
  stack_limit(argv[1]);
  older_interface(engine);
  dropped(&test, module);

  // A type of another engine.
  wasm_engine_t *plain = wasm_engine_new();
  wasmtime_func_t func = func_of(&test.guest, "gen");
  wasm_functype_t *func_type = wasmtime_func_type(test.guest.context, &func);
  wasmtime_cont_type_t *type;
  wasm_trap_t *none = NULL;
  EXPECT_ERROR(wasmtime_cont_type_new(plain, func_type, &type), none,
               "stack switching is not enabled");
  wasm_functype_delete(func_type);
  wasm_engine_delete(plain);

  wasmtime_module_delete(module);
  wasmtime_store_delete(test.guest.store);
  wasmtime_store_delete(test.other.store);
  wasm_engine_delete(engine);
  printf("continuations: ok\n");
  return 0;
}
