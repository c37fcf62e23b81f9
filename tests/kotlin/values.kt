// What a suspended frame holds: numbers of each kind, references, both in loops and in recursion. Meanwhile the program makes
// garbage, so that the collector runs while references to live objects are in frames that do not run.

import kotlin.coroutines.*

const val SMALL = 50
const val LARGE = 3_000

/** Its check fails if its memory has been reused. */
class Box(val number: Int) {
    private val half = number xor 0x55aa
    private val text = "box $number"
    fun check(): Int {
        check(half xor 0x55aa == number && text == "box $number")
        return number
    }
}

suspend fun kinds(turns: Turns, number: Int): String {
    val byte = number.toByte()
    val short = (number * 3).toShort()
    val char = 'a' + number % 26
    val int = number * 1_000_003
    val long = number * 10_000_000_019L
    val unsigned = int.toUInt()
    val float = number / 4f
    val double = number / 8.0
    val flag = number % 2 == 0
    val nothing: Box? = if (flag) null else Box(number)
    val array = intArrayOf(number, number + 1)
    val boxes = arrayOf(Box(number), Box(number + 1))
    val lambda = { boxes[1].check() + array[0] }
    turns.next()
    val text = "$byte $short $char $int $long $unsigned $float $double $flag"
    turns.next()
    return "$text ${nothing?.check()} ${array[1]} ${boxes[0].check()} ${lambda()}"
}

/** Values of each kind as arguments and results. */
suspend fun longs(turns: Turns, value: Long): Long { turns.next(); return value * 3 }
suspend fun doubles(turns: Turns, value: Double): Double { turns.next(); return value / 3 }
suspend fun maybe(turns: Turns, value: String?): String? { turns.next(); return value?.reversed() }
suspend fun <T> same(turns: Turns, value: T): T { turns.next(); return value }

/** Each frame holds a box of its own. */
suspend fun boxes(turns: Turns, depth: Int): Int {
    if (depth == 0) {
        repeat(3) { turns.next() }
        return 0
    }
    val box = Box(depth)
    val below = boxes(turns, depth - 1)
    return mix(below, box.check())
}

/** A list that lives in a frame alone, and grows with each turn. */
suspend fun growing(turns: Turns, rounds: Int): Int {
    var list = listOf<Box>()
    for (round in 0 until rounds) {
        list = list.takeLast(20) + Box(round)
        turns.next()
    }
    return list.fold(0) { sum, box -> mix(sum, box.check()) }
}

suspend fun garbage(turns: Turns, rounds: Int): Int {
    var sum = 0
    repeat(rounds) { round ->
        val rubbish = List(200) { Box(round + it) }
        turns.next()
        sum = mix(sum, rubbish.last().check())
    }
    return sum
}

fun main() {
    val size = size(SMALL, LARGE)
    val turns = Turns()
    var sum = 0
    var text = ""
    launch { println("kinds: ${kinds(turns, 77)}") }
    launch { println("more: ${kinds(turns, 1_234_567)}") }
    launch { println("results: ${longs(turns, 1L shl 40)} ${doubles(turns, 1.0)} ${maybe(turns, null)} ${maybe(turns, "abc")}") }
    launch { println("generic: ${same(turns, 5)} ${same(turns, 6L)} ${same(turns, listOf(0.5))} ${same<Any?>(turns, null)}") }
    repeat(size) { number -> launch { text = kinds(turns, number); sum = mix(sum, text.hashCode()) } }
    repeat(size) { number -> launch { sum = mix(sum, boxes(turns, number % 100)) } }
    launch { println("growing: ${growing(turns, size)}") }
    launch { println("garbage: ${garbage(turns, size)}") }
    println("turns: ${turns.run()}")
    println("last: $text")
    println("sum: $sum")
}
