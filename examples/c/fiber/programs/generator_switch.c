/* A producer of numbers and a consumer that adds them up are both fibers, and switch to each other. The size is how many
 * numbers.
 * Large: 20000000 */
#include "check.h"
#include "fiber.h"

static fiber_t producer, consumer;

static void *produce(void *arg) {
    uintptr_t count = (uintptr_t)arg;
    for (uintptr_t n = 1; n <= count; n++)
        fiber_switch(consumer, (void *)n);
    /* The consumer does not come back. */
    return fiber_switch(consumer, NULL);
}

static void *consume(void *arg) {
    uint64_t *sum = arg;
    uintptr_t count = (uintptr_t)*sum;
    *sum = 0;
    for (;;) {
        uintptr_t n = (uintptr_t)fiber_switch(producer, (void *)count);
        if (!n)
            return sum;
        *sum += n;
    }
}

int main(int argc, char **argv) {
    uint64_t n = size(argc, argv, 1000);
    producer = fiber_alloc(produce);
    consumer = fiber_alloc(consume);
    CHECK(producer && consumer);
    fiber_result_t status;
    uint64_t sum = n;
    CHECK(fiber_resume(consumer, &sum, &status) == &sum);
    CHECK(status == FIBER_OK && fiber_last() == consumer);
    /* The producer still waits in its last switch. */
    CHECK(fiber_resume(producer, &n, &status) == &n);
    CHECK(status == FIBER_OK && fiber_last() == producer);
    fiber_free(producer);
    fiber_free(consumer);
    CHECK(sum == n * (n + 1) / 2);
    printf("%" PRIu64 "\n", sum);
    return 0;
}
