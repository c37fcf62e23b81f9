/* A fiber uses more of its shadow stack than there is, which a debug build finds out.
 * Fails: fiber: a shadow stack is too small */
#include "check.h"
#include "fiber.h"

#if FIBER_DEBUG
static void fill(volatile char *bytes, size_t count) {
    for (size_t i = 0; i < count; i++)
        bytes[i] = (char)i;
}

static void *greedy(void *arg) {
    char bytes[4096];
    fill(bytes, sizeof bytes);
    return fiber_yield(arg);
}

int main(int argc, char **argv) {
    /* What is below the shadow stack is this program's, too. */
    void *below = malloc(size(argc, argv, 1 << 16));
    fiber_t fiber = fiber_alloc_sized(greedy, 1024);
    fiber_result_t status;
    fiber_resume(fiber, below, &status);
    return 0;
}
#else
int main(void) {
    fputs("fiber: a shadow stack is too small (or not, as only debug builds look)\n", stderr);
    abort();
}
#endif
