// Players and what they pay, day by day.

import { choose, h, offer } from "./dom.js";
import * as filters from "./filters.js";
import { count, plural, share, short, usd, usdFine } from "./format.js";
import { inner, panel, provisional } from "./panel.js";
import { plot } from "./plot.js";
import { often } from "./source.js";

const x = (rows) => rows.map((row) => Date.parse(row.event_date) / 1000);
const values = (rows, name) => rows.map((row) => row[name]);

/** Days that are not closed yet, in words. */
function open(body, rows) {
  const days = rows.filter((row) => row.provisional).length;
  const all = days === rows.length ? "These days are" : days === 1 ? "The last day is" : `${days} of these days are`;
  provisional(body, days && `${all} provisional: not closed by the daily run yet, counted from the rows as received.`);
}

/** Who was first seen a day ago, or a week, may still come back today. */
function unfinished(body, rows) {
  provisional(body, rows.at(-1).provisional && "The last point of each line is provisional: its day of return is not closed yet.");
}

function active(body, { rows }) {
  plot(inner(body), {
    title: "Players",
    x: x(rows),
    daily: true,
    lines: [
      { label: "active", colour: "--plot-1", values: values(rows, "players"), fill: true, format: count },
      { label: "new", colour: "--plot-3", dash: [6, 4], values: values(rows, "new_players"), format: count },
      { label: "sessions", colour: "--plot-5", dash: [2, 3], values: values(rows, "sessions"), format: count },
    ],
  });
  open(body, rows);
}

function retention(body, { rows }) {
  plot(inner(body), {
    title: "Retention by install day",
    x: x(rows),
    daily: true,
    format: share,
    max: 1,
    lines: [
      { label: "day 1", colour: "--plot-1", values: values(rows, "d1_retention") },
      { label: "day 7", colour: "--plot-2", dash: [6, 4], values: values(rows, "d7_retention") },
    ],
  });
  unfinished(body, rows);
}

function revenue(body, { rows }) {
  plot(inner(body), {
    title: "Revenue",
    x: x(rows),
    daily: true,
    format: (value) => `$${short(value)}`,
    lines: [{ label: "revenue", colour: "--plot-3", bars: true, values: values(rows, "revenue_usd"), format: usd }],
  });
  open(body, rows);
}

function payers(body, { rows }) {
  plot(inner(body), {
    title: "Payers",
    x: x(rows),
    daily: true,
    format: count,
    lines: [
      { label: "payers", colour: "--plot-1", values: values(rows, "payers"), fill: true },
      { label: "purchases", colour: "--plot-5", dash: [2, 3], values: values(rows, "purchases") },
    ],
  });
  open(body, rows);
}

function means(body, { rows }) {
  plot(inner(body), {
    title: "ARPDAU",
    x: x(rows),
    daily: true,
    format: usdFine,
    lines: [
      { label: "ARPDAU", colour: "--plot-2", values: values(rows, "arpdau"), fill: true },
    ],
  });
  const sum = (name) => rows.reduce((total, row) => total + row[name], 0);
  const payers = `${plural(sum("purchases"), "purchase")} in all, on ${plural(sum("payers"), "player day")}`;
  // A day that is still counted from its rows may have a mean where closed ones have none.
  const without = rows.filter((row) => row.arpdau === null).length;
  const which = without === rows.length ? "Means are told" : "Every day has its mean";
  const words = without ? `. ${which} where one app, and one platform and country or all of them, are asked for.` : ".";
  body.querySelector(".sum")?.remove();
  body.append(h("p", { class: "sum" }, payers, words));
  open(body, rows);
}

/** Platform and country, as they occur. */
function cells() {
  const names = ["platform", "country"];
  const select = (name, label) =>
    h("label", {}, label, " ", h("select", { name, onchange: (event) => filters.set({ [name]: event.target.value }) }, h("option", { value: "" }, "all")));
  const form = h("form", { class: "filters small", "aria-label": "Of which players", onsubmit: (event) => event.preventDefault() }, select("platform", "Platform"), select("country", "Country"));
  const show = () => names.forEach((name) => choose(form.elements[name], filters.get(name)));
  filters.onchange(show);
  show();
  often("events/cells", () => ({ ...filters.weeks(), most: 1000 }), (rows) => {
    for (const name of names) rows.forEach((row) => offer(form.elements[name], row[name]));
  });
  return form;
}

export function start(section) {
  const panels = h("div", { class: "panels" });
  section.append(panels);
  const days = () => ({ name: "user_daily_metrics/days", parameters: filters.weeks() });
  const paid = () => ({
    name: "revenue_daily_metrics/days",
    parameters: { ...filters.weeks(), platform: filters.get("platform"), country: filters.get("country") },
  });
  const empty = "Nobody played in these days.";
  const weeks = () => (filters.between() ? "whole days" : "whole days, at least the last 14");
  panel(panels, { title: "Active players", note: weeks, question: days, empty, every: 30, draw: active });
  panel(panels, { title: "Retention", note: "of those first seen on a day, who came back", question: days, empty, every: 30, draw: retention });
  panel(panels, { title: "Revenue", controls: cells(), question: paid, empty, every: 30, draw: revenue });
  panel(panels, { title: "Payers", note: "who paid something on a day", question: paid, empty, every: 30, draw: payers });
  panel(panels, { title: "Revenue per active player", note: "ARPDAU", question: paid, empty, every: 30, wide: true, draw: means });
}
