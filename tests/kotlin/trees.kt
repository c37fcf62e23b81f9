// Trees walked by generators that call themselves, and the "same fringe" problem: do two trees of different shapes have the same
// leaves in the same order? Two generators answer it without building a list, and stop at the first difference.

const val SMALL = 200
const val LARGE = 200_000

sealed class Tree
class Leaf(val value: Int) : Tree()
class Branch(val left: Tree, val right: Tree) : Tree()

/** The numbers from `first` until `end`, halved at each branch. */
fun balanced(first: Int, end: Int): Tree {
    if (end - first == 1) return Leaf(first)
    val middle = (first + end) / 2
    return Branch(balanced(first, middle), balanced(middle, end))
}

/** The same numbers, divided at random. */
fun random(first: Int, end: Int, numbers: Numbers): Tree {
    if (end - first == 1) return Leaf(first)
    val middle = first + 1 + numbers.below(end - first - 1)
    return Branch(random(first, middle, numbers), random(middle, end, numbers))
}

/** The same numbers, each branch with a leaf on one side. */
fun leaning(first: Int, end: Int, left: Boolean): Tree {
    if (left) return (first + 1 until end).fold(Leaf(first) as Tree) { tree, value -> Branch(tree, Leaf(value)) }
    return (end - 2 downTo first).fold(Leaf(end - 1) as Tree) { tree, value -> Branch(Leaf(value), tree) }
}

/** The leaves, by recursion in one coroutine. */
fun leaves(tree: Tree): Iterator<Int> = iterator { walk(tree) }

suspend fun SequenceScope<Int>.walk(tree: Tree) {
    when (tree) {
        is Leaf -> yield(tree.value)
        is Branch -> {
            walk(tree.left)
            walk(tree.right)
        }
    }
}

/** The leaves, with a generator for each branch. */
fun nested(tree: Tree): Iterator<Int> = iterator {
    when (tree) {
        is Leaf -> yield(tree.value)
        is Branch -> {
            yieldAll(nested(tree.left))
            yieldAll(nested(tree.right))
        }
    }
}

fun sum(leaves: Iterator<Int>): Int {
    var sum = 0
    for (leaf in leaves) sum = mix(sum, leaf)
    return sum
}

/** How many leaves are the same, from the first on; -1 if all are. */
fun firstDifference(left: Iterator<Int>, right: Iterator<Int>): Int {
    var same = 0
    while (left.hasNext() && right.hasNext()) {
        if (left.next() != right.next()) return same
        same++
    }
    return if (left.hasNext() || right.hasNext()) same else -1
}

fun replace(tree: Tree, old: Int, new: Int): Tree = when (tree) {
    is Leaf -> if (tree.value == old) Leaf(new) else tree
    is Branch -> Branch(replace(tree.left, old, new), replace(tree.right, old, new))
}

fun main() {
    val size = size(SMALL, LARGE)
    val numbers = Numbers(42)
    val halves = balanced(0, size)
    val any = random(0, size, numbers)
    // One level for each leaf, so there are fewer of them.
    val few = minOf(size, 500)

    println("balanced: ${sum(leaves(halves))}")
    println("random: ${sum(leaves(any))}")
    println("balanced, nested: ${sum(nested(halves))}")
    println("leaning: ${sum(leaves(leaning(0, few, true)))}, ${sum(leaves(leaning(0, few, false)))}")

    println("same fringe: ${firstDifference(leaves(halves), leaves(any))}")
    println("of two kinds: ${firstDifference(leaves(any), nested(halves))}")
    println("leaning: ${firstDifference(leaves(leaning(0, few, true)), leaves(leaning(0, few, false)))}")
    val changed = replace(any, size / 3, -1)
    println("changed: ${firstDifference(leaves(halves), leaves(changed))}")
    println("shorter: ${firstDifference(leaves(halves), leaves(balanced(0, size / 2)))}")
    var first = 0
    repeat(size / 10) { first = mix(first, leaves(any).next() + it) }
    println("first leaves: $first")
}
