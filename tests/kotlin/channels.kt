// Channels written by hand: without room, so that a sender waits for a receiver, and with room for a few values. Coroutines wait
// in queues of continuations, some of which carry a value.

import kotlin.coroutines.*

const val SMALL = 200
const val LARGE = 200_000

class Closed : Exception("the channel is closed")

/** Holds up to `capacity` values. With none, a sender waits until its value has been received. */
class Channel<T>(private val capacity: Int, private val turns: Turns) {
    private class Sender<T>(val value: T, val continuation: Continuation<Unit>)

    private val values = ArrayDeque<T>()
    private val senders = ArrayDeque<Sender<T>>()
    private val receivers = ArrayDeque<Continuation<T>>()
    private var closed = false

    suspend fun send(value: T) {
        if (closed) throw Closed()
        val receiver = receivers.removeFirstOrNull()
        when {
            receiver != null -> receiver.resume(value)
            values.size < capacity -> values.addLast(value)
            else -> suspendCoroutine { senders.addLast(Sender(value, it)) }
        }
    }

    suspend fun receive(): T {
        val sender = senders.removeFirstOrNull()
        if (values.isNotEmpty()) {
            val value = values.removeFirst()
            if (sender != null) {
                values.addLast(sender.value)
                turns.add(sender.continuation)
            }
            return value
        }
        if (sender != null) {
            turns.add(sender.continuation)
            return sender.value
        }
        if (closed) throw Closed()
        return suspendCoroutine { receivers.addLast(it) }
    }

    /** Those that wait for a value get an exception instead. */
    fun close() {
        closed = true
        while (true) {
            val receiver = receivers.removeFirstOrNull() ?: break
            receiver.resumeWithException(Closed())
        }
    }
}

suspend fun <T> Channel<T>.forEach(action: suspend (T) -> Unit) {
    try {
        while (true) action(receive())
    } catch (_: Closed) {
    }
}

/** One sender, one receiver. */
fun pair(capacity: Int, count: Int) {
    val turns = Turns()
    val channel = Channel<Int>(capacity, turns)
    var received = 0
    var sum = 0
    launch {
        repeat(count) { channel.send(it * 7) }
        channel.close()
    }
    launch {
        channel.forEach {
            received++
            sum = mix(sum, it)
        }
        println("room for $capacity: $received received, sum $sum")
    }
    println("room for $capacity: ${turns.run()} turns")
}

/** Two coroutines that answer each other. */
fun pingPong(count: Int) {
    val turns = Turns()
    val there = Channel<Int>(0, turns)
    val back = Channel<Int>(0, turns)
    launch { there.forEach { back.send(it + 1) }; back.close() }
    launch {
        var value = 0
        repeat(count) {
            there.send(value)
            value = back.receive()
        }
        there.close()
        println("ping-pong: $value")
    }
    turns.run()
}

/** A row of coroutines, each of which adds its number to what it passes on. */
fun pipeline(stages: Int, count: Int) {
    val turns = Turns()
    val channels = List(stages + 1) { Channel<Long>(it % 3, turns) }
    for (stage in 0 until stages) {
        launch {
            channels[stage].forEach {
                turns.next()
                channels[stage + 1].send(it + stage)
            }
            channels[stage + 1].close()
        }
    }
    launch {
        for (value in 0L until count) channels[0].send(value)
        channels[0].close()
    }
    launch {
        var sum = 0L
        channels[stages].forEach { sum += it }
        println("pipeline of $stages: sum $sum")
    }
    turns.run()
}

/** Many senders, several receivers, strings. */
fun crowd(senders: Int, receivers: Int, each: Int) {
    val turns = Turns()
    val channel = Channel<String>(2, turns)
    val counts = IntArray(receivers)
    var running = senders
    var sum = 0
    repeat(receivers) { number ->
        launch {
            channel.forEach {
                counts[number]++
                sum = mix(sum, it.length * receivers + number)
                if (counts[number] % 3 == 0) turns.next()
            }
        }
    }
    repeat(senders) { number ->
        launch {
            repeat(each) { channel.send("x".repeat(number % 10)) }
            if (--running == 0) channel.close()
        }
    }
    turns.run()
    println("crowd: ${counts.toList()}, sum $sum")
}

fun main() {
    val size = size(SMALL, LARGE)
    pair(0, size)
    pair(1, size)
    pair(16, size)
    pingPong(size)
    pipeline(10, size / 10)
    crowd(50, 3, size / 50)
}
