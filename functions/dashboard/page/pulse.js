// Now: what a person wants to know at a glance, second by second.

import { h, say, stand, visible } from "./dom.js";
import * as filters from "./filters.js";
import { count, one, share, short } from "./format.js";
import { plot } from "./plot.js";
import { numbers, panel } from "./panel.js";
import { ask, stream } from "./source.js";

const KEEP = 300;
/** A figure that moves every second cannot be read: it is the mean of so many. */
const MEAN = 10;
/** What is so many times higher than all of the last minute would leave that minute flat. */
const BURST = 20;
const MINUTE = 60;
/** Milliseconds without a sample, of which there is one a second. */
const SILENCE = 5_000;
const DAY = 86_400;
/** Milliseconds between two looks at a day. */
const AGAIN = 20_000;

const tiles = {};

function tile(name, label, hint) {
  const figure = h("p", { class: "figure" }, "–");
  const foot = h("p", { class: "foot" }, hint);
  tiles[name] = { figure, foot };
  return h("div", { class: "tile", "data-tile": name }, h("h3", {}, label), figure, foot);
}

function show(name, figure, foot) {
  tiles[name].figure.textContent = figure;
  if (foot !== undefined) tiles[name].foot.textContent = foot;
}

/** Events a second between the samples, which are sums. */
function rates(samples, name) {
  return samples.map((sample, at) => {
    const before = samples[at - 1];
    if (!before || sample[name] < before[name]) return null;
    return (1000 * (sample[name] - before[name])) / Math.max(1, sample.at - before.at);
  });
}

const mean = (values) => {
  const known = values.filter((value) => value !== null);
  return known.length ? known.reduce((sum, value) => sum + value, 0) / known.length : 0;
};

const most = (values) => Math.max(0, ...values);

/** How many of the latest samples are shown: a burst before the last minute is told, not drawn. */
function shown(lines, note) {
  const top = most(lines.flat());
  const calm = most(lines.flatMap((line) => line.slice(-MINUTE)));
  const burst = calm > 0 && top > BURST * calm;
  say(note, burst ? `the last minute, all apps; up to ${short(top)} in the minutes before` : "the last five minutes, all apps");
  return burst ? MINUTE : KEEP;
}

export function start(section, facts, hasPulse) {
  section.append(
    h(
      "div",
      { class: "tiles" },
      tile("rate", "Events a second", "acknowledged by the log"),
      tile("errors", "Error rate", "dead letters and rejected, of 24 hours"),
      tile("lag", "Lag", "records not processed yet"),
      tile("volume", "Volume of 24 hours", "events that became rows"),
      tile("quality", "Quality alerts", "of the daily checks"),
    ),
  );
  const live = h("div", { class: "body" });
  const note = h("p", {}, "the last five minutes, all apps");
  const panels = h("div", { class: "panels" });
  section.append(panels);
  const element = h("article", { class: "panel", "aria-label": "Events a second, live" }, h("header", {}, h("h3", {}, "Events a second"), note), live);
  panels.append(element);
  history(panels);
  today();
  checks(facts);
  if (hasPulse) listen(element, live, note, facts);
  else live.append(h("p", { class: "word" }, "This dashboard stands apart from what ingests and processes: live figures are in its platform's monitoring, minutes stand beside."));
}

/** What the live plot shows, in numbers, the latest first. */
function figures(samples) {
  const lines = { acknowledged: rates(samples, "stored"), became_rows: rates(samples, "accepted"), dead_letters: rates(samples, "dead_lettered") };
  const rounded = (value) => (value === null ? null : Math.round(10 * value) / 10);
  const rows = samples.map((sample, at) => {
    const figure = Object.entries(lines).map(([name, values]) => [name, rounded(values[at])]);
    return { second: new Date(sample.at).toISOString(), ...Object.fromEntries(figure), lag: sample.lag };
  });
  return { columns: ["second", ...Object.keys(lines), "lag"], rows: rows.reverse() };
}

/** Nobody else has these numbers: the page itself writes them down. */
function csv({ columns, rows }) {
  const lines = [columns, ...rows.map((row) => columns.map((name) => row[name] ?? ""))];
  return URL.createObjectURL(new Blob([lines.map((line) => `${line.join(",")}\r\n`).join("")], { type: "text/csv" }));
}

function listen(element, live, note, facts) {
  const rateNow = document.getElementById("rate");
  let [samples, written] = [[], 0];
  const save = h("a", { href: "#now", download: "events-a-second.csv" }, "Save as CSV");
  save.addEventListener("click", () => {
    URL.revokeObjectURL(save.href);
    save.href = csv(figures(samples));
  });
  const table = numbers("Events a second, the last minute", save);
  element.append(table.element);
  const take = (news) => {
    samples = news.slice(-KEEP);
    const now = samples.at(-1);
    if (!now) return;
    element.dataset.state = "filled";
    const stored = rates(samples, "stored");
    const rate = mean(stored.slice(-MEAN));
    show("rate", short(rate), `${count(now.stored)} acknowledged since the start, all apps`);
    show("lag", short(now.lag), now.lag === 1 ? "record not processed yet" : "records not processed yet");
    stand("live", "Live");
    rateNow.textContent = `${short(rate)} events/s`;
    const [accepted, letters] = [rates(samples, "accepted"), rates(samples, "dead_lettered")];
    const part = -shown([stored, accepted], note);
    plot(live, {
      title: "Events a second",
      x: samples.slice(part).map((sample) => sample.at / 1000),
      lines: [
        { label: "acknowledged", colour: "--plot-1", values: stored.slice(part), fill: true, format: one },
        { label: "became rows", colour: "--plot-2", dash: [6, 4], values: accepted.slice(part), format: one },
        { label: "dead letters", colour: "--plot-4", dash: [2, 3], values: letters.slice(part), format: one },
      ],
    });
    // A table that moves every second cannot be read either.
    if (Math.abs(now.at - written) >= 1000 * MEAN) {
      table.show(figures(samples.slice(-MINUTE - 1)));
      written = now.at;
    }
    facts.set({ samples });
  };
  stream("/api/pulse", {
    within: SILENCE,
    past: take,
    message: (sample) => take([...samples, sample]),
    silent(why) {
      if (why) stand("broken", "No live figures", `Live figures are not to be had: ${why}. They are asked for again; the rest of the page goes on.`);
      else stand("broken", "Not answering", "The stack does not answer. What you see is what it last said; this page goes on by itself when it is back.");
      rateNow.textContent = "";
      for (const name of ["rate", "lag"]) show(name, "–", why ? "not to be had" : "nobody answers");
    },
  });
}

/** What arrived and what became of it, over the range. */
function history(panels) {
  panel(panels, {
    title: "What arrived, and what became of it",
    note: () => `events ${filters.per(filters.arrived())}, by their arrival`,
    question: () => ({ name: "ledger_minutes/by_bucket", parameters: { ...filters.arrivals(), bucket_seconds: filters.bucket(filters.arrived()) } }),
    empty: "Nothing has arrived in this range. Send an event with the form below, or look at a longer range.",
    every: 10,
    beside: () => filters.axis(filters.arrived()),
    draw(body, { rows, age }) {
      const span = filters.arrived();
      const x = filters.axis(span);
      const found = new Map(rows.map((row) => [Date.parse(row.bucket) / 1000, row]));
      const line = (name, colour, more = {}) => ({ label: name, colour, values: x.map((at) => found.get(at)?.[name] ?? filters.missing(at, age)), ...more });
      plot(body, {
        title: "What arrived",
        x,
        span,
        format: short,
        lines: [
          line("accepted", "--plot-1", { fill: true }),
          line("duplicate", "--plot-3", { dash: [6, 4] }),
          line("dead_lettered", "--plot-4", { dash: [2, 3], label: "dead letters" }),
        ],
      });
    },
  });
}

/** What 24 hours brought, of the app that is chosen. */
function today() {
  let [timer, turn] = [undefined, 0];
  async function look() {
    clearTimeout(timer);
    const mine = ++turn;
    const app = filters.get("app");
    // Where it is not to be had, an alert says so, and what was told last stands with its app.
    const answer = await ask("ledger_minutes/by_bucket", { ...filters.common(DAY), bucket_seconds: 3600 }).catch(() => null);
    if (mine !== turn) return;
    if (answer) told(answer.rows, app ? `app ${visible(app)}` : "all apps");
    timer = setTimeout(look, AGAIN);
  }
  filters.onchange(look);
  look();
}

function told(rows, whose) {
  const sum = (name) => rows.reduce((total, row) => total + row[name], 0);
  const judged = sum("read") + sum("rejected");
  const wrong = sum("dead_lettered") + sum("rejected");
  show("errors", judged ? share(wrong / judged) : "–", judged ? `${count(wrong)} of ${count(judged)} in 24 hours, ${whose}` : `nothing in 24 hours, ${whose}`);
  show("volume", short(sum("accepted")), `events became rows, ${whose}; ${count(sum("duplicate"))} came again`);
}

function checks(facts) {
  facts.on(({ quality, runs = [] }) => {
    const checked = runs.some(({ step, state }) => step === "quality_results" && state === "done");
    if (quality?.length) show("quality", count(quality.length), "checks of the last 8 days did not pass");
    else if (quality) show("quality", checked ? "0" : "–", checked ? "no check of the last 8 days has failed" : "no day of the last 8 is checked yet");
  });
}
