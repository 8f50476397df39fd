// The ledger: four hops, what each is missing, and every minute of the range.

import { h } from "./dom.js";
import * as filters from "./filters.js";
import { count, moment, plural } from "./format.js";
import { panel } from "./panel.js";

const HOPS = [
  ["ingest", "Ingest", "received = stored + rejected + deferred"],
  ["log", "Log", "stored + late = read"],
  ["process", "Process", "read = accepted + duplicate + dead-lettered"],
  ["warehouse", "Warehouse", "accepted + dead-lettered = rows and letters"],
];

const STATES = {
  lost: ["✕", "something is missing"],
  unproved: ["?", "unproved: a boot ended without its closing mark, or its log was replaced"],
  open: ["·", "open: not everything of it is processed yet"],
  proved: ["", "proved: nothing is missing"],
  none: ["", "nothing is written down"],
};

const lost = (row) => row.residue !== 0 || Boolean(row.first_missing);
const stateOf = (row) => (lost(row) ? "lost" : row.unproved ? "unproved" : row.open ? "open" : "proved");

function hop([name, title, equation], rows) {
  const mine = rows.filter((row) => row.hop === name);
  const sum = (column) => mine.reduce((total, row) => total + row[column], 0);
  // What is missing in one bucket is not made up for by what is too many in another.
  const missing = mine.reduce((total, row) => total + Math.max(row.residue, 0), 0) || sum("residue");
  const first = mine.find(lost);
  const state = first ? "lost" : sum("unproved") ? "unproved" : sum("proved") ? "proved" : "open";
  const found = first ? `since ${moment(first.first_missing)}` : `in ${plural(sum("proved"), "proved minute")}`;
  const words = missing < 0 ? " too many" : " missing";
  const rest = [sum("unproved") && `${count(sum("unproved"))} unproved`, sum("open") && `${count(sum("open"))} open`].filter(Boolean);
  return h(
    "li",
    { class: "hop", "data-state": state },
    h("h4", {}, title),
    h("p", { class: "figure" }, state === "open" ? "–" : count(Math.abs(missing)), h("small", {}, state === "open" ? " nothing proved yet" : words)),
    h("p", {}, found, rest.length ? `, ${rest.join(", ")}` : ""),
    h("p", { class: "equation" }, equation),
  );
}

/** One cell for each hop and bucket; a screen reader gets the table of numbers instead. */
function strip(rows) {
  const [from, to] = filters.arrived();
  const step = size();
  const buckets = filters.buckets([from, to], step).map((at) => new Date(at * 1000).toISOString());
  const found = new Map(rows.map((row) => [`${row.hop} ${new Date(row.bucket).toISOString()}`, row]));
  const lines = HOPS.map(([name, title]) => {
    const cells = buckets.map((bucket) => {
      const row = found.get(`${name} ${bucket}`);
      if (!row) return h("i", { "data-state": "none" });
      const state = stateOf(row);
      const missing = row.residue ? `, ${count(row.residue)} missing` : "";
      return h("i", { "data-state": state, title: `${title}, ${moment(bucket)}: ${STATES[state][1]}${missing}` }, STATES[state][0]);
    });
    return [h("b", {}, title), h("div", { class: "cells" }, cells)];
  });
  const ends = [buckets[0], buckets[Math.floor(buckets.length / 2)], buckets.at(-1)];
  const long = to - from > 86400;
  const scale = h("div", { class: "scale" }, ends.map((bucket) => h("span", {}, long ? moment(bucket).slice(5, 16) : moment(bucket).slice(11, 16))));
  const legend = h("p", { class: "legend" }, Object.entries(STATES).map(([state, [mark, words]]) => h("span", {}, h("i", { "data-state": state }, mark), " ", words)));
  return [h("div", { class: "strip", "aria-hidden": "true" }, lines.flat(), h("b"), scale), legend];
}

export function start(section) {
  const panels = h("div", { class: "panels" });
  section.append(panels);
  panel(panels, {
    title: "Hop by hop",
    wide: true,
    note: "0 missing in every closed minute, unless something was lost there",
    question: () => ({ name: "ledger_residue/by_bucket", parameters: { ...filters.arrivals(), bucket_seconds: size() } }),
    empty: "No minute of this range is written down yet. The first one is within a minute of the first event.",
    every: 10,
    beside: () => filters.buckets(filters.arrived(), size()),
    draw(body, { rows }) {
      body.replaceChildren(h("ol", { class: "hops" }, HOPS.map((each) => hop(each, rows))), ...strip(rows));
    },
  });
}

/** So that the strip has at most some 120 cells in a row. */
function size() {
  const [from, to] = filters.arrived();
  return [60, 300, 900, 3600, 10800, 21600, 86400].find((seconds) => (to - from) / seconds <= 120) ?? 7 * 86400;
}
