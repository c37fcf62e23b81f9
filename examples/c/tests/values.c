// Values, tags and exceptions without continuations: what the C API had before,
// and must still do.
//
// Usage: values native|libcall

#include "test.h"

static const char MODULE[] =
    "(module\n"
    "  (import \"host\" \"echo\" (func $echo\n"
    "    (param i32 i64 f32 f64 v128 funcref externref anyref exnref)\n"
    "    (result i32 i64 f32 f64 v128 funcref externref anyref exnref)))\n"
    "  (tag $t (export \"t\") (param i32 i64))\n"
    "  (table (export \"funcs\") 2 10 funcref)\n"
    "  (table (export \"objects\") 2 externref)\n"
    "  (global (export \"number\") (mut f64) (f64.const 1.5))\n"
    "  (global (export \"object\") (mut anyref) (ref.null any))\n"
    "  (func (export \"echo\")\n"
    "    (param i32 i64 f32 f64 v128 funcref externref anyref exnref)\n"
    "    (result i32 i64 f32 f64 v128 funcref externref anyref exnref)\n"
    "    (call $echo (local.get 0) (local.get 1) (local.get 2) (local.get 3)\n"
    "      (local.get 4) (local.get 5) (local.get 6) (local.get 7)\n"
    "      (local.get 8)))\n"
    "  (func (export \"throw\") (param i32 i64)\n"
    "    (throw $t (local.get 0) (local.get 1)))\n"
    "  (func (export \"rethrow\") (param exnref) (throw_ref (local.get 0))))";

static wasm_trap_t *echo(void *env, wasmtime_caller_t *caller,
                         const wasmtime_val_t *args, size_t nargs,
                         wasmtime_val_t *results, size_t nresults) {
  (void)env, (void)caller;
  CHECK(nargs == 9 && nresults == 9);
  for (size_t i = 0; i < nargs; i++)
    wasmtime_val_clone(&args[i], &results[i]);
  return NULL;
}

static int freed;

static void free_data(void *data) {
  (void)data;
  freed++;
}

static void calls(guest_t *guest) {
  wasmtime_context_t *context = guest->context;
  int data;
  wasmtime_val_t args[9] = {
      i32(-1),
      {.kind = WASMTIME_I64, .of.i64 = INT64_MIN},
      {.kind = WASMTIME_F32, .of.f32 = 1.5f},
      {.kind = WASMTIME_F64, .of.f64 = -0.25},
      {.kind = WASMTIME_V128},
      {.kind = WASMTIME_FUNCREF, .of.funcref = func_of(guest, "throw")},
      {.kind = WASMTIME_EXTERNREF},
      {.kind = WASMTIME_ANYREF},
      {.kind = WASMTIME_EXNREF},
  };
  for (int i = 0; i < 16; i++)
    args[4].of.v128[i] = (uint8_t)(17 * i);
  CHECK(
      wasmtime_externref_new(context, &data, free_data, &args[6].of.externref));
  wasmtime_anyref_from_i31(context, 1234, &args[7].of.anyref);
  wasmtime_tag_t tag = tag_of(guest, "t");
  wasmtime_val_t fields[2] = {i32(7), {.kind = WASMTIME_I64, .of.i64 = 8}};
  FINE(wasmtime_exnref_new(context, &tag, fields, 2, &args[8].of.exnref));

  wasmtime_func_t func = func_of(guest, "echo");
  wasmtime_val_t results[9];
  wasm_trap_t *trap = NULL;
  OK(wasmtime_func_call(context, &func, args, 9, results, 9, &trap), trap);
  for (int i = 0; i < 9; i++) {
    CHECK(results[i].kind == args[i].kind);
    wasmtime_val_unroot(&args[i]);
  }
  FINE(wasmtime_context_gc(context));
  CHECK(results[0].of.i32 == -1 && results[1].of.i64 == INT64_MIN);
  CHECK(results[2].of.f32 == 1.5f && results[3].of.f64 == -0.25);
  CHECK(results[4].of.v128[15] == 255);
  CHECK(!wasmtime_funcref_is_null(&results[5].of.funcref));
  CHECK(wasmtime_externref_data(context, &results[6].of.externref) == &data);
  uint32_t i31;
  CHECK(wasmtime_anyref_i31_get_u(context, &results[7].of.anyref, &i31));
  CHECK(i31 == 1234);
  wasmtime_val_t field;
  FINE(wasmtime_exnref_field(context, &results[8].of.exnref, 1, &field));
  CHECK(field.of.i64 == 8);
  for (int i = 0; i < 9; i++)
    wasmtime_val_unroot(&results[i]);

  // Too few, and of the wrong type.
  EXPECT_ERROR(wasmtime_func_call(context, &func, args, 1, results, 9, &trap),
               trap, "expected 9 arguments");
  func = func_of(guest, "throw");
  wasmtime_val_t wrong[2] = {i32(1), i32(2)};
  EXPECT_ERROR(wasmtime_func_call(context, &func, wrong, 2, NULL, 0, &trap),
               trap, "type mismatch");
}

static void exceptions(guest_t *guest) {
  wasmtime_context_t *context = guest->context;
  wasmtime_func_t func = func_of(guest, "throw");
  wasmtime_val_t args[2] = {i32(3), {.kind = WASMTIME_I64, .of.i64 = 4}};
  wasm_trap_t *trap = NULL;
  FINE(wasmtime_func_call(context, &func, args, 2, NULL, 0, &trap));
  CHECK(trap != NULL);
  wasm_trap_delete(trap);
  trap = NULL;
  CHECK(wasmtime_context_has_exception(context));
  wasmtime_val_t exception = {.kind = WASMTIME_EXNREF};
  CHECK(wasmtime_context_take_exception(context, &exception.of.exnref));
  wasmtime_tag_t tag, own = tag_of(guest, "t");
  FINE(wasmtime_exnref_tag(context, &exception.of.exnref, &tag));
  CHECK(wasmtime_tag_eq(context, &tag, &own));
  CHECK(wasmtime_exnref_field_count(context, &exception.of.exnref) == 2);
  func = func_of(guest, "rethrow");
  FINE(wasmtime_func_call(context, &func, &exception, 1, NULL, 0, &trap));
  CHECK(trap != NULL);
  wasm_trap_delete(trap);
  wasmtime_val_unroot(&exception);
  CHECK(wasmtime_context_take_exception(context, &exception.of.exnref));
  wasmtime_val_unroot(&exception);
}

static void tables_and_globals(guest_t *guest) {
  wasmtime_context_t *context = guest->context;
  wasm_trap_t *none = NULL;
  wasmtime_table_t funcs = export_of(guest, "funcs").of.table;
  wasmtime_val_t val = {.kind = WASMTIME_FUNCREF,
                        .of.funcref = func_of(guest, "echo")};
  FINE(wasmtime_table_set(context, &funcs, 1, &val));
  CHECK(wasmtime_table_get(context, &funcs, 0, &val));
  CHECK(wasmtime_funcref_is_null(&val.of.funcref));
  CHECK(wasmtime_table_get(context, &funcs, 1, &val));
  CHECK(!wasmtime_funcref_is_null(&val.of.funcref));
  CHECK(!wasmtime_table_get(context, &funcs, 2, &val));
  uint64_t size;
  FINE(wasmtime_table_grow(context, &funcs, 8, &val, &size));
  EXPECT_ERROR(wasmtime_table_grow(context, &funcs, 1, &val, &size), none,
               "grow");

  wasmtime_table_t objects = export_of(guest, "objects").of.table;
  wasmtime_val_t object = {.kind = WASMTIME_EXTERNREF};
  CHECK(
      wasmtime_externref_new(context, &freed, free_data, &object.of.externref));
  FINE(wasmtime_table_set(context, &objects, 0, &object));
  EXPECT_ERROR(wasmtime_table_set(context, &funcs, 0, &object), none, "type");
  wasmtime_val_unroot(&object);
  FINE(wasmtime_context_gc(context));
  CHECK(wasmtime_table_get(context, &objects, 0, &object));
  CHECK(wasmtime_externref_data(context, &object.of.externref) == &freed);
  wasmtime_val_unroot(&object);

  wasmtime_global_t number = export_of(guest, "number").of.global;
  wasmtime_global_get(context, &number, &val);
  CHECK(val.kind == WASMTIME_F64 && val.of.f64 == 1.5);
  val.of.f64 = 2.5;
  FINE(wasmtime_global_set(context, &number, &val));
  wasmtime_global_get(context, &number, &val);
  CHECK(val.of.f64 == 2.5);
  val = i32(1);
  EXPECT_ERROR(wasmtime_global_set(context, &number, &val), none, "type");

  wasmtime_global_t any = export_of(guest, "object").of.global;
  wasmtime_val_t i31 = {.kind = WASMTIME_ANYREF};
  wasmtime_anyref_from_i31(context, 5, &i31.of.anyref);
  FINE(wasmtime_global_set(context, &any, &i31));
  wasmtime_val_unroot(&i31);
  wasmtime_global_get(context, &any, &i31);
  CHECK(!wasmtime_anyref_is_null(&i31.of.anyref));
  wasmtime_val_unroot(&i31);
}

// Limits that were there before the one for continuations.
static void limits(wasm_engine_t *engine, const wasmtime_module_t *module,
                   const wasmtime_linker_t *linker) {
  guest_t guest = new_guest(engine, module, linker);
  wasmtime_store_limiter(guest.store, -1, 3, -1, -1, -1);
  wasmtime_table_t funcs = export_of(&guest, "funcs").of.table;
  wasmtime_val_t null = {.kind = WASMTIME_FUNCREF};
  wasmtime_funcref_set_null(&null.of.funcref);
  uint64_t size;
  wasm_trap_t *none = NULL;
  FINE(wasmtime_table_grow(guest.context, &funcs, 1, &null, &size));
  EXPECT_ERROR(wasmtime_table_grow(guest.context, &funcs, 1, &null, &size),
               none, "grow");
  wasmtime_store_limiter(guest.store, -1, -1, -1, -1, -1);
  FINE(wasmtime_table_grow(guest.context, &funcs, 1, &null, &size));
  wasmtime_store_limiter(guest.store, -1, -1, 1, -1, -1);
  wasmtime_instance_t instance;
  wasm_trap_t *trap = NULL;
  EXPECT_ERROR(wasmtime_linker_instantiate(linker, guest.context, module,
                                           &instance, &trap),
               trap, "instance");
  wasmtime_store_delete(guest.store);
}

int main(int argc, char **argv) {
  CHECK(argc == 2);
  wasm_engine_t *engine = wasm_engine_new_with_config(new_config(argv[1]));
  wasmtime_module_t *module = compile(engine, MODULE);
  wasmtime_linker_t *linker = wasmtime_linker_new(engine);
  // The type comes from the module's import.
  wasm_importtype_vec_t imports;
  wasmtime_module_imports(module, &imports);
  const wasm_functype_t *type =
      wasm_externtype_as_functype_const(wasm_importtype_type(imports.data[0]));
  FINE(wasmtime_linker_define_func(linker, "host", 4, "echo", 4, type, echo,
                                   NULL, NULL));
  wasm_importtype_vec_delete(&imports);
  guest_t guest = new_guest(engine, module, linker);

  calls(&guest);
  exceptions(&guest);
  tables_and_globals(&guest);
  limits(engine, module, linker);

  wasmtime_store_delete(guest.store);
  CHECK(freed == 2);
  wasmtime_linker_delete(linker);
  wasmtime_module_delete(module);
  wasm_engine_delete(engine);
  printf("values: ok\n");
  return 0;
}
