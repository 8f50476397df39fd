// The form for test events: what is sent, the receipt, and then the verdict.

import { bytes, h, quoted } from "./dom.js";
import { ask } from "./source.js";

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
  const id = `test-${crypto.randomUUID().slice(0, 8)}`;
  const event = { id, user_id: "tester", session_id: "test", timestamp: new Date().toISOString(), platform: "web", app_version: "1.0.0", ...EXAMPLES[name] };
  return JSON.stringify(event, null, 2);
}

/** The event's row or letter, as soon as it is there: by its id, or by its bytes. */
async function verdict(text, since) {
  let id;
  try {
    id = JSON.parse(text).id;
  } catch {
    // Then its bytes tell it.
  }
  const until = Date.now() + PATIENCE;
  while (Date.now() < until) {
    const range = { from_time: new Date(since - 5000).toISOString(), to_time: new Date(Date.now() + 1000).toISOString() };
    const { rows } = await ask("events/recent", { ...range, most: 500 });
    const found = rows.find((row) => (row.event_id !== null ? row.event_id === id : row.raw_base64 !== null && bytes(row.raw_base64) === text));
    if (found) return found;
    await new Promise((resolve) => setTimeout(resolve, PAUSE));
  }
  return null;
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
      const response = await fetch(`${ingest}/v1/events?receipts=all`, { method: "POST", headers: { "X-Api-Key": secret.value }, body: text });
      const receipt = await response.json();
      said.append(h("pre", { tabindex: 0, "aria-label": "The receipt" }, quoted(JSON.stringify(receipt, null, 2))));
      if (!response.ok || receipt.stored === 0) {
        tell("bad", `Not stored (${response.status}): `, quoted(receipt.detail ?? receipt.results?.[0]?.reason ?? "the receipt says why"), ".");
        return;
      }
      tell("", `Stored after ${Date.now() - started} ms. Waiting for its verdict…`);
      const found = await verdict(text, started);
      const seconds = ((Date.now() - started) / 1000).toFixed(1);
      if (found === null) tell("bad", `No verdict after ${seconds} s. It is on the log: was it a duplicate, or does processing stand still?`);
      else if (found.verdict === "accepted") tell("good", `Accepted: a row after ${seconds} s.`);
      else tell("bad", `A dead letter after ${seconds} s: `, h("b", {}, found.verdict), found.detail ? [", at ", h("code", {}, quoted(found.detail))].flat() : "", ".");
      fresh();
    } catch (error) {
      tell("bad", error instanceof TypeError ? "Nobody answers there. Is the stack running?" : `Its verdict is not to be had: ${error.message}`);
    }
  }

  const form = h("form", { onsubmit: send }, h("div", { class: "filters small" }, h("label", {}, "Example ", pick), h("label", {}, "Write key ", secret)), body, h("button", { class: "main" }, "Send it"));
  return h("article", { class: "panel sender", "aria-label": "Send a test event" }, h("header", {}, h("h3", {}, "Send a test event"), h("p", {}, "the same way as a client's")), form, said);
}
