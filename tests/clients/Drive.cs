// Notes some events, then sends what waits: Drive URL KEY QUEUE EVENTS TRIES.
using System;

static class Drive
{
    static int Main(string[] given)
    {
        var client = new Questline(given[0], given[1], given[2]);
        for (var at = 0; at < int.Parse(given[3]); at++)
            client.Track("csharp", 1002, "{\"level_id\":\"" + at + "\",\"name\":\"ü\\\"\\n\"}");
        return client.Flush(int.Parse(given[4])).GetAwaiter().GetResult() ? 0 : 1;
    }
}
