/* Actors pass messages around a ring: each is a fiber that switches to the next actor that has mail when its own mailbox is
 * empty, and yields when none has any. The size is how often a message is passed, in total.
 * Large: 30000000 */
#include "ring.h"

/* Takes the first from the run queue, or NULL. */
static struct actor *next_of_queue(void) {
    struct actor *actor = first_ready;
    if (actor)
        first_ready = actor->next_ready;
    return actor;
}

static struct message *receive(struct actor *actor) {
    while (!actor->first) {
        /* It may be new, and then needs to know which actor it is. */
        struct actor *next = next_of_queue();
        if (next)
            fiber_switch(next->fiber, next);
        else
            fiber_yield(actor);
    }
    struct message *message = actor->first;
    actor->first = message->next;
    return message;
}

static uint32_t run(void) {
    uint32_t finished = 0;
    for (struct actor *actor; (actor = next_of_queue());) {
        fiber_result_t status;
        struct actor *ended = fiber_resume(actor->fiber, actor, &status);
        CHECK(fiber_last() == ended->fiber);
        if (status == FIBER_YIELD)
            continue;
        CHECK(status == FIBER_OK);
        finished++;
    }
    return finished;
}
