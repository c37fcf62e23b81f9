/* An event loop serves many connections, up to 10,000 at a time: each is a fiber that yields until its next packet is there. A
 * new one takes the place of each that has finished. The size is how many there are in total.
 * Large: 2000000 */
#include "check.h"
#include "fiber.h"

enum { MOST_ALIVE = 10000, MOST_PACKETS = 5 };

struct connection {
    fiber_t fiber;
    /* What it will answer, and how many packets it still waits for. */
    uint32_t answer;
    uint32_t packets;
};

static uint32_t hash(uint32_t answer, uint32_t packet) {
    return (answer ^ packet) * 16777619;
}

static uint32_t packets_of(uint32_t number) {
    return 2 + number % (MOST_PACKETS - 1);
}

/* Keeps its packets until all are there, and answers them. */
static void *serve(void *arg) {
    uint32_t number = (uint32_t)(uintptr_t)arg;
    uint32_t count = packets_of(number), packets[MOST_PACKETS];
    for (uint32_t i = 0; i < count; i++)
        packets[i] = (uint32_t)(uintptr_t)fiber_yield(NULL);
    uint32_t answer = number;
    for (uint32_t i = 0; i < count; i++)
        answer = hash(answer, packets[i]);
    return (void *)(uintptr_t)answer;
}

static struct connection accept(uint32_t number) {
    fiber_t fiber = fiber_alloc(serve);
    CHECK(fiber);
    fiber_result_t status;
    fiber_resume(fiber, (void *)(uintptr_t)number, &status);
    CHECK(status == FIBER_YIELD);
    return (struct connection){fiber, number, packets_of(number)};
}

int main(int argc, char **argv) {
    uint32_t total = size(argc, argv, 1000);
    /* With few connections, ten after each other take each place. */
    uint32_t most = total / 10 < MOST_ALIVE ? total / 10 + 1 : MOST_ALIVE;
    struct connection *connections = malloc(most * sizeof *connections);
    CHECK(connections);
    /* None of them needs more. */
    fiber_set_stack_size(512);
    uint32_t accepted = 0, alive = 0, packet = 1;
    uint64_t sum = 0, events = 0;
    while (accepted < total || alive) {
        if (accepted < total && alive < most) {
            connections[alive++] = accept(accepted++);
            continue;
        }
        /* A packet arrives at any of them. */
        packet = packet * 1664525 + 1013904223;
        struct connection *connection = &connections[(uint64_t)packet * alive >> 32];
        events++;
        connection->answer = hash(connection->answer, packet);
        connection->packets--;
        fiber_result_t status;
        uint32_t answer = (uint32_t)(uintptr_t)fiber_resume(connection->fiber, (void *)(uintptr_t)packet, &status);
        if (connection->packets) {
            CHECK(status == FIBER_YIELD);
            continue;
        }
        CHECK(status == FIBER_OK && answer == connection->answer);
        sum += answer;
        fiber_free(connection->fiber);
        *connection = connections[--alive];
    }
    uint64_t expected = 0;
    for (uint32_t number = 0; number < total; number++)
        expected += packets_of(number);
    CHECK(events == expected);
    free(connections);
    printf("%" PRIu64 " packets, sum of the answers %" PRIu64 "\n", events, sum);
    return 0;
}
