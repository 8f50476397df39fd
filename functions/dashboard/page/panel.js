// A panel: a question, what is drawn of its answer, the numbers as a table and as CSV, and words for
// when there is nothing, nothing yet, or something wrong. Only what can be seen is asked for.

import { h, keeping, quoted, say, scrolled, visible } from "./dom.js";
import * as filters from "./filters.js";
import { since, typed } from "./format.js";
import { address, ask, given, Refused, Silent } from "./source.js";

/** Seconds after which an answer is an old one. */
const OLD = 90;

const seen = new Map();
const eyes = new IntersectionObserver(
  (entries) => entries.forEach((entry) => seen.get(entry.target)?.(entry.isIntersecting)),
  { rootMargin: "200px" },
);

/** How a value stands in a table; what a client sent is quoted. */
function cell(value) {
  if (value === null) return h("td", { class: "none" }, "–");
  if (typeof value === "number") return h("td", { class: "number" }, String(value));
  return h("td", {}, quoted(value));
}

function table({ columns, rows }, caption) {
  const head = h("tr", {}, columns.map((name) => h("th", { scope: "col" }, name.replaceAll("_", " "))));
  const lines = rows.map((row) => h("tr", {}, columns.map((name) => cell(row[name]))));
  return h("table", {}, h("caption", {}, caption), h("thead", {}, head), h("tbody", {}, lines));
}

/** The numbers of a panel, as a table where somebody opens it, under `links` to the same elsewhere. */
export function numbers(title, ...links) {
  const place = scrolled(title);
  const element = h("details", { class: "numbers" }, h("summary", {}, "Numbers"), h("p", {}, links), place);
  let [answer, written] = [];
  const write = () => {
    if (!element.open || answer === written) return;
    place.replaceChildren(table(answer, title));
    written = answer;
  };
  element.addEventListener("toggle", write);
  return {
    element,
    show(news) {
      answer = news;
      write();
    },
  };
}

/** What is asked, at whatever time. */
function substance({ name, parameters: { from_time, to_time, ...more } }) {
  return JSON.stringify([name, more, ["range", "from", "to"].map((end) => filters.get(end))]);
}

/** Answers that take long are asked for seldom; whoever reads an old one is told so. */
function aged({ age }) {
  return age >= OLD ? `As it was ${since(age * 1000)} ago: there is much to look through, so it is seldom asked for anew.` : "";
}

/** The same question on a command line. */
function command({ name, parameters }) {
  const words = given(parameters).map(([parameter, value]) => ` --where ${typed(`${parameter}=${value}`)}`);
  return `questline query --saved ${name}${words.join("")}`;
}

/** Where a plot is kept, so that words may stand under it. */
export function inner(body) {
  return body.firstElementChild ?? body.appendChild(h("div"));
}

/** Says under what was drawn what of it may still change; without words, nothing. */
export function provisional(body, words) {
  body.querySelector(".provisional")?.remove();
  if (words) body.append(h("p", { class: "provisional" }, words));
}

/**
 * `note` are words, or what gives them for an answer; `question()` gives name and parameters;
 * `draw(body, answer)` shows the answer, and is called when there is another one, or other things
 * `beside` it that the drawing tells; `every` are the seconds between two looks.
 */
export function panel(section, { title, note, question, draw, beside = () => null, empty, every = 15, wide, controls }) {
  const body = h("div", { class: "body" });
  const state = h("p", { class: "word", role: "status" }, "Asking…");
  // Not announced: it grows, and says nothing new.
  const old = h("p", { class: "word" });
  const words = typeof note === "function" ? note : () => note;
  const noted = note ? h("p", {}, words()) : null;
  const head = h("header", {}, h("h3", {}, title), noted, controls);
  const [link, hint] = [h("a", { download: "" }, "Save as CSV"), h("code")];
  const figures = numbers(title, link, " · ", hint);
  const element = h("article", { class: `panel${wide ? " wide" : ""}`, "aria-label": title, "aria-busy": "true" }, head, state, old, body, figures.element);
  let [inSight, timer, turn, asked, drawn, told] = [false, undefined, 0];

  /** What stands there is not the answer to what is asked now. */
  function stale() {
    const is = substance(question()) !== asked;
    element.classList.toggle("stale", is && asked !== undefined);
    if (is) element.setAttribute("aria-busy", "true");
    else element.removeAttribute("aria-busy");
  }

  function show(now, answer) {
    asked = substance(now);
    link.href = address(now.name, now.parameters, ".csv");
    hint.replaceChildren(quoted(command(now)));
    const none = answer.rows.length === 0;
    element.dataset.state = none ? "empty" : "filled";
    say(state, none ? empty : "");
    old.textContent = aged(answer);
    body.hidden = none;
    figures.element.hidden = false;
    if (noted) say(noted, words(answer));
    const rows = JSON.stringify(answer.rows);
    if (rows !== told) figures.show(answer);
    told = rows;
    const key = JSON.stringify([asked, beside()]) + rows;
    if (none || key === drawn) return;
    try {
      keeping(body, () => draw(body, answer));
    } catch (error) {
      console.error(error);
      throw error;
    }
    drawn = key;
  }

  async function look() {
    clearTimeout(timer);
    stale();
    if (!inSight || document.hidden) return;
    const mine = ++turn;
    const now = question();
    try {
      const answer = await ask(now.name, now.parameters);
      if (mine !== turn) return;
      show(now, answer);
      stale();
    } catch (error) {
      if (mine !== turn) return;
      element.dataset.state = "broken";
      element.removeAttribute("aria-busy");
      say(state, error instanceof Silent ? error.message : `${error instanceof Refused ? "Not to be had" : "Not to be drawn"}: ${visible(error.message)}. It is asked for again in ${every} seconds.`);
      figures.element.hidden = asked === undefined;
    }
    timer = setTimeout(look, every * 1000);
  }

  seen.set(element, (now) => {
    if (now === inSight) return;
    inSight = now;
    look();
  });
  eyes.observe(element);
  filters.onchange(look);
  document.addEventListener("visibilitychange", look);
  section.append(element);
  return { element, body, look };
}
