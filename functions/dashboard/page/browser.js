// The event browser: events as they come, what was sent beside what it became.

import { bytes, choose, h, quoted, say } from "./dom.js";
import * as filters from "./filters.js";
import { clock, count, moment } from "./format.js";
import * as form from "./form.js";
import { address, ask, given, record, rows as rowsOf, Silent, stream } from "./source.js";
import * as types from "./types.js";

const KEEP = 200;
/** Milliseconds until events of the past are asked for again, where that failed. */
const AGAIN = 15_000;
/** Milliseconds after its end in which a range may still get a row of an event that came within it. */
const SETTLED = 60_000;
/** The filters of this section alone. */
const NARROW = ["user", "type", "verdict", "release"];
/** Columns that tell what became of an event, in the order in which people look for them. */
const BECAME = ["event_name", "timestamp", "country", "device_category", "device_tier", "level_id", "moves_used", "time_seconds", "duration_sec", "price_usd", "transaction_id", "session_id", "platform", "app_version", "is_paying_user", "days_since_install", "app_id"];

/** Whether the page knows the log. */
let records = false;

export const sent = (row) => (row.raw_base64 === null ? null : bytes(row.raw_base64));

function facts(row) {
  const known = BECAME.filter((name) => row[name] !== null);
  return h("dl", {}, known.map((name) => [h("dt", {}, name), h("dd", {}, quoted(name === "timestamp" ? moment(row[name]) : row[name]))]));
}

function pretty(text) {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}

/** Where it is on the log: no other event is there. */
const place = (row) => `${row.source_log}/${row.source_partition}/${row.source_offset}`;

/** What its row has of what was sent: all that there is where the log does not have it. */
function kept(row) {
  const part = (title, text) => [h("h4", {}, title), h("pre", { tabindex: 0 }, quoted(pretty(text)))];
  return [part("Parameters as kept", row.parameters ?? "{}"), row.extras ? part("Members without a column", row.extras) : null];
}

/** A row has no bytes of its own: the log is asked for them. */
function asSent(row) {
  const place = h("div", { class: "sent", "data-state": "asking" }, h("p", { class: "soft" }, "Asking the log…"));
  const tell = (state, ...what) => {
    place.dataset.state = state;
    place.replaceChildren(...what.flat(Infinity).filter((part) => part !== null));
  };
  record(row.source_log, row.source_partition, row.source_offset).then(
    (raw) => tell("good", h("pre", { tabindex: 0, "aria-label": "The bytes as they were sent" }, quoted(raw === null ? "" : bytes(raw)))),
    (error) => tell("bad", h("p", { class: "soft" }, `Its bytes are not to be had: ${error.message}.`), kept(row)),
  );
  return [h("h4", {}, "As it was sent"), place];
}

function detail(row) {
  const bad = row.verdict !== "accepted";
  const left = bad ? [h("h4", {}, "As it was sent"), h("pre", { tabindex: 0 }, quoted(sent(row) ?? ""))] : records ? asSent(row) : kept(row);
  const right = bad
    ? [h("h4", {}, "What became of it"), h("p", {}, "A dead letter: ", h("b", {}, row.verdict), row.detail ? [", at ", h("code", {}, quoted(row.detail))] : "", "."), h("p", { class: "soft" }, "It is kept as it is, and comes back by ", h("code", {}, `questline reprocess --reason ${row.verdict}`), ".")]
    : [h("h4", {}, "What became of it"), facts(row)];
  return h("div", { class: "both" }, h("div", {}, left), h("div", {}, right, h("p", { class: "soft" }, "On the log at ", h("code", {}, place(row)))));
}

/** When an event came; of another day than today, with that day. */
function came(at) {
  const today = at.slice(0, 10) === new Date().toISOString().slice(0, 10);
  return h("time", { datetime: at, title: `${moment(at)} UTC` }, today ? clock(at) : moment(at).slice(5, 16));
}

function line(row) {
  const good = row.verdict === "accepted";
  const who = good ? row.user_id : row.key_base64 === null ? null : bytes(row.key_base64);
  const what = good ? (row.event_name ?? `type ${row.event_type}`) : (row.detail ?? "");
  const element = h(
    "details",
    { class: "event", "data-id": row.event_id ?? "", "data-verdict": row.verdict, "data-place": place(row) },
    h(
      "summary",
      {},
      came(row.received_at),
      h("span", { class: "badge", "data-state": good ? "good" : "bad" }, row.verdict),
      h("span", { class: "what" }, quoted(what), row.level_id === null ? null : [" · level ", quoted(row.level_id)]),
      h("span", { class: "who" }, who === null ? "" : quoted(who)),
      h("code", { class: "id" }, row.event_id === null ? "" : quoted(row.event_id)),
    ),
  );
  element.addEventListener("toggle", () => element.open && element.children.length === 1 && element.append(detail(row)));
  return element;
}

function field(label, input) {
  return h("label", {}, label, " ", input);
}

function controls(reasons) {
  const options = (pairs) => pairs.map(([value, text]) => h("option", { value }, text));
  const verdicts = [["", "any"], ["accepted", "accepted"], ["dead_lettered", "dead letters"], ...reasons.map((reason) => [reason, `· ${reason}`])];
  const kinds = [["", "any"], ...types.all().map(([code, name]) => [String(code), name])];
  const element = h(
    "form",
    { class: "filters small", "aria-label": "Which events", onsubmit: (event) => event.preventDefault() },
    field("Player", h("input", { name: "user", type: "search", placeholder: "user_id", maxlength: 128, size: 11, autocomplete: "off" })),
    field("Type", h("select", { name: "type" }, options(kinds))),
    field("Verdict", h("select", { name: "verdict" }, options(verdicts))),
    field("Release", h("input", { name: "release", type: "search", placeholder: "app_version", maxlength: 64, size: 9, autocomplete: "off" })),
  );
  // What somebody is typing stays until the address says something else.
  const shown = {};
  const show = () => {
    for (const name of NARROW.filter((each) => shown[each] !== filters.get(each))) choose(element.elements[name], (shown[name] = filters.get(name)));
  };
  filters.onchange(show);
  element.addEventListener("change", () => filters.set(Object.fromEntries(NARROW.map((name) => [name, element.elements[name].value]))));
  show();
  return element;
}

/** What is asked: where the range ends now, whatever comes is in it. */
function asked() {
  const { from_time, to_time, app_id } = filters.common();
  const narrow = { user_id: filters.get("user"), event_type: filters.get("type"), verdict: filters.get("verdict"), app_version: filters.get("release") };
  return { from_time, ...(filters.between() && { to_time }), app_id, ...narrow, most: KEEP };
}

/** Of a range that is over nothing more comes: it is asked for once. */
function once(parameters, { tell, fail }) {
  let [closed, again] = [false];
  const look = async () => {
    try {
      const { rows } = await ask("events/recent", parameters);
      if (!closed) tell(rows);
    } catch (error) {
      if (closed) return;
      fail(error instanceof Silent ? error.message : `Not to be had: ${error.message}.`);
      again = setTimeout(look, AGAIN);
    }
  };
  look();
  return {
    close() {
      closed = true;
      clearTimeout(again);
    },
  };
}

/** The list, what is said of it, and the button that holds it. */
function listing() {
  const list = h("div", { class: "list", role: "log", "aria-label": "Events, the latest first", "aria-live": "off" });
  const word = h("p", { class: "word", role: "status" }, "Asking…");
  const pause = h("button", { type: "button", "aria-pressed": "false" }, "Pause");
  let [held, waiting] = [false, []];
  const add = (news) => {
    // A stream that was opened anew begins with what it has shown before.
    const known = new Set([...list.children].map((element) => element.dataset.place).concat(waiting.map(place)));
    const fresh = news.filter((row) => !known.has(place(row)));
    if (held) {
      waiting = [...fresh, ...waiting].slice(0, KEEP);
      pause.textContent = `Go on (${count(waiting.length)} new)`;
      return;
    }
    list.prepend(...fresh.map(line));
    while (list.children.length > KEEP) list.lastElementChild.remove();
    const none = NARROW.some((name) => filters.get(name)) ? "No event fits. Type and release filter what became a row: a dead letter has neither." : "No event has come in this range.";
    say(word, list.children.length ? "" : none);
  };
  const hold = (now) => {
    held = now;
    pause.setAttribute("aria-pressed", String(held));
    pause.textContent = held ? "Go on" : "Pause";
    if (!held) add(waiting.splice(0));
  };
  pause.addEventListener("click", () => hold(!held));
  return {
    list,
    word,
    pause,
    add,
    clear() {
      waiting = [];
      list.replaceChildren();
      hold(false);
      say(word, "Asking…");
    },
  };
}

export function start(section, { reasons, form: where, records: log }) {
  records = log;
  const { list, word, pause, add, clear } = listing();
  const title = h("h3");
  const save = h("a", { download: "", title: "The latest that fit, as a table for other programs" }, "Save as CSV");
  const head = h("header", {}, title, pause, save, controls(reasons));
  const panels = h("div", { class: "panels" });
  const browser = h("article", { class: "panel browser", "aria-label": "Event browser" }, head, word, list);
  panels.append(browser);
  if (where) panels.append(form.start(where));
  section.append(panels);

  let [handle, key] = [];
  const open = () => {
    const { from_time, ...more } = asked();
    const next = JSON.stringify([more, filters.between() ?? filters.get("range")]);
    if (next === key) return;
    key = next;
    handle?.close();
    clear();
    const over = Date.parse(more.to_time) < Date.now() - SETTLED;
    title.textContent = over ? "As they came, the latest of the range" : "As they come";
    pause.hidden = over;
    const parameters = { from_time, ...more };
    save.href = address("events/recent", parameters, ".csv");
    handle = over
      ? once(parameters, { tell: add, fail: (words) => say(word, words) })
      : stream(`/api/events?${new URLSearchParams(given(parameters))}`, {
          message: (answer) => add(rowsOf(answer)),
          broken: (why) => say(word, why),
          silent: (why) => say(word, why ? `Not to be had: ${why}.` : "The stream has broken off; it comes back by itself."),
        });
  };
  filters.onchange(open);
  open();
}
