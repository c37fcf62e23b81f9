/* Each fiber makes ten fibers, one after the other, and adds up what they return, down to leaves that return their numbers. The
 * size is how many leaves there are, a power of ten.
 * Large: 10000000 */
#include "check.h"
#include "fiber.h"

/* What a fiber adds up. */
struct part {
    uint32_t first;
    uint32_t leaves;
    uint64_t sum;
};

static void *add_up(void *arg) {
    struct part *part = arg;
    if (part->leaves == 1)
        part->sum = part->first;
    for (uint32_t leaves = part->leaves / 10, i = 0; leaves && i < 10; i++) {
        struct part of_child = {part->first + i * leaves, leaves, 0};
        fiber_t child = fiber_alloc(add_up);
        CHECK(child);
        fiber_result_t status;
        uint64_t *sum = fiber_resume(child, &of_child, &status);
        CHECK(status == FIBER_OK);
        part->sum += *sum;
        fiber_free(child);
    }
    return &part->sum;
}

int main(int argc, char **argv) {
    uint32_t leaves = size(argc, argv, 1000);
    uint32_t power = 1;
    while (power < leaves && power < 1000000000)
        power *= 10;
    CHECK(leaves == power);
    struct part all = {0, leaves, 0};
    fiber_t fiber = fiber_alloc(add_up);
    CHECK(fiber);
    fiber_result_t status;
    uint64_t *sum = fiber_resume(fiber, &all, &status);
    CHECK(status == FIBER_OK);
    fiber_free(fiber);
    CHECK(*sum == (uint64_t)leaves * (leaves - 1) / 2);
    printf("%" PRIu64 "\n", *sum);
    return 0;
}
