// Counts by type, by the time of the event.

import { h } from "./dom.js";
import * as filters from "./filters.js";
import { count } from "./format.js";
import { panel } from "./panel.js";
import { plot } from "./plot.js";
import * as types from "./types.js";

export function start(section) {
  const panels = h("div", { class: "panels" });
  section.append(panels);
  panel(panels, {
    title: "Events by type",
    wide: true,
    note: () => `events ${filters.per(filters.range())}; closed days are exact, open days within the deduplication window`,
    question: () => ({ name: "events_1min/by_type", parameters: { ...filters.common(), bucket_seconds: filters.bucket(filters.range()) } }),
    empty: "No event happened in this range.",
    every: 5,
    beside: () => filters.axis(filters.range()),
    draw(body, { rows, age }) {
      // The rest, which has no code, comes last.
      const order = (code) => code ?? Infinity;
      const codes = [...new Set(rows.map((row) => row.event_type))].sort((a, b) => (order(a) < order(b) ? -1 : 1));
      const found = new Map(rows.map((row) => [`${row.event_type} ${Date.parse(row.bucket) / 1000}`, row.events]));
      const span = filters.range();
      const x = filters.axis(span);
      plot(body, {
        title: "Events by type",
        x,
        span,
        height: 260,
        lines: codes.map((code, at) => ({
          label: types.name(code),
          colour: types.colour(at),
          dash: types.dash(at),
          format: count,
          values: x.map((second) => found.get(`${code} ${second}`) ?? filters.missing(second, age)),
        })),
      });
    },
  });
}
