/* Several tasks take turns: each is a fiber that yields after each step, and a scheduler resumes them from a queue. The size is
 * how often each yields.
 * Large: 4000000 */
#include "check.h"
#include "fiber.h"

enum { TASKS = 10 };

struct task {
    struct task *next;
    fiber_t fiber;
    uint32_t number;
    uint32_t yields;
};

/* Depends on the order of all steps. */
static uint32_t trace;

static uint32_t step(uint32_t trace, uint32_t number, uint32_t i) {
    return trace * 31 + number * 7 + i;
}

static void *run(void *arg) {
    struct task *task = arg;
    for (uint32_t i = 0; i < task->yields; i++) {
        trace = step(trace, task->number, i);
        fiber_yield(NULL);
    }
    return task;
}

int main(int argc, char **argv) {
    uint32_t yields = size(argc, argv, 100);
    struct task tasks[TASKS];
    for (uint32_t i = 0; i < TASKS; i++) {
        tasks[i] = (struct task){i + 1 < TASKS ? &tasks[i + 1] : NULL, fiber_alloc(run), i, yields};
        CHECK(tasks[i].fiber);
    }
    struct task *first = &tasks[0], *last = &tasks[TASKS - 1];
    uint32_t finished = 0;
    while (first) {
        struct task *task = first;
        first = task->next;
        fiber_result_t status;
        void *value = fiber_resume(task->fiber, task, &status);
        CHECK(fiber_last() == task->fiber && !fiber_current());
        if (status == FIBER_YIELD) {
            /* To the end of the queue. */
            task->next = NULL;
            if (first)
                last->next = task;
            else
                first = task;
            last = task;
        } else {
            CHECK(status == FIBER_OK && value == task);
            fiber_free(task->fiber);
            finished++;
        }
    }
    CHECK(finished == TASKS);
    uint32_t expected = 0;
    for (uint32_t i = 0; i < yields; i++)
        for (uint32_t number = 0; number < TASKS; number++)
            expected = step(expected, number, i);
    CHECK(trace == expected);
    printf("%" PRIu32 "\n", trace);
    return 0;
}
