/* What scheduler.c and scheduler_switch.c share: what a task does in each step, and what all steps must come to. */
#include "check.h"
#include "fiber.h"

enum { TASKS = 10 };

/* Depends on the order of all steps. */
static uint32_t trace;

static uint32_t step(uint32_t trace, uint32_t number, uint32_t i) {
    return trace * 31 + number * 7 + i;
}

/* Checks the trace of tasks that took turns, so many times each, and prints it. */
static void finish(uint32_t turns) {
    uint32_t expected = 0;
    for (uint32_t i = 0; i < turns; i++)
        for (uint32_t number = 0; number < TASKS; number++)
            expected = step(expected, number, i);
    CHECK(trace == expected);
    printf("%" PRIu32 "\n", trace);
}
