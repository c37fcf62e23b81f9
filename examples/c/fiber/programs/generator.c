/* A generator yields numbers, and its caller adds them up.
 * Large: 40000000 */
#include "check.h"
#include "fiber.h"

static void *numbers(void *arg) {
    uintptr_t count = (uintptr_t)arg;
    for (uintptr_t n = 1; n <= count; n++)
        fiber_yield((void *)n);
    return NULL;
}

int main(int argc, char **argv) {
    uintptr_t count = size(argc, argv, 1000);
    fiber_t generator = fiber_alloc(numbers);
    fiber_result_t status;
    uint64_t sum = 0;
    for (;;) {
        uintptr_t n = (uintptr_t)fiber_resume(generator, (void *)count, &status);
        if (status != FIBER_YIELD)
            break;
        sum += n;
    }
    CHECK(status == FIBER_OK);
    fiber_resume(generator, NULL, &status);
    CHECK(status == FIBER_ERROR);
    fiber_free(generator);
    uint64_t n = count;
    CHECK(sum == n * (n + 1) / 2);
    printf("%" PRIu64 "\n", sum);
    return 0;
}
