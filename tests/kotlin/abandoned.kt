// Generators that are left after their first value, and coroutines that nobody resumes. Nothing refers to them afterwards: their
// memory must come back, or there will be none left.

import kotlin.coroutines.*

const val SMALL = 1_000
const val LARGE = 1_000_000

/** The array makes each frame hold something that is worth freeing. */
fun endless(start: Int): Iterator<Int> = iterator {
    val data = IntArray(16) { start + it }
    var next = 0
    while (true) yield(data[next++ % data.size])
}

/** Keeps a reference to its own continuation in its own frame: a cycle. */
suspend fun cycle(number: Int): Int {
    var own: Continuation<Int>? = null
    val value = suspendCoroutine { own = it }
    return if (own == null) value else number
}

fun main() {
    val size = size(SMALL, LARGE)
    var sum = 0
    repeat(size) { sum = mix(sum, endless(it).next()) }
    println("generators: sum $sum")

    // The last few are kept, and still work.
    val kept = ArrayDeque<Iterator<Int>>()
    repeat(size / 10) {
        val generator = endless(it)
        sum = mix(sum, generator.next())
        kept.addLast(generator)
        if (kept.size > 10) kept.removeFirst()
    }
    println("kept: ${kept.map { it.next() }}, sum $sum")

    var waiting = 0
    repeat(size / 10) {
        waiting++
        launch {
            cycle(it)
            waiting--
        }
    }
    println("coroutines that still wait: $waiting")
}
