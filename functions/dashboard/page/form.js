// The form for test events: what is sent, the receipt, and then the verdict.

import { bytes, h, quoted } from "./dom.js";
import { count } from "./format.js";
import { ask, PATIENCE as TIMEOUT } from "./source.js";

const EXAMPLES = {
  level_complete: { type: 1002, parameters: { level_id: "7", moves_used: 18, time_seconds: 73.5, boosters_used: ["hammer"] } },
  level_start: { type: 1001, parameters: { level_id: "7" } },
  level_fail: { type: 1003, parameters: { level_id: "7", moves_used: 30 } },
  purchase: { type: 2001, parameters: { price_usd: 4.99, transaction_id: "test-1" } },
  session_end: { type: 3002, parameters: { duration_sec: 600 } },
  "a faulty one": { type: 1001, parameters: { level: 7 } },
};
/** Milliseconds after which a verdict is not waited for any more, and between two looks. */
const PATIENCE = 15_000;
const PAUSE = 300;

function example(name) {
  // Where the page is not at this machine and without TLS, a browser has no randomUUID.
  const random = Array.from(crypto.getRandomValues(new Uint8Array(4)), (byte) => byte.toString(16).padStart(2, "0"));
  const event = { id: `test-${random.join("")}`, user_id: "tester", session_id: "test", timestamp: new Date().toISOString(), platform: "web", app_version: "1.0.0", ...EXAMPLES[name] };
  return JSON.stringify(event, null, 2);
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** What tells the events of a body: their ids, their bytes where they are lines, and their player if they have one in common. */
function tokens(text) {
  const lines = text.split("\n").map((line) => line.trim());
  const body = parsed(text);
  const events = body === undefined ? lines.map(parsed) : Array.isArray(body?.events) ? body.events : [body].flat();
  const users = [...new Set(events.map((event) => event?.user_id))];
  const user = users.length === 1 && typeof users[0] === "string" && users[0].length <= 256 ? users[0] : "";
  return { user, ids: new Set(events.map((event) => event?.id).filter((id) => typeof id === "string")), pieces: new Set([text, ...lines].filter(Boolean)) };
}

/** The rows and letters of the events of a body, as soon as there are `wanted`. */
async function verdicts(text, wanted, since) {
  const { user, ids, pieces } = tokens(text);
  const is = (row) => {
    if (row.event_id !== null) return ids.has(row.event_id);
    const sent = row.raw_base64 === null ? "" : bytes(row.raw_base64);
    return pieces.has(sent) || ids.has(parsed(sent)?.id);
  };
  const until = Date.now() + PATIENCE;
  for (;;) {
    const range = { from_time: new Date(since - 5000).toISOString(), to_time: new Date(Date.now() + 1000).toISOString() };
    const { rows } = await ask("events/recent", { ...range, user_id: user, most: 1000 });
    const found = rows.filter(is);
    if (found.length >= wanted || Date.now() > until) return found;
    await new Promise((resolve) => setTimeout(resolve, PAUSE));
  }
}

/** What became of a body's events, in words, and whether that is good. */
function fate(found, wanted, seconds) {
  const letters = found.filter((row) => row.verdict !== "accepted");
  const [many, missing] = [wanted > 1, wanted - found.length];
  if (letters.length) {
    const [{ verdict, detail }] = letters;
    return ["bad", many ? `${count(letters.length)} of ${count(wanted)} became dead letters within ${seconds} s, one of them: ` : `A dead letter after ${seconds} s: `, h("b", {}, verdict), ...(detail ? [", at ", h("code", {}, quoted(detail))] : []), ".", missing > 0 ? ` No verdict on ${count(missing)}.` : ""];
  }
  if (missing <= 0) return ["good", many ? `Accepted: ${count(found.length)} rows after ${seconds} s.` : `Accepted: a row after ${seconds} s.`];
  const what = many ? `No verdict on ${count(missing)} of ${count(wanted)} events` : "No verdict";
  return ["bad", `${what} after ${seconds} s. What was stored is on the log: was it a duplicate, or does processing stand still?`];
}

export function start({ ingest, key }) {
  const body = h("textarea", { name: "event", rows: 18, spellcheck: "false", "aria-label": "The event, as JSON" });
  const pick = h("select", { name: "example" }, Object.keys(EXAMPLES).map((name) => h("option", {}, name)));
  const secret = h("input", { name: "key", value: key, autocomplete: "off", size: 12, required: true });
  const said = h("div", { class: "said", role: "status", "aria-live": "polite" });
  const fresh = () => (body.value = example(pick.value));
  pick.addEventListener("change", fresh);
  fresh();

  async function send(event) {
    event.preventDefault();
    const text = body.value.trim();
    const started = Date.now();
    const tell = (state, ...words) => said.replaceChildren(h("p", { "data-state": state }, ...words), ...said.querySelectorAll("pre"));
    said.replaceChildren();
    tell("", "Sending…");
    try {
      const response = await fetch(`${ingest}/v1/events?receipts=all`, { method: "POST", headers: { "X-Api-Key": secret.value }, body: text, signal: AbortSignal.timeout(TIMEOUT) });
      const receipt = await response.json();
      said.append(h("pre", { tabindex: 0, "aria-label": "The receipt" }, quoted(JSON.stringify(receipt, null, 2))));
      if (!response.ok || receipt.stored === 0) {
        tell("bad", `Not stored (${response.status}): `, quoted(receipt.detail ?? receipt.results?.[0]?.reason ?? "the receipt says why"), ".");
        return;
      }
      tell("", `Stored after ${Date.now() - started} ms. Waiting for its verdict…`);
      const found = await verdicts(text, receipt.stored, started);
      tell(...fate(found, receipt.stored, ((Date.now() - started) / 1000).toFixed(1)));
      // What somebody wrote meanwhile stays.
      if (body.value.trim() === text) fresh();
    } catch (error) {
      const late = error.name === "TimeoutError" ? `Nobody has answered there within ${TIMEOUT / 1000} seconds. Whether it is stored is not known: it may be sent again, with the same id.` : null;
      tell("bad", late ?? (error instanceof TypeError ? "Nobody answers there. Is the stack running?" : `Its verdict is not to be had: ${error.message}`));
    }
  }

  const form = h("form", { onsubmit: send }, h("div", { class: "filters small" }, h("label", {}, "Example ", pick), h("label", {}, "Write key ", secret)), body, h("button", { class: "main" }, "Send it"));
  return h("article", { class: "panel sender", "aria-label": "Send a test event" }, h("header", {}, h("h3", {}, "Send a test event"), h("p", {}, "the same way as a client's")), form, said);
}
