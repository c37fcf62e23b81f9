/* The same fringe, symmetric: the fiber that leads switches to the one that follows at each leaf, and that compares and switches
 * back. The size is the height of the tree that the one walks; the other tree has another shape.
 * Large: 22 */
#include "tree.h"

static fiber_t leader, follower;
/* The leaf of the leader, or NULL after the last. */
static struct tree *leading;
/* How many leaves are the same. */
static uint32_t count;

static void lead_through(struct tree *tree) {
    if (!tree->left) {
        leading = tree;
        fiber_switch(follower, NULL);
        return;
    }
    lead_through(tree->left);
    lead_through(tree->right);
}

static void follow_through(struct tree *tree) {
    if (!tree->left) {
        /* The caller frees both where they are. */
        if (!leading || leading->leaf != tree->leaf)
            fiber_yield(tree);
        CHECK(tree->leaf == leaf_at(count));
        count++;
        fiber_switch(leader, NULL);
        return;
    }
    follow_through(tree->left);
    follow_through(tree->right);
}

static void *lead(void *trees) {
    struct tree **both = trees;
    /* The follower begins here, and so gets its tree before the first leaf. */
    fiber_switch(follower, both[1]);
    lead_through(both[0]);
    leading = NULL;
    fiber_switch(follower, NULL);
    return NULL;
}

static void *follow(void *tree) {
    fiber_switch(leader, NULL);
    follow_through(tree);
    CHECK(!leading);
    return NULL;
}

static uint32_t same(struct tree *a, struct tree *b) {
    struct tree *both[] = {a, b};
    leader = fiber_alloc(lead);
    follower = fiber_alloc(follow);
    CHECK(leader && follower);
    count = 0;
    fiber_result_t status;
    struct tree *different = fiber_resume(leader, both, &status);
    CHECK(fiber_last() == follower);
    if (different) {
        CHECK(status == FIBER_YIELD);
    } else {
        /* The follower has finished, and the leader waits in its last switch. */
        CHECK(status == FIBER_OK);
        fiber_resume(leader, NULL, &status);
        CHECK(status == FIBER_OK && fiber_last() == leader);
    }
    fiber_free(leader);
    fiber_free(follower);
    return count;
}
