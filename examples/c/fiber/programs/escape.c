/* Leaves a deep recursion at once, as longjmp does: a fiber multiplies numbers, one call within the other. The call that gets a
 * zero yields, and the fiber is freed without going on. The size is how many products.
 * Large: 1000000 */
#include "check.h"
#include "fiber.h"

enum { NUMBERS = 100 };

/* Each call knows its caller, so that what the deepest one yields shows the whole way to it. */
struct call {
    struct call *caller;
    uint32_t number;
};

static uint32_t numbers[NUMBERS];
static uint32_t finished;
static int went_on;

static uint32_t multiply(struct call *caller, uint32_t place) {
    if (place == NUMBERS)
        return 1;
    struct call call = {caller, numbers[place]};
    if (call.number == 0) {
        fiber_yield(&call);
        went_on = 1;
    }
    uint32_t rest = multiply(&call, place + 1);
    return call.number * rest;
}

static void *begin(void *arg) {
    (void)arg;
    uint32_t product = multiply(NULL, 0);
    finished++;
    return (void *)(uintptr_t)product;
}

int main(int argc, char **argv) {
    uint32_t count = size(argc, argv, 200), product = 1, expected = 0;
    uint64_t left = 0;
    for (uint32_t i = 0; i < NUMBERS; i++) {
        numbers[i] = 2 * i + 3;
        product *= numbers[i];
    }
    for (uint32_t i = 0; i < count; i++) {
        fiber_t fiber = fiber_alloc(begin), fresh = fiber_alloc(begin);
        CHECK(fiber && fresh);
        fiber_result_t status;
        /* A zero at each place in turn, and then at none. */
        uint32_t zero = i % (NUMBERS + 1);
        if (zero == NUMBERS) {
            uint32_t value = (uint32_t)(uintptr_t)fiber_resume(fiber, NULL, &status);
            CHECK(status == FIBER_OK && value == product);
            expected++;
        } else {
            numbers[zero] = 0;
            struct call *call = fiber_resume(fiber, NULL, &status);
            CHECK(status == FIBER_YIELD);
            /* The variables of all calls stay until the fiber is freed. */
            for (uint32_t place = zero + 1; place--; call = call->caller)
                CHECK(call && call->number == numbers[place]);
            CHECK(!call);
            numbers[zero] = 2 * zero + 3;
            left += zero + 1;
        }
        fiber_free(fiber);
        /* This one was never resumed. */
        fiber_free(fresh);
    }
    CHECK(finished == expected && !went_on);
    printf("%" PRIu64 " calls left, %" PRIu32 " products\n", left, finished);
    return 0;
}
