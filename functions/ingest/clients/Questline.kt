// A client of Questline for Android and the JVM, of the standard library alone.
//
//   val client = Questline("https://events.example.com", "the write key", File(filesDir, "questline.ndjson"))
//   client.track("player-42", 1002, """{"level_id":"7","moves_used":18}""")
//   client.flush()   // every ten seconds, and in onStop; off the main thread
//
// Events wait in a file until the server has them. `parameters` is JSON as your serializer writes it.
import java.io.ByteArrayOutputStream
import java.io.File
import java.io.IOException
import java.net.HttpURLConnection
import java.net.URL
import java.time.Instant
import java.util.UUID
import java.util.zip.GZIPOutputStream
import kotlin.random.Random

class Questline(url: String, private val key: String, private val file: File) {
    class Refused(message: String) : Exception(message)
    private class Answer(val status: Int, val body: String, val retryAfter: Double?)

    private val url = URL(url.trimEnd('/') + "/v1/events")
    private var batch = 200

    // Who was killed while writing has left half a line: it was never promised to anybody.
    private var waiting = if (file.exists()) file.readLines().filter { it.endsWith("}") } else emptyList()

    private fun quoted(text: String) = text.asIterable().joinToString("", "\"", "\"") {
        if (it == '"' || it == '\\') "\\$it" else if (it < ' ') "\\u%04x".format(it.code) else it.toString()
    }

    /** Notes an event; its id is made here, once, however often it is sent. */
    @Synchronized
    fun track(userId: String, type: Int, parameters: String = "{}"): String {
        val id = UUID.randomUUID().toString()
        val line = """{"id":"$id","user_id":${quoted(userId)},"timestamp":"${Instant.now()}","type":$type,"parameters":$parameters}"""
        if (waiting.size < MOST_WAITING) {
            waiting = waiting + line
            file.appendText(line + "\n")
        } else {
            keep(waiting.drop(1) + line)
        }
        return id
    }

    /** Sends what waits; one at a time. `true` when nothing waits any more. */
    fun flush(tries: Int = 8): Boolean {
        var left = tries
        var wait = 1.0
        while (true) {
            val sent = synchronized(this) { waiting.take(batch) }
            if (sent.isEmpty()) return true
            val answer = post(sent)
            if ("\"received\"" in answer.body) {
                val again = RETRYABLE.findAll(answer.body).map { it.groupValues[1].toInt() }.toSet()
                val done = sent.filterIndexed { at, _ -> at !in again }.toSet()
                synchronized(this) { keep(waiting.filter { it !in done }) }
                if (again.isEmpty()) {
                    wait = 1.0
                    continue
                }
            } else if (answer.status == 413 && batch > 1) {
                batch /= 2
                continue
            } else if (answer.status in listOf(400, 401, 413, 415)) {
                throw Refused("Questline refuses what is sent (${answer.status}): ${answer.body}")
            }
            left -= 1
            if (left <= 0) return false
            Thread.sleep((1000 * (answer.retryAfter ?: (wait * Random.nextDouble(1.0, 2.0)))).toLong())
            wait = minOf(2 * wait, LONGEST_WAIT)
        }
    }

    private fun post(lines: List<String>): Answer {
        val zipped = ByteArrayOutputStream()
        val text = """{"sent_at":"${Instant.now()}","events":[${lines.joinToString(",")}]}"""
        GZIPOutputStream(zipped).use { it.write(text.toByteArray()) }
        val connection = url.openConnection() as HttpURLConnection
        return try {
            connection.connectTimeout = 10_000
            connection.readTimeout = 30_000
            connection.doOutput = true
            connection.setRequestProperty("X-Api-Key", key)
            connection.setRequestProperty("Content-Type", "application/json")
            connection.setRequestProperty("Content-Encoding", "gzip")
            connection.outputStream.use { it.write(zipped.toByteArray()) }
            val stream = if (connection.responseCode < 400) connection.inputStream else connection.errorStream
            val body = stream?.use { it.readBytes().decodeToString() } ?: ""
            Answer(connection.responseCode, body, connection.getHeaderField("Retry-After")?.toDoubleOrNull())
        } catch (_: IOException) {
            Answer(0, "", null)
        } finally {
            connection.disconnect()
        }
    }

    /** The whole queue anew: a file beside it takes its place, so that a crash leaves one of them. */
    private fun keep(lines: List<String>) {
        val fresh = File(file.path + ".new")
        fresh.writeText(lines.joinToString("") { it + "\n" })
        check(fresh.renameTo(file)) { "$file cannot be written" }
        waiting = lines
    }

    private companion object {
        const val MOST_WAITING = 10_000
        const val LONGEST_WAIT = 300.0
        // Of a receipt these members are enough.
        val RETRYABLE = Regex("""\{"index":(\d+)[^{}]*"retryable":true""")
    }
}
