/* State as an effect: a fiber yields requests to read or write a variable that it does not have, and a loop handles them. The
 * size is how many times it does both.
 * Large: 15000000 */
#include "check.h"
#include "fiber.h"

struct request {
    enum { GET, PUT } what;
    uint32_t value;
};

/* The requests are variables of the fiber: they stay where they are while it pauses. */
static uint32_t get(void) {
    struct request request = {GET, 0};
    fiber_yield(&request);
    return request.value;
}

static void put(uint32_t value) {
    struct request request = {PUT, value};
    fiber_yield(&request);
}

static uint32_t step(uint32_t value, uint32_t i) {
    return value * 1664525 + i;
}

static void *compute(void *arg) {
    uint32_t count = *(uint32_t *)arg;
    for (uint32_t i = 0; i < count; i++)
        put(step(get(), i));
    return arg;
}

int main(int argc, char **argv) {
    uint32_t count = size(argc, argv, 1000);
    fiber_t fiber = fiber_alloc(compute);
    CHECK(fiber);
    uint32_t state = 1, gets = 0, puts = 0;
    for (;;) {
        fiber_result_t status;
        struct request *request = fiber_resume(fiber, &count, &status);
        if (status != FIBER_YIELD) {
            CHECK(status == FIBER_OK && (void *)request == &count);
            break;
        }
        if (request->what == GET) {
            request->value = state;
            gets++;
        } else {
            state = request->value;
            puts++;
        }
    }
    fiber_free(fiber);
    CHECK(gets == count && puts == count);
    uint32_t expected = 1;
    for (uint32_t i = 0; i < count; i++)
        expected = step(expected, i);
    CHECK(state == expected);
    printf("%" PRIu32 "\n", state);
    return 0;
}
