// Notes some events, then sends what waits: drive.js URL KEY QUEUE EVENTS TRIES.
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { Questline } from "../../functions/ingest/clients/questline.js";

/** A localStorage in a file, one key and its value a line. */
class Kept {
  getItem(key) { return this[key] ?? null; }
  setItem(key, value) { this[key] = value; }
  removeItem(key) { delete this[key]; }
}

const [url, key, queue, events, tries] = process.argv.slice(2);
const lines = existsSync(queue) ? readFileSync(queue, "utf8").split("\n").slice(0, -1) : [];
const storage = Object.assign(new Kept(), Object.fromEntries(lines.map((line) => line.split("\t"))));
process.on("exit", () => writeFileSync(queue, Object.entries(storage).map((pair) => `${pair.join("\t")}\n`).join("")));
const client = new Questline(url, key, { storage, every: 0 });
for (let at = 0; at < Number(events); at++) client.track("node", 1002, { level_id: String(at), name: 'ü"\n' });
process.exit((await client.flush(Number(tries))) ? 0 : 1);
