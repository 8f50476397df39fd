// Levels: the hardest first, and how many get how far.

import { h, quoted, scrolled, visible } from "./dom.js";
import * as filters from "./filters.js";
import { count, natural, one, share } from "./format.js";
import { inner, panel, provisional } from "./panel.js";
import { plot } from "./plot.js";

/** As many as a question may be answered by: those that are played most. */
const MOST = 1000;
const question = () => ({ name: "level_metrics/levels", parameters: { ...filters.days(), most: MOST } });
const which = (answer) => (answer?.rows.length === MOST ? ` of the ${count(MOST)} most played levels` : "");
const HARDEST = 12;
/** A level that somebody tried once is not a hard one. */
const TRIED = 30;

function bar(value) {
  return h("td", { class: "number bar", "--part": `${Math.round(1000 * (value ?? 0)) / 10}%` }, share(value));
}

/** Days that are not closed yet, in words. */
function open(body, rows) {
  const words = "Provisional: days that are not closed by the daily run yet are counted from the rows as received.";
  provisional(body, rows.some((row) => row.provisional) && words);
}

function hardest(body, { rows }) {
  const head = ["Level", "Pass rate", "Starts", "Attempts", "Passed", "Not passed", "Retry rate", "Mean moves", "Player days"];
  const tried = rows.filter((row) => row.attempts >= TRIED);
  const hard = [...(tried.length ? tried : rows)].sort((a, b) => a.pass_rate - b.pass_rate || b.attempts - a.attempts || natural(a.level_id, b.level_id));
  const lines = hard.slice(0, HARDEST).map((row) =>
    h(
      "tr",
      {},
      h("th", { scope: "row" }, quoted(row.level_id)),
      bar(row.pass_rate),
      h("td", { class: "number" }, count(row.starts)),
      h("td", { class: "number" }, count(row.attempts)),
      h("td", { class: "number" }, count(row.completions)),
      h("td", { class: "number" }, count(row.attempts - row.completions)),
      bar(row.retry_rate),
      h("td", { class: "number" }, one(row.avg_moves)),
      h("td", { class: "number" }, count(row.player_days)),
    ),
  );
  const titles = h("tr", {}, head.map((name, at) => h("th", { scope: "col", class: at ? "number" : null }, name)));
  const table = h("table", { class: "lines" }, h("caption", { class: "unseen" }, "The hardest levels"), h("thead", {}, titles), h("tbody", {}, lines));
  body.replaceChildren(scrolled("The hardest levels", table));
  open(body, rows);
}

/** Attempts rise where a level is hard: how far players come is told by who was there, and who got past. */
function funnel(body, { rows }) {
  const played = [...rows].sort((a, b) => natural(a.level_id, b.level_id));
  plot(inner(body), {
    title: "Funnel over the levels",
    height: 400,
    x: played.map((_, at) => at),
    labels: played.map((row) => [...visible(row.level_id)].slice(0, 12).join("")),
    lines: [
      { label: "player days", colour: "--plot-6", bars: true, values: played.map((row) => row.player_days), format: count },
      { label: "passed", colour: "--plot-1", values: played.map((row) => row.completions), format: count },
    ],
  });
  open(body, rows);
}

export function start(section) {
  const panels = h("div", { class: "panels" });
  section.append(panels);
  const empty = "No level was played in these days.";
  panel(panels, { title: "The hardest levels", note: (answer) => `the whole days of the range; those of ${TRIED} attempts or more${which(answer)}; not passed is failed or left`, question, empty, every: 30, wide: true, draw: hardest });
  const reached = "in the order of play, on how many days a player was at a level, and how often it was passed; who comes on two days counts twice";
  panel(panels, { title: "Funnel", note: (answer) => `${reached}${which(answer) && `;${which(answer)}`}`, question, empty, every: 30, wide: true, draw: funnel });
}
