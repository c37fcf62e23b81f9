// One generator, resumed for each of many values: the time of a switch to a coroutine and back.

const val SMALL = 1_000
const val LARGE = 3_000_000

fun numbers(count: Int): Iterator<Int> = iterator {
    var value = 1
    repeat(count) {
        yield(value)
        value = value * 5 + 1
    }
}

fun main() {
    val size = size(SMALL, LARGE)
    var count = 0
    var sum = 0
    for (value in numbers(size)) {
        count++
        sum = mix(sum, value)
    }
    println("values: $count")
    println("sum: $sum")
}
