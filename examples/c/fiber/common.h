/* What both implementations of fiber.h have in common: a part of switching.c and of asyncify.c. */
#include "fiber.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

/* In debug builds, a fiber that pauses or ends has its shadow stack checked. */
#ifndef FIBER_DEBUG
#define FIBER_DEBUG 0
#endif

/* Those that can be resumed come first. */
enum state { FRESH, PAUSED, RUNNING, FINISHED, UNUSED };

struct fiber {
    fiber_entry_point_t entry;
    enum state state;
    /* The place of its continuation in the table of switching.wat. */
    uint32_t slot;
    /* The shadow stack, which grows from its end down to here. */
    char *stack;
    size_t stack_size;
    /* Of those that were given back. */
    struct fiber *next;
    struct implementation of;
};

static struct fiber *running;
static struct fiber *last;
/* Those that were given back keep their shadow stacks, for the next ones. */
static struct fiber *unused;
static size_t default_stack_size = 8 << 10;
static uint32_t slots;

/* At the end of a shadow stack. */
static const uint64_t GUARD = 0x5afe57ac5afe57ac;
enum { GUARDS = 8 };

/* What an implementation does for a fiber that gets a shadow stack of another size than before: 0 if there is no memory. */
static int prepare(struct fiber *fiber);
/* What it does for one that does not finish. */
static void end(struct fiber *fiber);

static _Noreturn void fail(const char *what) {
    fprintf(stderr, "fiber: %s\n", what);
    abort();
}

static char *top_of(const struct fiber *fiber) {
    return fiber->stack + fiber->stack_size;
}

/* Aborts if the fiber, whose shadow stack goes down to here, has used more than it has. */
static inline void check_stack(const struct fiber *fiber, const char *stack_pointer) {
    if (!FIBER_DEBUG)
        return;
    int beyond = stack_pointer < fiber->stack;
    for (int i = 0; i < GUARDS; i++)
        beyond |= ((const uint64_t *)fiber->stack)[i] != GUARD;
    if (beyond)
        fail("a shadow stack is too small: see fiber_alloc_sized");
}

static void give_back(struct fiber *fiber) {
    fiber->state = UNUSED;
    fiber->next = unused;
    unused = fiber;
}

void fiber_set_stack_size(size_t stack_size) {
    default_stack_size = stack_size;
}

fiber_t fiber_alloc(fiber_entry_point_t entry) {
    return fiber_alloc_sized(entry, default_stack_size);
}

fiber_t fiber_alloc_sized(fiber_entry_point_t entry, size_t stack_size) {
    if (stack_size > SIZE_MAX / 2)
        return NULL;
    /* Rounded up to how C aligns its stack, and never without room for the guard. */
    stack_size = (stack_size + GUARDS * sizeof GUARD + 15) & ~(size_t)15;
    struct fiber *fiber = unused;
    if (fiber) {
        unused = fiber->next;
    } else {
        fiber = calloc(1, sizeof *fiber);
        if (!fiber)
            return NULL;
        fiber->slot = slots++;
    }
    fiber->entry = entry;
    fiber->state = FRESH;
    if (fiber->stack_size != stack_size) {
        free(fiber->stack);
        fiber->stack_size = 0;
        fiber->stack = aligned_alloc(16, stack_size);
        if (fiber->stack)
            fiber->stack_size = stack_size;
        if (!fiber->stack || !prepare(fiber)) {
            /* The next one that gets this fiber tries once more. */
            fiber->stack_size = 0;
            give_back(fiber);
            return NULL;
        }
        for (int i = 0; i < GUARDS; i++)
            ((uint64_t *)fiber->stack)[i] = GUARD;
    }
    return fiber;
}

void fiber_free(fiber_t fiber) {
    if (!fiber)
        return;
    if (fiber->state == RUNNING)
        fail("fiber_free of a fiber that runs");
    if (fiber->state == UNUSED)
        fail("fiber_free of a fiber that was freed");
    if (fiber->state != FINISHED)
        end(fiber);
    give_back(fiber);
}

fiber_t fiber_current(void) {
    return running;
}

fiber_t fiber_last(void) {
    return last;
}
