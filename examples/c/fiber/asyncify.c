/* fiber.h by binaryen's Asyncify, which makes each function that may pause able to leave and to come back: it writes its variables
 * into a buffer, and reads them from there. When it comes back, it goes straight to the call at which it has left.
 *
 * `run` and `pause` call Asyncify's functions. Asyncify does not rewrite a function that does so, and so nothing may inline them. */
#include <stdint.h>

/* Asyncify's own: where in the buffer it is, and where that ends. */
struct implementation {
    struct {
        char *at;
        char *end;
    } saved;
    char *buffer;
    char *stack_pointer;
    void *value;
};

#include "common.h"

#define ASYNCIFY(name) __attribute__((import_module("asyncify"), import_name(name)))

ASYNCIFY("start_unwind") void asyncify_start_unwind(void *saved);
ASYNCIFY("stop_unwind") void asyncify_stop_unwind(void);
ASYNCIFY("start_rewind") void asyncify_start_rewind(void *saved);
ASYNCIFY("stop_rewind") void asyncify_stop_rewind(void);

/* To which fiber the one that pauses switches. */
static struct fiber *next;
static int pausing;
static int going_on;

static inline char *stack_pointer(void) {
    char *is;
    __asm__ volatile(".globaltype __stack_pointer, i32\n global.get __stack_pointer\n local.set %0" : "=r"(is));
    return is;
}

static inline void set_stack_pointer(char *to) {
    __asm__ volatile(".globaltype __stack_pointer, i32\n local.get %0\n global.set __stack_pointer" : : "r"(to));
}

static int prepare(struct fiber *fiber) {
    free(fiber->of.buffer);
    fiber->of.buffer = malloc(fiber->stack_size);
    return fiber->of.buffer != NULL;
}

/* What is in its buffer is not used any more. */
static void end(struct fiber *fiber) {
    (void)fiber;
}

/* Runs one fiber until it pauses or has finished. */
static __attribute__((noinline)) void *run(struct fiber *fiber, void *arg) {
    char *mine = stack_pointer();
    fiber->of.value = arg;
    if (fiber->state == FRESH) {
        set_stack_pointer(top_of(fiber));
    } else {
        set_stack_pointer(fiber->of.stack_pointer);
        going_on = 1;
        asyncify_start_rewind(&fiber->of.saved);
    }
    fiber->state = RUNNING;
    void *value = fiber->entry(arg);
    if (pausing)
        asyncify_stop_unwind();
    set_stack_pointer(mine);
    return value;
}

void *fiber_resume(fiber_t fiber, void *arg, fiber_result_t *status) {
    if (fiber->state >= RUNNING) {
        *status = FIBER_ERROR;
        return NULL;
    }
    struct fiber *resumer = running;
    for (;;) {
        running = fiber;
        void *value = run(fiber, arg);
        if (!pausing) {
            check_stack(fiber, fiber->stack);
            fiber->state = FINISHED;
            *status = FIBER_OK;
            last = fiber;
            running = resumer;
            return value;
        }
        pausing = 0;
        fiber->state = PAUSED;
        arg = fiber->of.value;
        if (!next) {
            *status = FIBER_YIELD;
            last = fiber;
            running = resumer;
            return arg;
        }
        fiber = next;
        next = NULL;
    }
}

static __attribute__((noinline)) void *pause(void *arg) {
    struct fiber *fiber = running;
    if (going_on) {
        going_on = 0;
        asyncify_stop_rewind();
        return fiber->of.value;
    }
    fiber->of.stack_pointer = stack_pointer();
    check_stack(fiber, fiber->of.stack_pointer);
    fiber->of.value = arg;
    fiber->of.saved.at = fiber->of.buffer;
    fiber->of.saved.end = fiber->of.buffer + fiber->stack_size;
    pausing = 1;
    asyncify_start_unwind(&fiber->of.saved);
    return NULL;
}

void *fiber_yield(void *arg) {
    if (!running)
        fail("fiber_yield outside of a fiber");
    return pause(arg);
}

void *fiber_switch(fiber_t to, void *arg) {
    if (!running)
        fail("fiber_switch outside of a fiber");
    if (to->state >= RUNNING)
        fail("fiber_switch to a fiber that runs or has finished");
    next = to;
    return pause(arg);
}
