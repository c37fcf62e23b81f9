/* Actors pass messages around a ring: each is a fiber that yields when its mailbox is empty, and a run queue holds those that
 * have mail. The size is how often a message is passed, in total.
 * Large: 30000000 */
#include "ring.h"

static struct message *receive(struct actor *actor) {
    while (!actor->first)
        fiber_yield(NULL);
    struct message *message = actor->first;
    actor->first = message->next;
    return message;
}

static uint32_t run(void) {
    uint32_t finished = 0;
    while (first_ready) {
        struct actor *actor = first_ready;
        first_ready = actor->next_ready;
        fiber_result_t status;
        void *value = fiber_resume(actor->fiber, actor, &status);
        if (status == FIBER_YIELD)
            continue;
        CHECK(status == FIBER_OK && value == actor);
        finished++;
    }
    return finished;
}
