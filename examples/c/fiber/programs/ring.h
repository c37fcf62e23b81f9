/* What ring.c and ring_switch.c share: all but how an actor waits for mail, and who runs the next one. */
#include "check.h"
#include "fiber.h"

enum { ACTORS = 100, MESSAGES = 8 };

struct message {
    struct message *next;
    /* How many actors it still goes to. With none, it stops the one that gets it. */
    uint32_t hops;
};

struct actor {
    fiber_t fiber;
    struct message *first, *last;
    struct actor *next_ready;
    uint32_t received;
};

static struct actor actors[ACTORS];
/* The run queue. */
static struct actor *first_ready, *last_ready;

static void send(struct actor *to, struct message *message) {
    message->next = NULL;
    if (to->first) {
        to->last->next = message;
        to->last = message;
        return;
    }
    to->first = to->last = message;
    to->next_ready = NULL;
    if (first_ready)
        last_ready->next_ready = to;
    else
        first_ready = to;
    last_ready = to;
}

/* Takes the first message, and waits for it if there is none. */
static struct message *receive(struct actor *actor);
/* Runs actors until none has mail. Returns how many have finished. */
static uint32_t run(void);

static void *act(void *arg) {
    struct actor *actor = arg;
    struct actor *next = actor == &actors[ACTORS - 1] ? &actors[0] : actor + 1;
    for (;;) {
        struct message *message = receive(actor);
        if (!message->hops)
            return actor;
        actor->received++;
        if (--message->hops)
            send(next, message);
    }
}

int main(int argc, char **argv) {
    uint32_t hops = size(argc, argv, 1000);
    for (uint32_t i = 0; i < ACTORS; i++) {
        actors[i].fiber = fiber_alloc(act);
        CHECK(actors[i].fiber);
    }
    struct message messages[MESSAGES], stops[ACTORS];
    uint32_t expected[ACTORS] = {0};
    for (uint32_t i = 0; i < MESSAGES; i++) {
        /* Two begin at the same actor, and so share its mailbox, and others at some distance. */
        uint32_t start = i * i / 2, part = (hops + i) / MESSAGES;
        messages[i].hops = part;
        if (part)
            send(&actors[start], &messages[i]);
        for (uint32_t at = 0; at < ACTORS; at++)
            expected[(start + at) % ACTORS] += part / ACTORS + (at < part % ACTORS);
    }
    CHECK(run() == 0);
    for (uint32_t i = 0; i < ACTORS; i++) {
        stops[i].hops = 0;
        send(&actors[i], &stops[i]);
    }
    CHECK(run() == ACTORS);
    uint32_t received = 0;
    for (uint32_t i = 0; i < ACTORS; i++) {
        CHECK(actors[i].received == expected[i]);
        received += actors[i].received;
        fiber_free(actors[i].fiber);
    }
    CHECK(received == hops);
    printf("%" PRIu32 " hops, %" PRIu32 " at the first actor\n", received, actors[0].received);
    return 0;
}
