/* fiber.h by stack switching. The instructions are in switching.wat: a continuation for each fiber, in a table. */

struct implementation {
    char none;
};

#include "common.h"

#define WAT(name) __attribute__((import_module("fiber"), import_name(name)))

/* Makes room for the continuation of a fiber: 0 if there is none. */
WAT("reserve") int switching_reserve(uint32_t slot);
/* Makes the continuation of the fiber that is resumed, or switched to, next. */
WAT("begin") void switching_begin(uint32_t slot, fiber_entry_point_t entry, char *stack_top);
/* Returns the value, and above it 1 if the fiber has yielded. */
WAT("resume") uint64_t switching_resume(uint32_t slot, void *arg);
WAT("yield") void *switching_yield(uint32_t slot, void *arg);
WAT("switch") void *switching_switch(uint32_t from, uint32_t slot, void *arg);
/* Forgets a continuation that does not go on. */
WAT("end") void switching_end(uint32_t slot);
WAT("stack_pointer") char *stack_pointer(void);

static int prepare(struct fiber *fiber) {
    return switching_reserve(fiber->slot);
}

static void end(struct fiber *fiber) {
    if (fiber->state == PAUSED)
        switching_end(fiber->slot);
}

/* What the fiber that runs from now on needs for that. */
static inline void run(struct fiber *fiber) {
    if (fiber->state == FRESH)
        switching_begin(fiber->slot, fiber->entry, top_of(fiber));
    fiber->state = RUNNING;
    running = fiber;
}

void *fiber_resume(fiber_t fiber, void *arg, fiber_result_t *status) {
    if (fiber->state >= RUNNING) {
        *status = FIBER_ERROR;
        return NULL;
    }
    struct fiber *resumer = running;
    run(fiber);
    uint64_t left = switching_resume(fiber->slot, arg);
    /* Not always the one that was resumed. */
    fiber = last = running;
    running = resumer;
    int yielded = left >> 32;
    fiber->state = yielded ? PAUSED : FINISHED;
    if (!yielded)
        check_stack(fiber, fiber->stack);
    *status = yielded ? FIBER_YIELD : FIBER_OK;
    return (void *)(uintptr_t)left;
}

void *fiber_yield(void *arg) {
    if (!running)
        fail("fiber_yield outside of a fiber");
    check_stack(running, FIBER_DEBUG ? stack_pointer() : NULL);
    return switching_yield(running->slot, arg);
}

void *fiber_switch(fiber_t to, void *arg) {
    struct fiber *from = running;
    if (!from)
        fail("fiber_switch outside of a fiber");
    if (to->state >= RUNNING)
        fail("fiber_switch to a fiber that runs or has finished");
    check_stack(from, FIBER_DEBUG ? stack_pointer() : NULL);
    from->state = PAUSED;
    run(to);
    return switching_switch(from->slot, to->slot, arg);
}
