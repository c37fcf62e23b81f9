/* Several tasks take turns: each is a fiber that yields after each step, and a scheduler resumes them from a queue. The size is
 * how often each yields.
 * Large: 4000000 */
#include "scheduler.h"

struct task {
    struct task *next;
    fiber_t fiber;
    uint32_t number;
    uint32_t yields;
};

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
    finish(yields);
    return 0;
}
