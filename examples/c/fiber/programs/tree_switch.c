/* The same fringe, symmetric: the fiber that leads switches to the one that follows at each leaf, and that compares and switches
 * back. The size is the height of the tree that the one walks; the other tree has another shape. */
#include "check.h"
#include "fiber.h"

struct tree {
    /* Leaves have none. */
    struct tree *left, *right;
    uint32_t leaf;
};

static fiber_t leader, follower;
/* The leaf of the leader, or NULL after the last. */
static struct tree *leading;
/* How many leaves are the same. */
static uint32_t count;

/* What the leaf at this place holds. */
static uint32_t leaf_at(uint32_t place) {
    return place * 2654435761u;
}

/* Makes a tree of the leaves from `first` on, out of `*nodes`. Of `part` leaves, one goes to the left. */
static struct tree *build(struct tree **nodes, uint32_t first, uint32_t leaves, uint32_t part) {
    struct tree *tree = (*nodes)++;
    if (leaves == 1) {
        *tree = (struct tree){NULL, NULL, leaf_at(first)};
        return tree;
    }
    uint32_t left = (leaves + part - 1) / part;
    tree->left = build(nodes, first, left, part);
    tree->right = build(nodes, first + left, leaves - left, part);
    return tree;
}

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

/* How many leaves are the same, up to the first that is not. */
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

int main(int argc, char **argv) {
    uint32_t height = size(argc, argv, 8);
    CHECK(height < 28);
    uint32_t leaves = 1u << height;
    size_t bytes = (2 * (size_t)leaves - 1) * sizeof(struct tree);
    struct tree *nodes[] = {malloc(bytes), malloc(bytes)};
    CHECK(nodes[0] && nodes[1]);
    struct tree *after[] = {nodes[0], nodes[1]};
    struct tree *even = build(&after[0], 0, leaves, 2);
    struct tree *uneven = build(&after[1], 0, leaves, 3);
    CHECK(same(even, uneven) == leaves);
    /* The node that was made last is the last leaf. */
    after[1][-1].leaf++;
    CHECK(same(even, uneven) == leaves - 1);
    free(nodes[0]);
    free(nodes[1]);
    printf("%" PRIu32 " leaves\n", leaves);
    return 0;
}
