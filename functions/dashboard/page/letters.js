// Dead letters: by reason, and the latest of one with its very bytes.

import { bytes, h, quoted, scrolled } from "./dom.js";
import * as filters from "./filters.js";
import { count, moment, typed } from "./format.js";
import { panel } from "./panel.js";

const WORDS = {
  malformed_json: "is no JSON, or names a member twice",
  not_an_object: "is JSON, but no object",
  missing_app: "came without the app of a write key",
  missing_field: "lacks a member that every event has",
  wrong_type: "has a member of another type",
  invalid_timestamp: "has a timestamp that is no RFC 3339",
  timestamp_in_future: "happened more than an hour after it arrived",
  timestamp_too_old: "happened more than a year ago",
  invalid_parameters: "has parameters that its type does not allow",
  too_large: "is larger than an event may be",
  too_deep: "is nested deeper than an event may be",
  unregistered_type: "has a type that is not registered",
  warehouse_refused: "was refused by the warehouse",
};

const chosen = () => filters.get("reason");
const choose = (reason) => filters.set({ reason });

function reasons(body, { rows }) {
  const most = Math.max(...rows.map((row) => row.written));
  const lines = rows.map((row) =>
    h(
      "tr",
      { "data-chosen": row.reason === chosen() },
      h("th", { scope: "row" }, h("button", { type: "button", class: "link", "data-key": row.reason, "aria-pressed": String(row.reason === chosen()), onclick: () => choose(row.reason === chosen() ? "" : row.reason) }, row.reason), h("small", {}, WORDS[row.reason] ?? "")),
      h("td", { class: "number bar warm", "--part": `${(100 * row.written) / most}%` }, count(row.written)),
      h("td", { class: "number" }, count(row.waiting)),
      h("td", { class: "number" }, count(row.held)),
      h("td", { class: "when" }, moment(row.last_at).slice(5, 16)),
    ),
  );
  const head = ["Reason", "Letters", "Waiting", "Held", "Last"].map((name, at) => h("th", { scope: "col", class: at > 0 && at < 4 ? "number" : null }, name));
  const table = h("table", { class: "lines" }, h("caption", { class: "unseen" }, "Dead letters by reason"), h("thead", {}, h("tr", {}, head)), h("tbody", {}, lines));
  body.replaceChildren(scrolled("Dead letters by reason", table));
}

/** What would become of a letter now; one that does not wait has come to something already. */
function fate(row) {
  if (row.waiting === false) return h("p", { class: "fate" }, "It was brought back already, or is settled: it does not wait any more.");
  if (row.would_fail === null) return h("p", { class: "fate", "data-state": "good" }, "A reprocess now would accept it.");
  return h("p", { class: "fate", "data-state": "bad" }, "A reprocess now would fail again: ", quoted(row.would_fail), ". Name a mend: --set, --rename or --cast.");
}

function sample(row) {
  const fault = row.detail ? ["at ", h("code", {}, quoted(row.detail))] : [];
  return h(
    "li",
    {},
    h("p", {}, h("span", { class: "badge", "data-state": "bad" }, row.reason), " ", ...fault, h("span", { class: "soft" }, ` arrived ${moment(row.received_at)}, app `, quoted(row.app_id ?? "none"), row.attempts ? `, brought back ${row.attempts} times` : "", row.held ? ", held" : "")),
    h("pre", { tabindex: 0, "data-key": `${row.letter} ${row.attempts}`, "aria-label": "The bytes as they were sent" }, quoted(row.raw_base64 === null ? "" : bytes(row.raw_base64))),
    fate(row),
  );
}

/** Where the range has no letter of the reason, its row is not there to be chosen again. */
function every() {
  const button = h("button", { type: "button", onclick: () => choose("") }, "All reasons");
  const show = () => (button.hidden = !chosen());
  filters.onchange(show);
  show();
  return button;
}

export function start(section) {
  const panels = h("div", { class: "panels" });
  section.append(panels);
  panel(panels, {
    title: "By reason",
    note: "choose one to see its letters",
    question: () => ({ name: "events_dlq/by_reason", parameters: filters.common() }),
    empty: "No dead letter in this range: every event that was judged became a row, or had come before.",
    every: 10,
    beside: chosen,
    draw: reasons,
  });
  panel(panels, {
    title: "The latest letters",
    controls: every(),
    note: "the bytes as they were sent, and what would become of them now",
    question: () => ({ name: "events_dlq/samples", parameters: { ...filters.common(), reason: chosen(), most: 8 } }),
    empty: "No such dead letter in this range.",
    every: 10,
    draw(body, { rows }) {
      const [reason, app] = [chosen(), filters.get("app")];
      const command = `questline reprocess${reason && ` --reason ${typed(reason)}`}${app && ` --app ${typed(app)}`} --dry-run`;
      body.replaceChildren(h("p", {}, "All of them: ", h("code", {}, quoted(command))), h("ul", { class: "samples" }, rows.map(sample)));
    },
  });
}
