// Sequences of every shape: infinite ones, nested ones, sequences in sequences, those that fail, and those that are asked for
// more than they have. The last one is a chain of generators, each of which resumes the one below.

const val SMALL = 50
const val LARGE = 1_000

fun fibonacci(): Sequence<Long> = sequence {
    var a = 0L
    var b = 1L
    while (true) {
        yield(a)
        val next = a + b
        a = b
        b = next
    }
}

/** All orders of `items`. Each level of the recursion is a sequence of its own. */
fun permutations(items: List<Char>): Sequence<String> = sequence {
    if (items.isEmpty()) yield("")
    for (first in items) {
        yieldAll(permutations(items - first).map { first + it })
    }
}

fun hanoi(disks: Int, from: Char, to: Char, via: Char): Sequence<String> = sequence {
    if (disks > 0) {
        yieldAll(hanoi(disks - 1, from, via, to))
        yield("$from$to")
        yieldAll(hanoi(disks - 1, via, to, from))
    }
}

/** The same moves by recursion in one coroutine, rather than by nested sequences. */
fun hanoiInOne(disks: Int): Sequence<String> = sequence { move(disks, 'a', 'c', 'b') }

suspend fun SequenceScope<String>.move(disks: Int, from: Char, to: Char, via: Char) {
    if (disks == 0) return
    move(disks - 1, from, via, to)
    yield("$from$to")
    move(disks - 1, via, to, from)
}

fun mixed(): Sequence<Any?> = sequence {
    yield(1)
    yieldAll(listOf("two", 3.5))
    yieldAll(emptyList())
    yieldAll(iterator { yield('4'); yield(null) })
    yieldAll(sequence { yieldAll(sequence { yield(6L) }); yield(listOf(7)) })
    yieldAll(generateSequence(8) { if (it < 10) it + 1 else null })
}

/** Fails after `count` values. */
fun failing(count: Int): Sequence<Int> = sequence {
    try {
        repeat(count) { yield(it) }
        throw IllegalStateException("no value after $count")
    } finally {
        println("left the failing sequence")
    }
}

/** Passes on what no smaller prime divides. */
fun without(divisor: Int, numbers: Iterator<Int>): Iterator<Int> = iterator {
    for (number in numbers) {
        if (number % divisor != 0) yield(number)
    }
}

fun primes(count: Int): Iterator<Int> = iterator {
    var numbers = iterator { var next = 2; while (true) yield(next++) }
    repeat(count) {
        val prime = numbers.next()
        yield(prime)
        numbers = without(prime, numbers)
    }
}

fun main() {
    val size = size(SMALL, LARGE)

    println("fibonacci: ${fibonacci().take(10).toList()}")
    println("sum of fibonacci: ${fibonacci().take(size).sum()}")
    println("evens and their squares: ${fibonacci().filter { it % 2 == 0L }.zip(fibonacci().map { it * it }).take(5).toList()}")

    println("permutations: ${permutations("abc".toList()).toList()}")
    println("of five: ${permutations("abcde".toList()).fold(0) { sum, order -> mix(sum, order.hashCode()) }}")

    println("hanoi: ${hanoi(3, 'a', 'c', 'b').toList()}")
    println("the same in one coroutine: ${hanoi(8, 'a', 'c', 'b').zip(hanoiInOne(8)).all { (left, right) -> left == right }}")

    println("mixed: ${mixed().toList()}")
    println("twice: ${mixed().count() + mixed().count()}")

    val values = failing(3).iterator()
    try {
        while (true) println("value ${values.next()}")
    } catch (e: IllegalStateException) {
        println("failed: ${e.message}")
    }
    try {
        values.hasNext()
    } catch (e: IllegalStateException) {
        println("failed again")
    }
    val ended = iterator<Int> { }
    try {
        println(ended.hasNext())
        ended.next()
    } catch (e: NoSuchElementException) {
        println("nothing there")
    }

    var count = 0
    var sum = 0
    for (prime in primes(size)) {
        count++
        sum += prime
    }
    println("$count primes, sum: $sum")
}
