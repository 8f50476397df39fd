// The daily run, day by day and step by step.

import { h, quoted, scrolled, visible } from "./dom.js";
import * as filters from "./filters.js";
import { clock, day, plural } from "./format.js";
import { panel } from "./panel.js";

const MARKS = { done: "✓", failed: "✕", running: "…", waiting: "…", skipped: "–" };

function step(row) {
  const seconds = row.finished_at ? (Date.parse(row.finished_at) - Date.parse(row.started_at)) / 1000 : null;
  const words = [row.state, seconds === null ? null : `in ${seconds.toFixed(1)} s`, row.attempt > 1 ? `attempt ${row.attempt}` : null, row.error && visible(row.error)].filter(Boolean).join(", ");
  return h("li", { class: "step", "data-state": row.state, title: `${row.step}: ${words}, since ${clock(row.started_at)}` }, h("i", { "aria-hidden": "true" }, MARKS[row.state] ?? "?"), row.step.replaceAll("_", " "), h("span", { class: "unseen" }, `: ${words}`));
}

function draw(body, { rows }) {
  const days = Map.groupBy(rows, (row) => row.event_date);
  const lines = [...days].map(([date, steps]) => {
    const errors = steps.filter((row) => row.error).map((row) => h("p", { class: "error" }, `${row.step}: `, quoted(row.error)));
    return h("tr", {}, h("th", { scope: "row", class: "when" }, day(date), steps[0].stale ? h("span", { class: "mark" }, "stale") : null), h("td", {}, h("ul", { class: "steps" }, steps.map(step)), errors));
  });
  body.replaceChildren(scrolled("Runs by day", h("table", { class: "lines" }, h("caption", { class: "unseen" }, "Runs by day"), h("tbody", {}, lines))));
}

function broken(body, { rows }) {
  body.replaceChildren(
    h("ul", { class: "samples" }, rows.map((row) =>
      h("li", {}, h("p", {}, h("span", { class: "badge", "data-state": row.severity === "fail" ? "bad" : "warn" }, row.severity), ` ${row.check_name} of ${day(row.event_date)}: ${plural(row.broken_rows, "row")}`), row.broken ? h("pre", { tabindex: 0, "data-key": `${row.event_date} ${row.check_name}` }, quoted(row.broken)) : null))),
  );
}

/** A run is of a day, and of all apps. */
function range() {
  const { from_time, to_time } = filters.weeks();
  return { from_time, to_time };
}

export function start(section) {
  const panels = h("div", { class: "panels" });
  section.append(panels);
  panel(panels, {
    title: "Steps",
    note: () => (filters.between() ? "whole days" : "whole days, at least the last 14"),
    question: () => ({ name: "pipeline_runs/steps", parameters: { ...range(), most: 1000 } }),
    empty: "No day is closed yet. The first run is at 02:00 UTC; until then what is shown of days is provisional.",
    every: 15,
    draw,
  });
  panel(panels, {
    title: "Checks that did not pass",
    note: "a failed check stops export and training",
    question: () => ({ name: "quality_results/broken", parameters: { ...range(), most: 100 } }),
    empty: "No check failed in these days.",
    every: 15,
    draw: broken,
  });
}
