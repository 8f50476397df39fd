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
    draw(body, { rows }) {
      const codes = [...new Set(rows.map((row) => row.event_type))].sort((a, b) => a - b);
      const found = new Map(rows.map((row) => [`${row.event_type} ${Date.parse(row.bucket) / 1000}`, row.events]));
      const [from, to] = filters.range();
      const size = filters.bucket([from, to]);
      const x = filters.buckets([from, to], size);
      plot(body, {
        title: "Events by type",
        x,
        span: [from, to],
        height: 260,
        lines: codes.map((code, at) => ({
          label: types.name(code),
          colour: types.colour(at),
          dash: types.dash(at),
          format: count,
          values: x.map((second) => found.get(`${code} ${second}`) ?? 0),
        })),
      });
    },
  });
}
