// The page: its filters, its sections, and the facts from which alerts are told.

import { alerts } from "./alerts.js";
import * as browser from "./browser.js";
import { choose, h, offer, quoted, say, stand } from "./dom.js";
import * as filters from "./filters.js";
import { seconds } from "./format.js";
import * as ledger from "./ledger.js";
import * as letters from "./letters.js";
import * as levels from "./levels.js";
import * as minutes from "./minutes.js";
import * as players from "./players.js";
import * as pulse from "./pulse.js";
import * as runs from "./runs.js";
import { ask, often, onanswer, page, Silent } from "./source.js";
import * as types from "./types.js";

const DAY = 86_400;
const FACTS = 20_000;
const section = (name) => document.getElementById(name);

/** What is known, and who wants to know of it. */
function facts() {
  const known = {};
  const listeners = [];
  return {
    set(news) {
      Object.assign(known, news);
      for (const listener of listeners) {
        try {
          listener(known);
        } catch (error) {
          console.error(error);
        }
      }
    },
    on: (listener) => listeners.push(listener),
  };
}

function bar(known) {
  const form = section("filters");
  const names = ["range", "from", "to", "app"];
  const show = () => {
    for (const name of names) choose(form.elements[name], filters.get(name) || (name === "range" ? filters.USUAL : ""));
    form.querySelector(".between").hidden = filters.get("range") !== "between";
    say(section("fault"), filters.fault());
    for (const name of ["from", "to"]) form.elements[name].setAttribute("aria-invalid", String(filters.fault() !== ""));
  };
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("change", () => filters.set(Object.fromEntries(names.map((name) => [name, form.elements[name].value]))));
  filters.onchange(show);
  show();
  often("ledger/apps", () => ({ most: 1000 }), (apps) => {
    apps.forEach(({ app_id }) => offer(form.elements.app, app_id));
    filters.learn(Math.min(...apps.map(({ first_minute }) => seconds(first_minute))));
    known.set({ apps });
  });
}

/** The facts of a day are asked for whatever is in sight: alerts are told of them. */
async function watch(known) {
  const { app_id, ...range } = filters.common(DAY);
  const days = { from_time: new Date(Date.now() - 8 * DAY * 1000).toISOString(), most: 1000 };
  const asked = {
    day: ["ledger_minutes/by_bucket", { ...range, bucket_seconds: 60 }],
    residue: ["ledger_residue/by_bucket", { ...range, bucket_seconds: 900 }],
    runs: ["pipeline_runs/steps", days],
    quality: ["quality_results/broken", days],
  };
  let blind = null;
  await Promise.all(
    Object.entries(asked).map(async ([name, [question, parameters]]) => {
      try {
        known.set({ [name]: (await ask(question, parameters)).rows });
      } catch (error) {
        // Where nobody answers at all, the banner says so.
        if (!(error instanceof Silent)) blind = error.message;
      }
    }),
  );
  known.set({ blind });
  setTimeout(() => watch(known), FACTS);
}

/** Alerts as they stand; who hears them hears a new one, and not every figure of it. */
function alarm(place, known) {
  const list = h("div", { class: "alerts" });
  const heard = h("p", { class: "unseen", role: "status" });
  place.append(list, heard);
  let [told, kinds] = [];
  const line = ({ level, text, mend, link }) =>
    h("p", { class: "alert", "data-level": level }, h("b", {}, level), h("span", {}, quoted(text), " ", link ? h("a", { href: link }, mend || "Look there.") : mend));
  known.on((all) => {
    const found = alerts(all, Date.now());
    const text = JSON.stringify(found);
    if (told === text) return;
    told = text;
    list.replaceChildren(...found.map(line));
    const words = found.map((alert) => `${alert.level}: ${alert.text}`).join(" ");
    if (words.replace(/\d/g, "") !== kinds) heard.replaceChildren(quoted(words));
    kinds = words.replace(/\d/g, "");
  });
}

/** A part that fails leaves the others alone. */
function begin(name, start) {
  try {
    start(section(name));
  } catch (error) {
    console.error(error);
    section(name).append(h("article", { class: "panel", "data-state": "broken" }, h("p", { class: "word", role: "status" }, `This part of the page has failed: ${error.message}.`)));
  }
}

async function start() {
  let known;
  try {
    known = await page();
  } catch (error) {
    stand("broken", "Not answering", error.message);
    setTimeout(start, 2000);
    return;
  }
  stand("asking", "Asking…");
  section("version").textContent = `Questline ${known.version}`;
  // Ingest describes itself at its own address, which may be another.
  section("docs").hidden = !known.docs;
  if (known.docs) section("docs").firstElementChild.href = known.docs;
  section("metrics").hidden = !known.metrics;
  // Without a pulse, what is answered tells whether somebody answers.
  if (!known.pulse) {
    const hear = (why) => (why ? stand("broken", "Not answering", `${why} What you see is what it last said; this page goes on by itself when it is back.`) : stand("live", "Answering"));
    onanswer(hear);
    hear("");
  }
  types.learn(known.types);
  const told = facts();
  begin("now", (place) => alarm(place, told));
  begin("filters", () => bar(told));
  begin("now", (place) => pulse.start(place, told, known.pulse));
  for (const [name, part] of Object.entries({ ledger, minutes, levels, players, letters, runs })) begin(name, part.start);
  begin("events", (place) => browser.start(place, known));
  watch(told);
}

start();
