// Coroutines that take turns: first a hundred of them many times, then a great many of them a few times. Then the same with a
// context's interceptor, which is how libraries such as kotlinx.coroutines decide when a coroutine goes on.

import kotlin.coroutines.*

const val SMALL = 1_000
const val LARGE = 100_000

class Task(val number: Int) {
    var state = number
}

/** Starts `tasks` coroutines, each of which takes `rounds` turns. */
fun roundRobin(tasks: Int, rounds: Int) {
    val turns = Turns()
    var order = 0
    var finished = 0
    repeat(tasks) { number ->
        launch {
            val task = Task(number)
            repeat(rounds) { round ->
                turns.next()
                task.state = mix(task.state, round)
                order = mix(order, task.number)
            }
            finished++
            order = mix(order, task.state)
        }
    }
    println("$tasks tasks, $rounds rounds: ${turns.run()} turns, $finished finished, order $order")
}

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
    roundRobin(3, 4)
    roundRobin(100, size / 10)
    roundRobin(size, 5)
    intercepted(10, 3)
    intercepted(size / 10, 10)
}
