/* Several tasks take turns without a scheduler: each is a fiber that switches to the next in a ring after each step. One that has
 * finished returns to main, which goes on with the next. The size is how often each switches.
 * Large: 5000000 */
#include "scheduler.h"

struct task {
    /* Those of the ring that have not finished. */
    struct task *next, *before;
    fiber_t fiber;
    uint32_t number;
    uint32_t switches;
};

static void *run(void *arg) {
    struct task *task = arg;
    for (uint32_t i = 0; i < task->switches; i++) {
        trace = step(trace, task->number, i);
        /* The next may be new, so it gets its task. The last of all is its own next, and cannot switch to itself. */
        if (task->next != task)
            CHECK(fiber_switch(task->next->fiber, task->next) == task);
    }
    task->before->next = task->next;
    task->next->before = task->before;
    return task;
}

int main(int argc, char **argv) {
    uint32_t switches = size(argc, argv, 100);
    struct task tasks[TASKS];
    for (uint32_t i = 0; i < TASKS; i++) {
        tasks[i] = (struct task){&tasks[(i + 1) % TASKS], &tasks[(i + TASKS - 1) % TASKS], fiber_alloc(run), i, switches};
        CHECK(tasks[i].fiber);
    }
    struct task *task = &tasks[0];
    for (uint32_t finished = 0; finished < TASKS; finished++) {
        fiber_result_t status;
        struct task *ended = fiber_resume(task->fiber, task, &status);
        CHECK(status == FIBER_OK && fiber_last() == ended->fiber);
        task = ended->next;
        fiber_free(ended->fiber);
    }
    finish(switches);
    return 0;
}
