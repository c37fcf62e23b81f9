// Continuations as values: kept in lists, maps and heaps, moved from one to another, and resumed in every order but the one in
// which they came.

import kotlin.coroutines.*

const val SMALL = 200
const val LARGE = 100_000

/** Reorders `items` in place. */
fun <T> shuffle(items: MutableList<T>, numbers: Numbers) {
    for (last in items.size - 1 downTo 1) {
        val other = numbers.below(last + 1)
        val item = items[last]
        items[last] = items[other]
        items[other] = item
    }
}

/** All of them wait in one list, which is resumed in some order, again and again. */
fun inLists(count: Int) {
    var waiting = mutableListOf<Continuation<Int>>()
    var finished = 0
    var sum = 0
    repeat(count) { number ->
        launch {
            var value = number
            repeat(4) { value = mix(value, suspendCoroutine { waiting.add(it) }) }
            sum = mix(sum, value)
            finished++
        }
    }
    val numbers = Numbers(7)
    val orders = listOf<(MutableList<Continuation<Int>>) -> Unit>(
        { },
        { it.reverse() },
        { shuffle(it, numbers) },
        { list -> list.addAll(list.filterIndexed { place, _ -> place % 3 == 0 }.also { list.removeAll(it.toSet()) }) },
    )
    for (order in orders) {
        val now = waiting
        waiting = mutableListOf()
        order(now)
        now.forEachIndexed { place, continuation -> continuation.resume(place) }
    }
    println("lists: $finished finished, sum $sum, ${waiting.size} wait")
}

/** They wait under a name, and one is resumed by whoever says its name. */
fun inMaps(count: Int) {
    val waiting = HashMap<String, Continuation<String>>()
    var finished = 0
    var sum = 0
    repeat(count) { number ->
        launch {
            val first = suspendCoroutine { waiting["first $number"] = it }
            val second = suspendCoroutine { waiting["second ${number / 2 * 7 % count}"] = it }
            sum = mix(sum, first.length * 10 + second.length)
            finished++
        }
    }
    for (number in count - 1 downTo 0) waiting.remove("first $number")!!.resume("$number")
    // Two wanted each name: the second one is there, and nobody can resume the first one any more.
    val names = waiting.keys.sorted()
    for (name in names) waiting.remove(name)?.resume(name)
    println("maps: $finished finished, sum $sum, ${names.size} names, ${waiting.size} wait")
}

/** A binary heap: the one with the lowest time is first, and among those with the same time the one that came first. */
class Clock {
    private class Sleeper(val time: Long, val number: Int, val continuation: Continuation<Unit>) : Comparable<Sleeper> {
        override fun compareTo(other: Sleeper) = compareValuesBy(this, other, { it.time }, { it.number })
    }

    private val heap = mutableListOf<Sleeper>()
    private var count = 0
    var now = 0L
        private set

    suspend fun sleep(time: Int) = suspendCoroutine { continuation ->
        heap.add(Sleeper(now + time, count++, continuation))
        var child = heap.size - 1
        while (child > 0 && heap[child] < heap[(child - 1) / 2]) {
            swap(child, (child - 1) / 2)
            child = (child - 1) / 2
        }
    }

    fun run() {
        while (heap.isNotEmpty()) {
            val first = heap[0]
            swap(0, heap.size - 1)
            heap.removeAt(heap.size - 1)
            var parent = 0
            while (true) {
                val least = listOf(parent, 2 * parent + 1, 2 * parent + 2).filter { it < heap.size }.minByOrNull { heap[it] }
                if (least == null || least == parent) break
                swap(parent, least)
                parent = least
            }
            now = first.time
            first.continuation.resume(Unit)
        }
    }

    private fun swap(left: Int, right: Int) {
        val sleeper = heap[left]
        heap[left] = heap[right]
        heap[right] = sleeper
    }
}

fun inHeap(count: Int) {
    val clock = Clock()
    val numbers = Numbers(99)
    var sum = 0
    repeat(count) { number ->
        launch {
            repeat(2) { clock.sleep(numbers.below(1_000)) }
            sum = mix(sum, number + clock.now.toInt())
        }
    }
    clock.run()
    println("heap: time ${clock.now}, sum $sum")
}

/** Two coroutines, each of which resumes the other while it is about to wait itself. */
fun handOver(count: Int) {
    var other: Continuation<Int>? = null
    var sum = 0
    val block: suspend () -> Unit = {
        repeat(count) {
            val value = suspendCoroutine { own ->
                val next = other
                other = own
                next?.resume(it)
            }
            sum = mix(sum, value)
        }
    }
    launch(block)
    launch(block)
    println("hand over: sum $sum, one waits: ${other != null}")
}

/** Generators merged: the one with the lowest value is asked next. */
fun merge(count: Int) {
    val generators = List(count) { number -> iterator { for (step in 0 until 5) yield(number + step * (number % 7 + 1)) } }
    val heads = generators.map { it.next() to it }.toMutableList()
    val rounds = minOf(5 * count, 500)
    var sum = 0
    repeat(rounds) {
        val place = heads.indices.minByOrNull { heads[it].first }!!
        val (value, generator) = heads[place]
        sum = mix(sum, value)
        if (generator.hasNext()) heads[place] = generator.next() to generator else heads.removeAt(place)
    }
    println("merge: sum $sum, ${heads.size} left")
}

fun main() {
    val size = size(SMALL, LARGE)
    inLists(size)
    inMaps(size)
    inHeap(size / 2)
    handOver(size)
    merge(minOf(size, 1_000))
}
