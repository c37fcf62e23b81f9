// Coroutines that are made, suspend once and finish, one after another. A continuation's stack must serve the next one.

import kotlin.coroutines.*

const val SMALL = 1_000
const val LARGE = 1_000_000

fun main() {
    val size = size(SMALL, LARGE)
    var waiting: Continuation<Int>? = null
    var started = 0
    var finished = 0
    var sum = 0
    repeat(size) { number ->
        launch {
            started++
            val value = suspendCoroutine { waiting = it }
            sum = mix(sum, value + number)
            finished++
        }
        waiting!!.resume(number / 2)
    }
    println("suspended once: $started started, $finished finished, sum $sum")

    repeat(size) { number -> launch { sum = mix(sum, number) } }
    println("never suspended: sum $sum")

    repeat(size / 4) { number ->
        for (value in iterator { repeat(3) { yield(it + number) } }) sum = mix(sum, value)
    }
    println("generators of three values: sum $sum")
}
