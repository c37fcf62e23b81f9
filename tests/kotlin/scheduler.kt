// A hundred coroutines that take turns, many times.

const val SMALL = 100
const val LARGE = 50_000

fun main() {
    val size = size(SMALL, LARGE)
    roundRobin(3, 4)
    roundRobin(100, size)
}
