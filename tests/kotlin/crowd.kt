// A great many coroutines that take turns, a few times. Then the same with a context's interceptor, which is how libraries such as
// kotlinx.coroutines decide when a coroutine goes on.

import kotlin.coroutines.*

const val SMALL = 1_000
const val LARGE = 100_000

/** Puts each coroutine that is resumed into a queue, rather than resuming it at once. */
class Queue : AbstractCoroutineContextElement(ContinuationInterceptor), ContinuationInterceptor {
    private val ready = ArrayDeque<() -> Unit>()
    private var released = 0

    override fun <T> interceptContinuation(continuation: Continuation<T>) = object : Continuation<T> {
        override val context get() = continuation.context
        override fun resumeWith(result: Result<T>) = ready.addLast { continuation.resumeWith(result) }
    }

    override fun releaseInterceptedContinuation(continuation: Continuation<*>) {
        released++
    }

    fun run(): Int {
        var count = 0
        while (true) {
            val next = ready.removeFirstOrNull() ?: return count
            next()
            count++
        }
    }
}

/** Suspends, and is resumed at once: the interceptor decides when that happens. */
suspend fun reschedule(value: Int): Int = suspendCoroutine { it.resume(value + 1) }

/** Suspends until `waiting` is resumed by somebody else. */
suspend fun park(waiting: MutableList<Continuation<Int>>): Int = suspendCoroutine { waiting.add(it) }

fun intercepted(tasks: Int, rounds: Int) {
    val queue = Queue()
    val parked = mutableListOf<Continuation<Int>>()
    val results = mutableListOf<Int>()
    repeat(tasks) { number ->
        suspend {
            var value = number
            repeat(rounds) { value = reschedule(value) + park(parked) }
            value
        }.startCoroutine(Continuation(queue) { results.add(it.getOrThrow()) })
    }
    println("before: ${results.size}")
    var turns = queue.run()
    repeat(rounds) {
        val now = parked.toList()
        parked.clear()
        now.forEachIndexed { place, continuation -> continuation.resume(place) }
        turns += queue.run()
    }
    println("intercepted: $turns turns, ${results.size} finished, results ${results.fold(0, ::mix)}")
}

fun main() {
    val size = size(SMALL, LARGE)
    roundRobin(size, 5)
    intercepted(10, 3)
    intercepted(size / 10, 10)
}
