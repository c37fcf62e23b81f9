/* What tree.c and tree_switch.c share: the trees, and what their fringes must be. */
#include "check.h"
#include "fiber.h"

struct tree {
    /* Leaves have none. */
    struct tree *left, *right;
    uint32_t leaf;
};

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

/* How many leaves are the same, up to the first that is not. */
static uint32_t same(struct tree *a, struct tree *b);

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
