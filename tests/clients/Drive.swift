// Notes some events, then sends what waits: Drive URL KEY QUEUE EVENTS TRIES.
import Foundation

@main
struct Drive {
    static func main() async throws {
        let given = CommandLine.arguments
        let client = Questline(url: URL(string: given[1])!, key: given[2], file: URL(fileURLWithPath: given[3]))
        for at in 0..<Int(given[4])! {
            try await client.track(userId: "swift", type: 1002, parameters: ["level_id": String(at), "name": "ü\"\n"])
        }
        exit(try await client.flush(tries: Int(given[5])!) ? 0 : 1)
    }
}
