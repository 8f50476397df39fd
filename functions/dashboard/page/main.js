// The page: its filters, its sections, and the facts from which alerts are told.

import { alerts } from "./alerts.js";
import * as browser from "./browser.js";
import { announce, h } from "./dom.js";
import * as filters from "./filters.js";
import { seconds } from "./format.js";
import * as ledger from "./ledger.js";
import * as letters from "./letters.js";
import * as levels from "./levels.js";
import * as minutes from "./minutes.js";
import * as players from "./players.js";
import * as pulse from "./pulse.js";
import * as runs from "./runs.js";
import { ask, page, Silent } from "./source.js";
import * as types from "./types.js";

const DAY = 86_400;
const FACTS = 20_000;
const EMPTY = 5_000;
const section = (name) => document.getElementById(name);

/** What is known, and who wants to know of it. */
function facts() {
  const known = {};
  const listeners = [];
  return {
    known,
    set(news) {
      Object.assign(known, news);
      listeners.forEach((listener) => listener(known));
    },
    on: (listener) => listeners.push(listener),
  };
}

function bar() {
  const form = section("filters");
  const names = ["range", "from", "to", "app"];
  const show = () => {
    for (const name of names) form.elements[name].value = filters.get(name) || (name === "range" ? filters.USUAL : "");
    form.querySelector(".between").hidden = filters.get("range") !== "between";
  };
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("change", () => filters.set(Object.fromEntries(names.map((name) => [name, form.elements[name].value]))));
  filters.onchange(show);
  const apps = async () => {
    const { rows } = await ask("ledger/apps", { most: 1000 }).catch(() => ({ rows: [] }));
    // Nothing has arrived yet, or nobody answers.
    if (!rows.length) setTimeout(apps, EMPTY);
    const known = new Set([...form.elements.app.options].map((option) => option.value));
    const found = new Set([...rows.map((row) => row.app_id), filters.get("app")]);
    form.elements.app.append(...[...found].filter((app) => !known.has(app)).map((app) => h("option", { value: app }, app)));
    show();
    if (rows.length) filters.learn(Math.min(...rows.map((row) => seconds(row.first_minute))));
  };
  apps();
  show();
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

function tellAlerts(place, known) {
  const found = alerts(known, Date.now());
  const text = JSON.stringify(found);
  if (place.dataset.told === text) return;
  place.dataset.told = text;
  const line = ({ level, text, mend, link }) => h("p", { class: "alert", "data-level": level }, h("b", {}, level), h("span", {}, text, " ", link ? h("a", { href: link }, mend || "Look there.") : mend));
  place.replaceChildren(...found.map(line));
}

async function start() {
  let known;
  try {
    known = await page();
  } catch (error) {
    announce(section("state"), "broken", "Not answering");
    const banner = section("broken");
    banner.hidden = false;
    banner.textContent = error.message;
    setTimeout(start, 2000);
    return;
  }
  section("broken").hidden = true;
  section("version").textContent = `Questline ${known.version}`;
  if (!known.pulse) announce(section("state"), "live", "Answering");
  types.learn(known.types);
  bar();
  const told = facts();
  const place = pulse.start(section("now"), told, known.pulse);
  told.on((all) => tellAlerts(place, all));
  ledger.start(section("ledger"));
  minutes.start(section("minutes"));
  levels.start(section("levels"));
  players.start(section("players"));
  letters.start(section("letters"));
  runs.start(section("runs"));
  browser.start(section("events"), known);
  watch(told);
}

start();
