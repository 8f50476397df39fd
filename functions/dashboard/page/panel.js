// A panel: a question, what is drawn of its answer, the numbers as a table and as CSV, and words for
// when there is nothing, nothing yet, or something wrong. Only what can be seen is asked for.

import { h, quoted } from "./dom.js";
import * as filters from "./filters.js";
import { address, ask, Silent } from "./source.js";

const seen = new Map();
const eyes = new IntersectionObserver(
  (entries) => entries.forEach((entry) => seen.get(entry.target)?.(entry.isIntersecting)),
  { rootMargin: "200px" },
);

/** How a value stands in a table; what a client sent is quoted. */
function cell(value) {
  if (value === null) return h("td", { class: "none" }, "–");
  if (typeof value === "number") return h("td", { class: "number" }, String(value));
  return h("td", {}, quoted(String(value)));
}

export function table({ columns, rows }, caption) {
  const head = h("tr", {}, columns.map((name) => h("th", { scope: "col" }, name.replaceAll("_", " "))));
  const lines = rows.map((row) => h("tr", {}, columns.map((name) => cell(row[name]))));
  return h("table", {}, h("caption", {}, caption), h("thead", {}, head), h("tbody", {}, lines));
}

/**
 * `note` are words, or what gives them; `question()` gives name and parameters; `draw(body, answer)` shows the answer; `every` are the
 * seconds between two looks; `tell` hears of every answer.
 */
export function panel(section, { title, note, question, draw, empty, every = 15, wide, tell, controls }) {
  const body = h("div", { class: "body" });
  const state = h("p", { class: "word", role: "status" }, "Asking…");
  const numbers = h("details", { class: "numbers" });
  const words = typeof note === "function" ? note : () => note;
  const noted = note ? h("p", {}, words()) : null;
  const head = h("header", {}, h("h3", {}, title), noted, controls);
  const element = h("article", { class: `panel${wide ? " wide" : ""}`, "aria-label": title, "aria-busy": "true" }, head, state, body, numbers);
  let [visible, timer, turn, last] = [false, undefined, 0, undefined];

  function write() {
    if (!numbers.open || !last) return;
    const { name, parameters } = last.question;
    const link = h("a", { href: address(name, parameters, ".csv"), download: "" }, "Save as CSV");
    const hint = h("code", {}, `questline query --saved ${name}`);
    numbers.lastChild.replaceChildren(h("p", {}, link, " · ", hint), h("div", { class: "scroll", tabindex: 0 }, table(last.answer, title)));
  }

  async function look() {
    clearTimeout(timer);
    if (!visible || document.hidden) return;
    const mine = ++turn;
    const asked = question();
    try {
      const answer = await ask(asked.name, asked.parameters);
      if (mine !== turn) return;
      last = { question: asked, answer };
      numbers.hidden = false;
      const none = answer.rows.length === 0;
      element.dataset.state = none ? "empty" : "filled";
      state.textContent = none ? empty : "";
      body.hidden = none;
      if (noted) noted.textContent = words();
      if (!none) draw(body, answer);
      tell?.(answer);
      write();
    } catch (error) {
      if (mine !== turn) return;
      element.dataset.state = "broken";
      state.textContent = error instanceof Silent ? error.message : `Not to be had: ${error.message}. It is asked for again in ${every} seconds.`;
      numbers.hidden = !last;
    }
    element.removeAttribute("aria-busy");
    timer = setTimeout(look, every * 1000);
  }

  numbers.append(h("summary", {}, "Numbers"), h("div"));
  numbers.addEventListener("toggle", write);
  seen.set(element, (now) => {
    if (now !== visible) {
      visible = now;
      look();
    }
  });
  eyes.observe(element);
  filters.onchange(look);
  document.addEventListener("visibilitychange", look);
  section.append(element);
  return { element, body, look };
}
