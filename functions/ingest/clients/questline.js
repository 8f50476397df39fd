// A client of Questline for browsers and Node.js 18 and later, without dependencies.
//
//   const client = new Questline("https://events.example.com", "the write key");
//   client.track("player-42", 1002, { level_id: "7", moves_used: 18 });
//
// Events wait in `storage` (in a browser localStorage) until the server has them, and are sent every
// ten seconds; a page that goes away sends what it has by a beacon, which nobody hears the answer of:
// what it sent stays in the queue and is sent again with the same ids, which is harmless.

const BATCH = 200;
const MOST_WAITING = 10_000;
const LONGEST_WAIT = 300_000;
/** Bytes that a browser takes for a beacon. */
const BEACON = 60_000;

export class Refused extends Error {}

export class Questline {
  constructor(url, key, { storage = globalThis.localStorage, name = "questline", every = 10_000 } = {}) {
    this.url = `${url.replace(/\/$/, "")}/v1/events`;
    this.key = key;
    this.storage = storage;
    this.name = name;
    this.batch = BATCH;
    this.waiting = JSON.parse(storage.getItem(name) ?? "[]");
    if (every) this.timer = setInterval(() => this.flush(1).catch(console.error), every);
    globalThis.addEventListener?.("pagehide", () => this.beacon());
  }

  /** Notes an event; its id is made here, once, however often it is sent. */
  track(user_id, type, parameters = {}, more = {}) {
    const event = { id: crypto.randomUUID(), user_id, timestamp: new Date().toISOString(), type, parameters, ...more };
    this.keep([...this.waiting, event].slice(-MOST_WAITING));
    return event.id;
  }

  /** Sends what waits. `true` when nothing waits any more. */
  flush(tries = 8) {
    // Two at a time would send everything twice.
    this.flushing ??= this.send(tries).finally(() => (this.flushing = undefined));
    return this.flushing;
  }

  async send(tries) {
    let wait = 1000;
    while (this.waiting.length) {
      const sent = this.waiting.slice(0, this.batch);
      const { status, answer, retryAfter } = await this.post(sent);
      if (answer.received !== undefined) {
        const again = new Set(answer.results.filter((each) => each.retryable).map((each) => sent[each.index].id));
        const done = new Set(sent.map((event) => event.id).filter((id) => !again.has(id)));
        this.keep(this.waiting.filter((event) => !done.has(event.id)));
        if (!again.size) {
          wait = 1000;
          continue;
        }
      } else if (status === 413 && this.batch > 1) {
        this.batch = Math.floor(this.batch / 2);
        continue;
      } else if ([400, 401, 413, 415].includes(status)) {
        throw new Refused(answer.detail ?? `status ${status}`);
      }
      if (--tries <= 0) return false;
      await new Promise((resolve) => setTimeout(resolve, retryAfter ?? wait * (1 + Math.random())));
      wait = Math.min(2 * wait, LONGEST_WAIT);
    }
    return true;
  }

  async post(events) {
    const text = JSON.stringify({ sent_at: new Date().toISOString(), events });
    const gzip = new Blob([text]).stream().pipeThrough(new CompressionStream("gzip"));
    const headers = { "X-Api-Key": this.key, "Content-Type": "application/json", "Content-Encoding": "gzip" };
    try {
      const body = await new Response(gzip).arrayBuffer();
      const response = await fetch(this.url, { method: "POST", headers, body, signal: AbortSignal.timeout(30_000) });
      const after = Number(response.headers.get("Retry-After"));
      return { status: response.status, answer: await response.json().catch(() => ({})), retryAfter: after ? after * 1000 : undefined };
    } catch {
      return { status: 0, answer: {} };
    }
  }

  beacon() {
    let [events, bytes] = [[], 0];
    for (const event of this.waiting) {
      bytes += JSON.stringify(event).length * 2;
      if (bytes > BEACON) break;
      events.push(event);
    }
    const body = JSON.stringify({ sent_at: new Date().toISOString(), events });
    return events.length > 0 && navigator.sendBeacon(`${this.url}?key=${encodeURIComponent(this.key)}`, body);
  }

  keep(events) {
    this.waiting = events;
    this.storage.setItem(this.name, JSON.stringify(events));
  }
}
