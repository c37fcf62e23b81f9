// Exceptions on their way into coroutines and out of them: thrown where a coroutine waits, caught there or not, passed through
// `finally`, and thrown by code that a coroutine resumes.

import kotlin.coroutines.*

const val SMALL = 100
const val LARGE = 150_000

class Oops(val number: Int) : Exception("oops $number")

/** Where the one coroutine of a test waits. */
class Place {
    private var waiting: Continuation<Int>? = null

    suspend fun wait(): Int = suspendCoroutine { waiting = it }

    private fun take(): Continuation<Int> = waiting!!.also { waiting = null }

    fun give(value: Int) = take().resume(value)
    fun fail(number: Int) = take().resumeWithException(Oops(number))
}

/** Starts `block`, and says how it ends. */
fun watch(name: String, block: suspend () -> Int) = block.startCoroutine(Continuation(EmptyCoroutineContext) { result ->
    println("$name: ${result.fold({ "returned $it" }, { "failed, ${it.message}" })}")
})

suspend fun deep(place: Place, depth: Int): Int {
    if (depth == 0) return place.wait()
    try {
        return deep(place, depth - 1) + 1
    } finally {
        if (depth % 2 == 0) println("finally at $depth")
    }
}

/** `finally` suspends as well. */
suspend fun slowFinally(place: Place): Int {
    try {
        return place.wait()
    } finally {
        println("finally waits")
        println("finally got ${place.wait()}")
    }
}

/** Tries again as long as it fails. */
suspend fun stubborn(place: Place): Int {
    var failures = 0
    while (true) {
        try {
            return place.wait() * 100 + failures
        } catch (e: Oops) {
            failures += e.number
        }
    }
}

suspend fun wrapped(place: Place): Int = try {
    place.wait()
} catch (e: Oops) {
    throw IllegalStateException("wrapped", e)
}

fun each() {
    val place = Place()

    watch("not caught") { place.wait() }
    place.fail(1)

    watch("caught") { try { place.wait() } catch (e: Oops) { e.number * 10 } }
    place.fail(2)

    watch("of another kind") { try { place.wait() } catch (_: NoSuchElementException) { 0 } }
    place.fail(3)

    watch("deep, a value") { deep(place, 4) }
    place.give(40)
    watch("deep, an exception") { deep(place, 4) }
    place.fail(4)

    watch("slow finally, a value") { slowFinally(place) }
    place.give(5)
    place.give(50)
    watch("slow finally, an exception") { slowFinally(place) }
    place.fail(6)
    place.give(60)
    watch("slow finally, a second exception") { slowFinally(place) }
    place.fail(7)
    place.fail(70)

    watch("stubborn") { stubborn(place) }
    place.fail(8)
    place.fail(80)
    place.give(9)

    watch("wrapped") { try { wrapped(place) } catch (e: IllegalStateException) { (e.cause as Oops).number } }
    place.fail(10)

    watch("after a wait") {
        place.wait()
        throw Oops(11)
    }
    place.give(0)

    watch("without a wait") { throw Oops(12) }

    watch("at once") { suspendCoroutine { it.resumeWithException(Oops(13)) } }

    watch("where it would wait") { suspendCoroutine<Int> { throw Oops(14) } }

    // The inner coroutine passes its exception to the one that waits for its result.
    watch("a coroutine in a coroutine") {
        try {
            suspendCoroutine { outer -> suspend { deep(place, 2) }.startCoroutine(outer) }
        } catch (e: Oops) {
            e.number + 1
        }
    }
    place.fail(15)

    // This one leaves through the code that resumes it, which is a coroutine too.
    watch("through the one that resumes") {
        launch {
            place.wait()
            throw Oops(17)
        }
        try {
            place.give(0)
            0
        } catch (e: Oops) {
            e.number + 1
        }
    }
}

/** A resumed coroutine cannot be resumed again. */
fun twice() {
    var kept: Continuation<Int>? = null
    watch("once") { suspendCoroutine { kept = it } }
    val continuation = kept!!
    continuation.resume(1)
    try {
        continuation.resume(2)
        println("resumed twice")
    } catch (e: IllegalStateException) {
        println("not twice")
    }
}

/** Many of them, each with frames to pass and a handler that goes on. */
fun many(count: Int) {
    val place = Place()
    var sum = 0
    suspend fun inner(depth: Int): Int = if (depth == 0) place.wait() else try {
        inner(depth - 1) + 1
    } finally {
        sum = mix(sum, depth)
    }
    launch {
        repeat(count) {
            sum = mix(sum, try { inner(5) } catch (e: Oops) { e.number })
        }
    }
    repeat(count) { if (it % 3 == 0) place.give(it) else place.fail(it) }
    println("$count times: sum $sum")
}

fun main() {
    val size = size(SMALL, LARGE)
    each()
    twice()
    many(size)
}
