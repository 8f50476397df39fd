// Plots over time, by uPlot: in the page's colours, and reachable by keyboard.

import { h } from "./dom.js";
import { count, short } from "./format.js";

// uPlot's own are of twelve hours. Each: seconds of a step, the text, and what is added at a new year,
// a new month, a new day.
const day = "\n{D} {MMM}";
const TIMES = [
  [365 * 86400, "{YYYY}", null, null, null, null, null, null, 1],
  [28 * 86400, "{MMM}", "\n{YYYY}", null, null, null, null, null, 1],
  [86400, "{D} {MMM}", "\n{YYYY}", null, null, null, null, null, 1],
  [60, "{HH}:{mm}", day, null, day, null, null, null, 1],
  [1, "{HH}:{mm}:{ss}", day, null, day, null, null, null, 1],
];
/** Steps of what is counted: there is no half of an event. */
const WHOLE = Array.from({ length: 12 }, (_, power) => [1, 2, 5].map((step) => step * 10 ** power)).flat();
const DAY = 86_400;
const dark = matchMedia("(prefers-color-scheme: dark)");
const plots = new Set();

const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

function axis(more) {
  const font = "12px system-ui, sans-serif";
  return {
    stroke: () => css("--soft"),
    font,
    grid: { stroke: () => css("--line"), width: 1 },
    ticks: { show: false },
    ...more,
  };
}

/** A line has two ends: what has no value beside it is drawn as a point. */
function alone(uplot, at) {
  const values = uplot.data[at];
  const none = (place) => values[place] === null || values[place] === undefined;
  const found = [...values.keys()].filter((place) => !none(place) && none(place - 1) && none(place + 1));
  return found.length ? found : null;
}

function series({ label, colour, dash, fill, bars, format = short, width = 2 }) {
  const stroke = () => css(colour);
  return {
    label: h("button", { type: "button", "aria-pressed": "true", title: "Show this line, or hide it" }, label),
    stroke,
    width: bars ? 0 : width,
    dash,
    fill: bars ? stroke : fill ? () => `color-mix(in srgb, ${css(colour)} 16%, transparent)` : undefined,
    paths: bars ? uPlot.paths.bars({ size: [0.7, 40], radius: 0.15 }) : undefined,
    points: { show: false, filter: bars ? undefined : alone, fill: stroke },
    spanGaps: false,
    value: (_, value) => (value === null ? "–" : format(value)),
  };
}

/** How a line's mark is dashed in the legend. */
const mark = ([on] = []) => (on === undefined ? "solid" : on < 4 ? "dotted" : "dashed");

/**
 * Keeps a plot in `body`: made once, then given new data. `x` is in seconds, or in places of `labels`;
 * `span` are the ends of the axis, whatever there is to show; a `daily` one has a bar's room at them.
 */
export function plot(body, { title, x, lines, height = 220, labels, format = short, max, span, daily }) {
  const shape = JSON.stringify([lines.map(({ label, colour }) => [label, colour]), labels?.length]);
  const data = [x, ...lines.map((line) => line.values)];
  const kept = body.plot;
  if (kept && kept.shape === shape) {
    kept.labels = labels;
    kept.span = span;
    kept.uplot.setData(data);
    latest(kept.uplot);
    return kept.uplot;
  }
  kept?.end();
  const frame = h("div", { role: "application", "aria-roledescription": "plot", tabindex: 0, "data-key": "plot", "aria-label": `${title}. Its numbers stand below; left and right tell them one by one.` });
  const said = h("p", { class: "unseen", role: "status" });
  const around = h("div", { class: "plot" }, frame, said);
  body.replaceChildren(around);
  const keep = { shape, labels, span };
  const options = {
    width: Math.max(200, body.clientWidth),
    height,
    tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), "Etc/UTC"),
    cursor: { y: false, points: { size: 7 } },
    hooks: { ready: [(made) => latest(made)], setSeries: [pressed] },
    legend: { live: true, mount: (_, legend) => around.append(legend), markers: { dash: (_, at) => mark(lines[at - 1]?.dash) } },
    scales: {
      x: { time: !labels, range: (_, min, most) => (labels ? [min - 0.6, most + 0.6] : (keep.span ?? (daily ? [min - DAY / 2, most + DAY / 2] : [min, Math.max(most, min + 10)]))) },
      y: { range: (_, min, most) => [Math.min(0, min), max ?? (most > 0 ? most * 1.12 : 4)] },
    },
    axes: [
      axis(labels ? { values: (_, places) => places.map((place) => keep.labels[place] ?? ""), space: 44 } : { values: TIMES, space: 70 }),
      axis({ ...(format === short || format === count ? { incrs: WHOLE } : {}), size: 52, gap: 4, values: (_, values) => values.map((value) => format(value)), space: 36 }),
    ],
    series: [
      labels
        ? { label: "Level", value: (_, place) => (place === null ? "–" : keep.labels[place]) }
        : daily
          ? { label: "Day", value: "{YYYY}-{MM}-{DD}" }
          : { label: "Time", value: "{YYYY}-{MM}-{DD} {HH}:{mm}:{ss}" },
      ...lines.map((line) => series({ format, ...line })),
    ],
  };
  keep.uplot = new uPlot(options, data, frame);

  keep.uplot.over.addEventListener("mouseleave", () => latest(keep.uplot));
  frame.addEventListener("keydown", (event) => walk(event, keep.uplot, said));
  const sized = new ResizeObserver(() => keep.uplot.setSize({ width: Math.max(200, body.clientWidth), height }));
  sized.observe(body);
  keep.end = () => {
    sized.disconnect();
    plots.delete(keep);
    keep.uplot.destroy();
  };
  plots.add(keep);
  body.plot = keep;
  return keep.uplot;
}

/** Where nobody points, the legend tells the latest that is known. */
function latest(uplot) {
  const [x, ...lines] = uplot.data;
  const known = x.findLastIndex((_, at) => lines.some((values) => (values[at] ?? null) !== null));
  if (uplot.cursor.idx === null || uplot.cursor.left < 0) uplot.setLegend({ idx: known < 0 ? x.length - 1 : known });
}

/** Goes to the next point, and says what is there. */
function walk(event, uplot, said) {
  const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
  if (!step) return;
  event.preventDefault();
  const last = uplot.data[0].length - 1;
  const { idx } = uplot.cursor;
  const place = idx === null ? last : Math.min(last, Math.max(0, idx + step));
  uplot.setCursor({ left: uplot.valToPos(uplot.data[0][place], "x"), top: 10 });
  const words = uplot.series.map(({ label, show, value }, at) => {
    const told = value(uplot, uplot.data[at][place], at, place);
    return at === 0 ? told : show ? `${label.textContent} ${told}` : null;
  });
  said.textContent = words.filter(Boolean).join(", ");
}

/** The legend's buttons tell which lines are shown. */
function pressed(uplot) {
  uplot.series.slice(1).forEach(({ label, show }) => label.setAttribute("aria-pressed", String(show)));
}

dark.addEventListener("change", () => plots.forEach(({ uplot }) => uplot.redraw(false, true)));
