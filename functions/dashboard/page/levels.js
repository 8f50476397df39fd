// Levels: the hardest first, and how many get how far.

import { h, quoted } from "./dom.js";
import * as filters from "./filters.js";
import { count, natural, one, share } from "./format.js";
import { panel } from "./panel.js";
import { plot } from "./plot.js";

const question = () => ({ name: "level_metrics/levels", parameters: { ...filters.days(), most: 500 } });
const HARDEST = 12;
/** A level that somebody tried once is not a hard one. */
const TRIED = 30;

function bar(value) {
  return h("td", { class: "number bar", "--part": `${Math.round(1000 * (value ?? 0)) / 10}%` }, share(value));
}

function hardest(body, { rows }) {
  const head = ["Level", "Pass rate", "Attempts", "Passed", "Retry rate", "Mean moves", "Player days"];
  const tried = rows.filter((row) => row.attempts >= TRIED);
  const lines = (tried.length ? tried : rows).slice(0, HARDEST).map((row) =>
    h(
      "tr",
      {},
      h("th", { scope: "row" }, quoted(row.level_id)),
      bar(row.pass_rate),
      h("td", { class: "number" }, count(row.attempts)),
      h("td", { class: "number" }, count(row.completions)),
      bar(row.retry_rate),
      h("td", { class: "number" }, one(row.avg_moves)),
      h("td", { class: "number" }, count(row.player_days)),
    ),
  );
  const titles = h("tr", {}, head.map((name, at) => h("th", { scope: "col", class: at ? "number" : null }, name)));
  const open = rows.some((row) => row.provisional);
  const words = "Provisional: days that are not closed by the daily run yet are counted from the rows as received.";
  body.replaceChildren(h("div", { class: "scroll", tabindex: 0 }, h("table", { class: "lines" }, h("caption", { class: "unseen" }, "The hardest levels"), h("thead", {}, titles), h("tbody", {}, lines))), ...(open ? [h("p", { class: "provisional" }, words)] : []));
}

function funnel(body, { rows }) {
  const played = [...rows].sort((a, b) => natural(a.level_id, b.level_id));
  plot(body, {
    title: "Funnel over the levels",
    height: 400,
    x: played.map((_, at) => at),
    labels: played.map((row) => row.level_id.slice(0, 12)),
    lines: [
      { label: "attempts", colour: "--plot-6", bars: true, values: played.map((row) => row.attempts), format: count },
      { label: "passed", colour: "--plot-1", bars: true, values: played.map((row) => row.completions), format: count },
    ],
  });
}

export function start(section) {
  const panels = h("div", { class: "panels" });
  section.append(panels);
  const empty = "No level was played in these days.";
  panel(panels, { title: "The hardest levels", note: `whole days, at least the last 14; of ${TRIED} attempts or more`, question, empty, every: 30, draw: hardest });
  panel(panels, { title: "Funnel", note: "attempts at every level, in the order of play, and how many passed", question, empty, every: 30, draw: funnel });
}
