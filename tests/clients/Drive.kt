// Notes some events, then sends what waits: Drive URL KEY QUEUE EVENTS TRIES.
import java.io.File
import kotlin.system.exitProcess

fun main(given: Array<String>) {
    val client = Questline(given[0], given[1], File(given[2]))
    repeat(given[3].toInt()) { client.track("kotlin", 1002, """{"level_id":"$it","name":"ü\"\n"}""") }
    exitProcess(if (client.flush(given[4].toInt())) 0 else 1)
}
