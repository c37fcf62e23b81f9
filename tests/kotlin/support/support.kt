// What the programs share: their size, ways to start coroutines, and coroutines that take turns. The standard library has the rest; kotlinx.coroutines
// is not used, so all that happens is in these files.

@file:OptIn(ExperimentalWasmInterop::class, UnsafeWasmMemoryApi::class)

import kotlin.coroutines.*
import kotlin.wasm.ExperimentalWasmInterop
import kotlin.wasm.WasmImport
import kotlin.wasm.unsafe.*

// Kotlin has no way to read a WASI program's arguments, so the programs ask WASI themselves.
@WasmImport("wasi_snapshot_preview1", "args_sizes_get")
private external fun argsSizesGet(count: Int, bytes: Int): Int

@WasmImport("wasi_snapshot_preview1", "args_get")
private external fun argsGet(pointers: Int, buffer: Int): Int

/** The program's first argument, or null if there is none. */
private fun argument(): String? = withScopedMemoryAllocator { allocator ->
    val sizes = allocator.allocate(8)
    check(argsSizesGet(sizes.address.toInt(), (sizes + 4).address.toInt()) == 0)
    val count = sizes.loadInt()
    // The first of them is the program's name.
    if (count < 2) return@withScopedMemoryAllocator null
    val pointers = allocator.allocate(4 * count)
    val buffer = allocator.allocate((sizes + 4).loadInt())
    check(argsGet(pointers.address.toInt(), buffer.address.toInt()) == 0)
    var next = Pointer((pointers + 4).loadInt().toUInt())
    buildString {
        while (next.loadByte() != 0.toByte()) {
            append(next.loadByte().toInt().toChar())
            next += 1
        }
    }
}

/** How much a program has to do: its first argument says `small`, `large` or a number. Without one it is small. */
fun size(small: Int, large: Int): Int = when (val argument = argument()) {
    null, "small" -> small
    "large" -> large
    else -> argument.toInt()
}

/** What is called when a coroutine ends. An exception that it did not catch goes on to whoever resumed it last. */
object Rethrow : Continuation<Unit> {
    override val context get() = EmptyCoroutineContext
    override fun resumeWith(result: Result<Unit>) = result.getOrThrow()
}

/** Runs `block` as a coroutine, until it suspends for the first time. */
fun launch(block: suspend () -> Unit) = block.startCoroutine(Rethrow)

/** Coroutines that wait for their turn, first come, first served. */
class Turns {
    private val waiting = ArrayDeque<Continuation<Unit>>()

    /** Lets all others go first. */
    suspend fun next() = suspendCoroutine { waiting.addLast(it) }

    /** Appends a coroutine that waits for something else and can go on now. */
    fun add(ready: Continuation<Unit>) = waiting.addLast(ready)

    /** Resumes the first one, until none waits. Returns how many times it did. */
    fun run(): Int {
        var count = 0
        while (true) {
            val first = waiting.removeFirstOrNull() ?: return count
            first.resume(Unit)
            count++
        }
    }
}

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

/** A generator of numbers that are the same in each run. */
class Numbers(private var state: Int) {
    fun next(): Int {
        state = state * 1_103_515_245 + 12_345
        return state ushr 8
    }

    fun below(bound: Int): Int = next() % bound
}

/** Adds `value` to a checksum that depends on the order. */
fun mix(sum: Int, value: Int): Int = sum * 31 + value
