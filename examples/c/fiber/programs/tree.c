/* The same fringe: two fibers walk two trees of different shape in step, and yield the leaves from the depth of a recursive walk.
 * The size is the height of the one.
 * Large: 22 */
#include "tree.h"

static void walk(struct tree *tree) {
    if (!tree->left) {
        fiber_yield(tree);
        return;
    }
    walk(tree->left);
    walk(tree->right);
}

static void *walker(void *tree) {
    walk(tree);
    return NULL;
}

static uint32_t same(struct tree *a, struct tree *b) {
    fiber_t walkers[] = {fiber_alloc(walker), fiber_alloc(walker)};
    CHECK(walkers[0] && walkers[1]);
    uint32_t count = 0;
    for (;;) {
        fiber_result_t statuses[2];
        struct tree *leaf = fiber_resume(walkers[0], a, &statuses[0]);
        struct tree *other = fiber_resume(walkers[1], b, &statuses[1]);
        CHECK(statuses[0] == statuses[1]);
        if (statuses[0] != FIBER_YIELD) {
            CHECK(statuses[0] == FIBER_OK);
            break;
        }
        if (leaf->leaf != other->leaf)
            break;
        CHECK(leaf->leaf == leaf_at(count));
        count++;
    }
    /* After a difference, both are still in the depth of their trees. */
    fiber_free(walkers[0]);
    fiber_free(walkers[1]);
    return count;
}
