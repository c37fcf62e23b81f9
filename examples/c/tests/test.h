// What the tests of the C API share.

#ifndef TEST_H
#define TEST_H

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wasmtime.h>

#define CHECK(condition)                                                       \
  do {                                                                         \
    if (!(condition)) {                                                        \
      fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);          \
      exit(1);                                                                 \
    }                                                                          \
  } while (0)

// The text of a message, which this deletes. Valid until the next call.
static inline const char *text_of(wasm_byte_vec_t *message) {
  static char text[4096];
  snprintf(text, sizeof text, "%.*s", (int)message->size, message->data);
  wasm_byte_vec_delete(message);
  return text;
}

// The message of an error, which this deletes. Valid until the next text.
static inline const char *error_text(wasmtime_error_t *error) {
  wasm_byte_vec_t message;
  wasmtime_error_message(error, &message);
  wasmtime_error_delete(error);
  return text_of(&message);
}

// The message of a trap, which this deletes. Valid until the next text.
static inline const char *trap_text(wasm_trap_t *trap) {
  wasm_byte_vec_t message;
  wasm_trap_message(trap, &message);
  wasm_trap_delete(trap);
  return text_of(&message);
}

// Expects success.
#define OK(error_of, trap)                                                     \
  do {                                                                         \
    wasmtime_error_t *ok_error = (error_of);                                   \
    if (ok_error != NULL) {                                                    \
      fprintf(stderr, "%s:%d: error: %s\n", __FILE__, __LINE__,                \
              error_text(ok_error));                                           \
      exit(1);                                                                 \
    }                                                                          \
    if ((trap) != NULL) {                                                      \
      fprintf(stderr, "%s:%d: trap: %s\n", __FILE__, __LINE__,                 \
              trap_text(trap));                                                \
      exit(1);                                                                 \
    }                                                                          \
  } while (0)

// Expects success of what cannot trap.
#define FINE(error_of)                                                         \
  do {                                                                         \
    wasm_trap_t *fine_trap = NULL;                                             \
    OK(error_of, fine_trap);                                                   \
  } while (0)

// Expects an error whose message has this text, and no trap.
#define EXPECT_ERROR(error_of, trap, text)                                     \
  do {                                                                         \
    wasmtime_error_t *expected = (error_of);                                   \
    CHECK(expected != NULL);                                                   \
    CHECK((trap) == NULL);                                                     \
    const char *message = error_text(expected);                                \
    if (strstr(message, text) == NULL) {                                       \
      fprintf(stderr, "%s:%d: expected \"%s\" in: %s\n", __FILE__, __LINE__,   \
              text, message);                                                  \
      exit(1);                                                                 \
    }                                                                          \
  } while (0)

// Expects a trap with this code, and no error.
#define EXPECT_TRAP(error_of, trap, trap_code)                                 \
  do {                                                                         \
    FINE(error_of);                                                            \
    CHECK((trap) != NULL);                                                     \
    wasmtime_trap_code_t code;                                                 \
    CHECK(wasmtime_trap_code(trap, &code));                                    \
    CHECK(code == WASMTIME_TRAP_CODE_##trap_code);                             \
    wasm_trap_delete(trap);                                                    \
    (trap) = NULL;                                                             \
  } while (0)

static inline wasmtime_val_t i32(int32_t value) {
  wasmtime_val_t val = {.kind = WASMTIME_I32, .of.i32 = value};
  return val;
}

static inline wasmtime_val_t contref(wasmtime_contref_t cont) {
  wasmtime_val_t val = {.kind = WASMTIME_CONTREF, .of.contref = cont};
  return val;
}

// The configuration with the backend that the command line names.
static inline wasm_config_t *new_config(const char *backend) {
  wasm_config_t *config = wasm_config_new();
  wasmtime_config_wasm_stack_switching_set(config, true);
  wasmtime_config_stack_switching_backend_set(
      config, strcmp(backend, "libcall") == 0
                  ? WASMTIME_STACK_SWITCHING_BACKEND_LIBCALL
                  : WASMTIME_STACK_SWITCHING_BACKEND_NATIVE);
  return config;
}

static inline wasmtime_module_t *compile(wasm_engine_t *engine,
                                         const char *text) {
  wasm_byte_vec_t wasm;
  FINE(wasmtime_wat2wasm(text, strlen(text), &wasm));
  wasmtime_module_t *module;
  FINE(wasmtime_module_new(engine, (uint8_t *)wasm.data, wasm.size, &module));
  wasm_byte_vec_delete(&wasm);
  return module;
}

// An instance in a store of its own.
typedef struct guest {
  wasm_engine_t *engine;
  wasmtime_store_t *store;
  wasmtime_context_t *context;
  wasmtime_instance_t instance;
} guest_t;

static inline guest_t new_guest(wasm_engine_t *engine,
                                const wasmtime_module_t *module,
                                const wasmtime_linker_t *linker) {
  guest_t guest = {.engine = engine,
                   .store = wasmtime_store_new(engine, NULL, NULL)};
  guest.context = wasmtime_store_context(guest.store);
  wasm_trap_t *trap = NULL;
  if (linker == NULL)
    OK(wasmtime_instance_new(guest.context, module, NULL, 0, &guest.instance,
                             &trap),
       trap);
  else
    OK(wasmtime_linker_instantiate(linker, guest.context, module,
                                   &guest.instance, &trap),
       trap);
  return guest;
}

static inline wasmtime_extern_t export_of(guest_t *guest, const char *name) {
  wasmtime_extern_t item;
  CHECK(wasmtime_instance_export_get(guest->context, &guest->instance, name,
                                     strlen(name), &item));
  return item;
}

static inline wasmtime_func_t func_of(guest_t *guest, const char *name) {
  return export_of(guest, name).of.func;
}

static inline wasmtime_tag_t tag_of(guest_t *guest, const char *name) {
  return export_of(guest, name).of.tag;
}

// The type of continuations that call an exported function.
static inline wasmtime_cont_type_t *type_of(guest_t *guest, const char *name) {
  wasmtime_func_t func = func_of(guest, name);
  wasm_functype_t *func_type = wasmtime_func_type(guest->context, &func);
  wasmtime_cont_type_t *type;
  FINE(wasmtime_cont_type_new(guest->engine, func_type, &type));
  wasm_functype_delete(func_type);
  return type;
}

// A continuation that will call an exported function.
static inline wasmtime_contref_t new_cont(guest_t *guest, const char *name) {
  wasmtime_func_t func = func_of(guest, name);
  wasmtime_cont_type_t *type = type_of(guest, name);
  wasmtime_contref_t cont;
  wasm_trap_t *trap;
  OK(wasmtime_cont_new(guest->context, type, &func, &cont, &trap), trap);
  wasmtime_cont_type_delete(type);
  return cont;
}

static inline wasmtime_cont_status_t status_of(guest_t *guest,
                                               wasmtime_contref_t cont) {
  wasmtime_cont_status_t status;
  FINE(wasmtime_cont_status(guest->context, &cont, &status));
  return status;
}

static inline wasmtime_continuation_statistics_t statistics_of(guest_t *guest) {
  wasmtime_continuation_statistics_t statistics;
  wasmtime_context_continuation_statistics(guest->context, &statistics);
  return statistics;
}

#endif // TEST_H
