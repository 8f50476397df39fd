// A client of Questline for C#, Unity included (.NET Standard 2.1), without dependencies.
//
//   var client = new Questline("https://events.example.com", "the write key",
//       Path.Combine(Application.persistentDataPath, "questline.ndjson"));
//   client.Track("player-42", 1002, "{\"level_id\":\"7\",\"moves_used\":18}");
//   await client.Flush();   // every ten seconds, and in OnApplicationPause
//
// Events wait in a file until the server has them. `parameters` is JSON as your serializer writes it.
using System;
using System.Collections.Generic;
using System.IO;
using System.IO.Compression;
using System.Linq;
using System.Net.Http;
using System.Net.Http.Headers;
using System.Text;
using System.Text.RegularExpressions;
using System.Threading.Tasks;

public sealed class Questline
{
    const int Batch = 200, MostWaiting = 10_000, LongestWait = 300;
    static readonly HttpClient Http = new HttpClient { Timeout = TimeSpan.FromSeconds(30) };
    readonly string url, key, path;
    readonly object gate = new object();
    readonly Random chance = new Random();
    List<string> waiting;
    int batch = Batch;

    public Questline(string url, string key, string path)
    {
        this.url = url.TrimEnd('/') + "/v1/events";
        this.key = key;
        this.path = path;
        // Who was killed while writing has left half a line: it was never promised to anybody.
        waiting = File.Exists(path) ? File.ReadAllLines(path).Where(line => line.EndsWith("}")).ToList() : new List<string>();
    }

    static string Now() => DateTime.UtcNow.ToString("yyyy-MM-dd'T'HH:mm:ss.fff'Z'", System.Globalization.CultureInfo.InvariantCulture);

    static string Quoted(string text)
    {
        var quoted = new StringBuilder("\"");
        foreach (var c in text) quoted.Append(c == '"' || c == '\\' ? "\\" + c : c < ' ' ? $"\\u{(int)c:x4}" : c.ToString());
        return quoted.Append('"').ToString();
    }

    /// <summary>Notes an event; its id is made here, once, however often it is sent.</summary>
    public string Track(string userId, int type, string parameters = "{}")
    {
        var id = Guid.NewGuid().ToString();
        var line = $"{{\"id\":\"{id}\",\"user_id\":{Quoted(userId)},\"timestamp\":\"{Now()}\",\"type\":{type},\"parameters\":{parameters}}}";
        lock (gate)
        {
            waiting.Add(line);
            if (waiting.Count > MostWaiting) Keep(waiting.Skip(waiting.Count - MostWaiting).ToList());
            else File.AppendAllText(path, line + "\n");
        }
        return id;
    }

    /// <summary>Sends what waits; one at a time. True when nothing waits any more.</summary>
    public async Task<bool> Flush(int tries = 8)
    {
        var wait = 1.0;
        while (true)
        {
            List<string> sent;
            lock (gate) sent = waiting.Take(batch).ToList();
            if (sent.Count == 0) return true;
            var (status, answer, after) = await Post(sent);
            if (answer.Contains("\"received\""))
            {
                var again = Retryable(answer);
                var done = new HashSet<string>(sent.Where((_, at) => !again.Contains(at)));
                lock (gate) Keep(waiting.Where(line => !done.Contains(line)).ToList());
                if (again.Count == 0) { wait = 1; continue; }
            }
            else if (status == 413 && batch > 1) { batch /= 2; continue; }
            else if (status == 400 || status == 401 || status == 413 || status == 415)
                throw new InvalidOperationException($"Questline refuses what is sent ({status}): {answer}");
            if (--tries <= 0) return false;
            await Task.Delay(TimeSpan.FromSeconds(after ?? wait * (1 + chance.NextDouble())));
            wait = Math.Min(2 * wait, LongestWait);
        }
    }

    /// Unity has no reader of JSON for every platform; of a receipt these members are enough.
    static HashSet<int> Retryable(string receipt) => new HashSet<int>(
        Regex.Matches(receipt, "\\{\"index\":(\\d+)[^{}]*\"retryable\":true").Cast<Match>().Select(found => int.Parse(found.Groups[1].Value)));

    async Task<(int status, string answer, double? after)> Post(List<string> lines)
    {
        var body = new MemoryStream();
        using (var gzip = new GZipStream(body, CompressionLevel.Fastest, true))
        {
            var text = Encoding.UTF8.GetBytes($"{{\"sent_at\":\"{Now()}\",\"events\":[{string.Join(",", lines)}]}}");
            gzip.Write(text, 0, text.Length);
        }
        var request = new HttpRequestMessage(HttpMethod.Post, url) { Content = new ByteArrayContent(body.ToArray()) };
        request.Headers.Add("X-Api-Key", key);
        request.Content.Headers.ContentType = new MediaTypeHeaderValue("application/json");
        request.Content.Headers.ContentEncoding.Add("gzip");
        try
        {
            using (var response = await Http.SendAsync(request))
            {
                var answer = await response.Content.ReadAsStringAsync();
                return ((int)response.StatusCode, answer, response.Headers.RetryAfter?.Delta?.TotalSeconds);
            }
        }
        catch (Exception error) when (error is HttpRequestException || error is TaskCanceledException)
        {
            return (0, "", null);
        }
    }

    /// The whole queue anew: a file beside it takes its place, so that a crash leaves one of them.
    void Keep(List<string> lines)
    {
        File.WriteAllText(path + ".new", string.Concat(lines.Select(line => line + "\n")));
        if (File.Exists(path)) File.Replace(path + ".new", path, null);
        else File.Move(path + ".new", path);
        waiting = lines;
    }
}
