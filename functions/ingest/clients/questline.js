// A client of Questline for browsers and Node.js 18 and later, without dependencies.
//
//   const client = new Questline("https://events.example.com", "the write key");
//   client.track("player-42", 1002, { level_id: "7", moves_used: 18 });
//
// Events wait in `storage` (localStorage, or in Node.js what works like it) until the server has them,
// and are sent every ten seconds; a page that goes away sends what it has by a beacon, which nobody
// hears the answer of: what it sent stays in the queue and is sent again with the same ids, which is
// harmless. So are tabs that share a queue and send the same at once.

const BATCH = 200;
const MOST_WAITING = 10_000;
const LONGEST_WAIT = 300_000;
/** Bytes that a browser takes for a beacon. */
const BEACON = 60_000;

export class Refused extends Error {}

const body = (events) => `{"sent_at":"${new Date().toISOString()}","events":[${events.join(",")}]}`;

export class Questline {
  constructor(url, key, { storage = globalThis.localStorage, name = "questline", every = 10_000 } = {}) {
    this.url = `${url.replace(/\/$/, "")}/v1/events`;
    this.key = key;
    this.storage = storage;
    this.name = name;
    this.batch = BATCH;
    if (every) this.timer = setInterval(() => this.flush(1).catch(console.error), every);
    globalThis.addEventListener?.("pagehide", () => this.beacon());
  }

  /** Notes an event; its id is made here, once, however often it is sent. */
  track(user_id, type, parameters = {}, more = {}) {
    const event = { id: crypto.randomUUID(), user_id, timestamp: new Date().toISOString(), type, parameters, ...more };
    for (const key of this.keys().slice(0, 1 - MOST_WAITING)) this.storage.removeItem(key);
    this.storage.setItem(`${this.name}:${event.timestamp}:${event.id}`, JSON.stringify(event));
    return event.id;
  }

  /** What waits, the oldest first. Each event has a key of its own: of one list, tabs would overwrite each other's. */
  keys() {
    return Object.keys(this.storage).filter((key) => key.startsWith(`${this.name}:`)).sort();
  }

  /** Keys and events; what another tab has sent meanwhile is gone. */
  oldest(most) {
    const found = this.keys().slice(0, most).map((key) => [key, this.storage.getItem(key)]);
    return found.filter(([, event]) => event !== null);
  }

  /** Sends what waits. `true` when nothing waits any more. */
  flush(tries = 8) {
    // Two at a time would send everything twice.
    this.flushing ??= this.send(tries).finally(() => (this.flushing = undefined));
    return this.flushing;
  }

  async send(tries) {
    let wait = 1000;
    let sent;
    while ((sent = this.oldest(this.batch)).length) {
      const { status, answer, retryAfter } = await this.post(sent.map(([, event]) => event));
      if (answer.received !== undefined) {
        const again = new Set(answer.results.filter((each) => each.retryable).map((each) => each.index));
        for (const [key] of sent.filter((_, at) => !again.has(at))) this.storage.removeItem(key);
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
    const gzip = new Blob([body(events)]).stream().pipeThrough(new CompressionStream("gzip"));
    const headers = { "X-Api-Key": this.key, "Content-Type": "application/json", "Content-Encoding": "gzip" };
    try {
      const zipped = await new Response(gzip).arrayBuffer();
      const response = await fetch(this.url, { method: "POST", headers, body: zipped, signal: AbortSignal.timeout(30_000) });
      const after = Number(response.headers.get("Retry-After"));
      return { status: response.status, answer: await response.json().catch(() => ({})), retryAfter: after ? after * 1000 : undefined };
    } catch {
      return { status: 0, answer: {} };
    }
  }

  /** Sends the oldest that fit, without an answer; a browser takes no header with them. */
  beacon() {
    const events = [];
    let bytes = 0;
    for (const [, event] of this.oldest(BATCH)) {
      bytes += new TextEncoder().encode(event).length + 1;
      if (bytes > BEACON) break;
      events.push(event);
    }
    return events.length > 0 && navigator.sendBeacon(`${this.url}?key=${encodeURIComponent(this.key)}`, body(events));
  }
}
