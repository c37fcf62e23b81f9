/* Fibers for C: functions that pause, and go on later, each on a stack of its own.
 *
 * The functions up to `fiber_resume` are those of Frank Emrich's talk "WasmFX Stack Switching: Status and Future Plans"
 * (WebAssembly Community Group, June 2024). `fiber_switch` goes from one fiber to another without a way back to the caller
 * in between. There are two implementations: `switching.c` with `switching.wat`, for stack switching, and `asyncify.c`, for
 * binaryen's Asyncify. What both share is in `common.h`. `cargo xtask c-programs` builds each program with both.
 *
 *        caller                 fiber a                  fiber b
 *          | fiber_resume(a) ----> |
 *          | <--- fiber_yield ---- |
 *          | fiber_resume(a) ----> | fiber_switch(b) ----> |
 *          | <------------------------------- fiber_yield -|      the caller of fiber_resume(a) goes on
 *
 * To build a program of one's own (FEATURES: the `--enable-` options in `xtask/src/c_programs.rs`; FIBER_DEBUG is
 * `-DFIBER_DEBUG=1` in the first command):
 *
 *     zig cc -target wasm32-wasi -O3 -I DIR DIR/switching.c PROGRAM.c -Wl,--export=__stack_pointer -Wl,--export-table -o c.wasm
 *     wasm-as FEATURES DIR/switching.wat -o switching.wasm
 *     wasm-merge FEATURES c.wasm main switching.wasm fiber -o program.wasm
 *
 * All fibers belong to one thread. No `longjmp` and no exception of C++ may leave a fiber.
 */
#ifndef FIBER_H
#define FIBER_H

#include <stddef.h>

typedef struct fiber *fiber_t;
typedef void *(*fiber_entry_point_t)(void *);

typedef enum {
    /* The function of the fiber that was running has returned: the value is what it returned. */
    FIBER_OK = 0,
    /* The fiber that was running has yielded: the value is what it yielded. */
    FIBER_YIELD = 1,
    /* The fiber cannot be resumed, as it runs or has finished: the value is NULL. */
    FIBER_ERROR = 2,
} fiber_result_t;

/* A fiber that will call `entry` with what the first resume passes. NULL if there is no memory for it here; an engine that has no
 * room for a continuation, or for its stack, traps when the fiber begins. */
fiber_t fiber_alloc(fiber_entry_point_t entry);

/* As `fiber_alloc`, with so many bytes for those of its variables that have an address: its shadow stack. With FIBER_DEBUG, the
 * library looks when a fiber pauses or ends, and aborts if it has used more. With Asyncify there are as many bytes for all other
 * variables: when they do not suffice, Asyncify traps. */
fiber_t fiber_alloc_sized(fiber_entry_point_t entry, size_t stack_size);

/* The size that `fiber_alloc` takes from now on: at first 8 KiB. */
void fiber_set_stack_size(size_t stack_size);

/* Gives back what the fiber takes: the library keeps the memory for the next fiber. If the fiber has not finished, nothing of its
 * code runs any more, and addresses of its variables are not valid. Its continuation is left to the engine, which takes the stack
 * back when it finds that nothing refers to it. (This engine does so on x86-64 and aarch64 with Unix; elsewhere the stack lasts as long as the
 * store. A function that returns gives it back at once.) The fiber must not be running. NULL is fine. */
void fiber_free(fiber_t fiber);

/* Pauses the fiber that runs, and returns `arg` to whoever has resumed. Returns what the next resume or switch passes. */
void *fiber_yield(void *arg);

/* Runs the fiber until it yields or has finished. `arg` is what the `fiber_yield` returns at which it waits. If it switches to
 * others, those run, and this returns when one of them yields or has finished: see `fiber_last`. Fibers may resume fibers;
 * Asyncify runs all of these on one stack, so that a few thousand within each other are too many for Wasmtime's defaults. */
void *fiber_resume(fiber_t fiber, void *arg, fiber_result_t *status);

/* Pauses the fiber that runs, and goes on with the paused or new fiber `to`, which gets `arg`. Returns what the next resume or
 * switch passes. Whoever has resumed the one now waits for the other. */
void *fiber_switch(fiber_t to, void *arg);

/* The fiber that runs, or NULL outside of all fibers. */
fiber_t fiber_current(void);

/* The fiber with which the last `fiber_resume` ended that was not an error. */
fiber_t fiber_last(void);

#endif
