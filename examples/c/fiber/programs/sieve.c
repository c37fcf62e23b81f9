/* A chain of fibers finds primes: one filter for each prime, which resumes the filter before it for a number, and yields those
 * that its prime does not divide. The size is how many primes.
 * Large: -W max-wasm-stack=4194304 6000 */
#include "check.h"
#include "fiber.h"

struct filter {
    fiber_t before;
    uint32_t prime;
};

/* All numbers from 2 on. */
static void *numbers(void *arg) {
    (void)arg;
    for (uintptr_t n = 2;; n++)
        fiber_yield((void *)n);
}

static void *filter(void *arg) {
    struct filter *filter = arg;
    for (;;) {
        fiber_result_t status;
        uintptr_t n = (uintptr_t)fiber_resume(filter->before, NULL, &status);
        CHECK(status == FIBER_YIELD);
        if (n % filter->prime)
            fiber_yield((void *)n);
    }
}

static int is_prime(uint32_t n) {
    for (uint32_t divisor = 2; divisor * divisor <= n; divisor++)
        if (n % divisor == 0)
            return 0;
    return n > 1;
}

int main(int argc, char **argv) {
    uint32_t count = size(argc, argv, 50);
    fiber_t *fibers = calloc(count + 1, sizeof *fibers);
    struct filter *filters = calloc(count + 1, sizeof *filters);
    CHECK(fibers && filters);
    fibers[0] = fiber_alloc(numbers);
    CHECK(fibers[0]);
    uint32_t prime = 1;
    for (uint32_t i = 0; i < count; i++) {
        /* The first that each fiber yields is a prime. From then on, the filter of that prime resumes the fiber. */
        fiber_result_t status;
        uint32_t found = (uint32_t)(uintptr_t)fiber_resume(fibers[i], &filters[i], &status);
        CHECK(status == FIBER_YIELD);
        do
            prime++;
        while (!is_prime(prime));
        CHECK(found == prime);
        filters[i + 1] = (struct filter){fibers[i], prime};
        fibers[i + 1] = fiber_alloc(filter);
        CHECK(fibers[i + 1]);
    }
    for (uint32_t i = 0; i <= count; i++)
        fiber_free(fibers[i]);
    free(fibers);
    free(filters);
    printf("%" PRIu32 "\n", prime);
    return 0;
}
