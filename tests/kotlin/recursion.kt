// Suspending functions that call themselves: many frames wait at once, and all of them are still there afterwards. The large size
// needs a large stack, in both forms: a frame is on the stack until it has suspended for the first time.
//
// large: -W max-wasm-stack=67108864 -W async-stack-size=134217728

import kotlin.coroutines.*

const val SMALL = 500
const val LARGE = 100_000

var waiting: Continuation<Int>? = null

suspend fun wait(): Int = suspendCoroutine { waiting = it }

fun resume(value: Int) {
    val continuation = waiting!!
    waiting = null
    continuation.resume(value)
}

/** Suspends at the bottom. */
suspend fun bottom(depth: Int): Int = if (depth == 0) wait() else mix(bottom(depth - 1), depth)

/** Suspends in each frame, on the way down and on the way up. */
suspend fun everywhere(depth: Int): Int {
    if (depth == 0) return 1
    val down = wait()
    val below = everywhere(depth - 1)
    return mix(below, down) + wait()
}

/** Goes back down again and again, from a depth where many frames wait above. */
suspend fun upAndDown(depth: Int, rounds: Int): Int {
    if (depth > 0) return upAndDown(depth - 1, rounds) + 1
    var sum = 0
    repeat(rounds) { sum = mix(sum, bottom(10)) }
    return sum
}

suspend fun isEven(number: Int): Boolean = if (number == 0) wait() > 0 else isOdd(number - 1)

suspend fun isOdd(number: Int): Boolean = if (number == 0) wait() < 0 else isEven(number - 1)

fun main() {
    val size = size(SMALL, LARGE)

    launch { println("bottom: ${bottom(size)}") }
    resume(7)

    launch { println("everywhere: ${everywhere(size)}") }
    var count = 0
    while (waiting != null) resume(count++)
    println("resumed $count times")

    launch { println("up and down: ${upAndDown(size, size)}") }
    repeat(size) { resume(it) }

    launch { println("$size is even: ${isEven(size)}") }
    resume(1)

    launch {
        try {
            bottom(size)
        } catch (e: IllegalStateException) {
            println("an exception through all frames: ${e.message}")
        }
    }
    waiting!!.resumeWithException(IllegalStateException("from the bottom"))
}
