// A client of Questline for iOS 15, macOS 12, Swift 6 on Linux, and later, without dependencies.
//
//   let client = Questline(url: URL(string: "https://events.example.com")!, key: "the write key", file: file)
//   try await client.track(userId: "player-42", type: 1002, parameters: ["level_id": "7", "moves_used": 18])
//   try await client.flush()   // every ten seconds, and when the app goes to the background
//
// Events wait in a file until the server has them.
import Foundation
#if canImport(FoundationNetworking)
import FoundationNetworking
#endif

public actor Questline {
    public struct Refused: Error { public let status: Int, detail: String }
    private struct Receipt: Decodable {
        struct Event: Decodable { let index: Int, retryable: Bool }
        let received: Int, results: [Event]
    }
    private struct Problem: Decodable { let detail: String? }

    private let url: URL, key: String, file: URL
    private var waiting: [String]
    private var batch = 200
    private var flushing = false
    private static let mostWaiting = 10_000, longestWait = 300.0

    public init(url: URL, key: String, file: URL) {
        self.url = url.appendingPathComponent("v1/events")
        self.key = key
        self.file = file
        // Who was killed while writing has left half a line: it was never promised to anybody.
        let text = (try? String(contentsOf: file, encoding: .utf8)) ?? ""
        waiting = text.split(separator: "\n").map(String.init).filter { $0.hasSuffix("}") }
    }

    private static func now() -> String {
        Date().formatted(.iso8601.year().month().day().time(includingFractionalSeconds: true).timeZone(separator: .omitted))
    }

    /// Notes an event; its id is made here, once, however often it is sent.
    @discardableResult
    public func track(userId: String, type: Int, parameters: [String: Any] = [:]) throws -> String {
        let id = UUID().uuidString
        let event: [String: Any] = ["id": id, "user_id": userId, "timestamp": Self.now(), "type": type, "parameters": parameters]
        let line = String(decoding: try JSONSerialization.data(withJSONObject: event), as: UTF8.self)
        try keep(Array((waiting + [line]).suffix(Self.mostWaiting)))
        return id
    }

    /// Sends what waits. `true` when nothing waits any more.
    @discardableResult
    public func flush(tries: Int = 8) async throws -> Bool {
        if flushing { return false }
        flushing = true
        defer { flushing = false }
        var (left, wait) = (tries, 1.0)
        while !waiting.isEmpty {
            let sent = Array(waiting.prefix(batch))
            let (status, body, after) = await post(sent)
            if let receipt = try? JSONDecoder().decode(Receipt.self, from: body) {
                let again = Set(receipt.results.filter(\.retryable).map(\.index))
                let done = Set(sent.enumerated().filter { !again.contains($0.offset) }.map(\.element))
                try keep(waiting.filter { !done.contains($0) })
                if again.isEmpty { wait = 1; continue }
            } else if status == 413, batch > 1 {
                batch /= 2
                continue
            } else if [400, 401, 413, 415].contains(status) {
                let problem = try? JSONDecoder().decode(Problem.self, from: body)
                throw Refused(status: status, detail: problem?.detail ?? "")
            }
            left -= 1
            if left <= 0 { return false }
            try await Task.sleep(nanoseconds: UInt64(1e9 * (after ?? wait * Double.random(in: 1...2))))
            wait = min(2 * wait, Self.longestWait)
        }
        return true
    }

    private func post(_ lines: [String]) async -> (Int, Data, Double?) {
        var request = URLRequest(url: url, timeoutInterval: 30)
        request.httpMethod = "POST"
        request.setValue(key, forHTTPHeaderField: "X-Api-Key")
        request.setValue("application/json", forHTTPHeaderField: "Content-Type")
        let text = Data("{\"sent_at\":\"\(Self.now())\",\"events\":[\(lines.joined(separator: ","))]}".utf8)
        let gzip = Self.gzipped(text)
        if gzip != nil { request.setValue("gzip", forHTTPHeaderField: "Content-Encoding") }
        request.httpBody = gzip ?? text
        guard let (body, response) = try? await URLSession.shared.data(for: request),
              let answer = response as? HTTPURLResponse else { return (0, Data(), nil) }
        return (answer.statusCode, body, answer.value(forHTTPHeaderField: "Retry-After").flatMap(Double.init))
    }

    /// Foundation deflates on Apple's systems alone, and bare: gzip puts a head before it, and a sum of what
    /// it was behind it. Elsewhere the body goes as it is.
    private static func gzipped(_ text: Data) -> Data? {
        #if canImport(Darwin)
        guard let deflated = try? (text as NSData).compressed(using: .zlib) as Data else { return nil }
        var crc: UInt32 = 0xFFFF_FFFF
        for byte in text {
            crc ^= UInt32(byte)
            for _ in 0..<8 { crc = (crc >> 1) ^ (crc & 1 == 1 ? 0xEDB8_8320 : 0) }
        }
        var gzip = Data([0x1F, 0x8B, 8, 0, 0, 0, 0, 0, 0, 0xFF]) + deflated
        for word in [crc ^ 0xFFFF_FFFF, UInt32(text.count)] { withUnsafeBytes(of: word.littleEndian) { gzip.append(contentsOf: $0) } }
        return gzip
        #else
        return nil
        #endif
    }

    /// The whole queue anew, atomically: a crash leaves the old one or the new one.
    private func keep(_ lines: [String]) throws {
        try Data(lines.map { $0 + "\n" }.joined().utf8).write(to: file, options: .atomic)
        waiting = lines
    }
}
