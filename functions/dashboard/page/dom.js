// Elements. All text becomes text nodes: nothing that a client sent is ever read as markup.

/** h("td", {class: "number", onclick: f}, "text", child, ...): null children are left out. */
export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name.startsWith("--")) element.style.setProperty(name, value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined));
  return element;
}

const SYMBOLS = { 0x7f: "␡", 0x09: "⇥" };
// Controls, marks of direction, and what has no width: whoever reads a text is to see them.
const UNSEEN = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g;

function seen(character) {
  const code = character.codePointAt(0);
  if (SYMBOLS[code]) return SYMBOLS[code];
  if (code < 0x20) return String.fromCharCode(0x2400 + code);
  return `⟨U+${code.toString(16).toUpperCase().padStart(4, "0")}⟩`;
}

/** A text of a client where no element can stand: what is unseen is seen. */
export const visible = (text) => String(text).replace(UNSEEN, seen);

/** The same, and its direction is its own. */
export const quoted = (text) => h("bdi", {}, visible(text));

/** Bytes as base64, as text: what is no UTF-8 stands as \xNN. */
export function bytes(base64) {
  const raw = Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(raw);
  } catch {
    const shown = (byte) =>
      byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : `\\x${byte.toString(16).padStart(2, "0")}`;
    return Array.from(raw, shown).join("");
  }
}

/** How the stack stands: in the pill, and in words over everything where that is no good news. */
export function stand(state, text, words = "") {
  const [pill, banner] = ["state", "broken"].map((id) => document.getElementById(id));
  pill.dataset.state = state;
  banner.hidden = !words;
  say(pill, text);
  say(banner, words);
}

/** Whoever hears the page hears what is new, not the same again. */
export function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** A value among the options of a select. */
export function offer(select, value) {
  if (![...select.options].some((option) => option.value === value)) select.append(h("option", { value }, visible(value)));
}

/** Sets what a field holds; what is no option of a select yet becomes one. */
export function choose(field, value) {
  if (field.options) offer(field, value);
  // A date half typed is an empty one: it is left alone.
  if (field.value !== value) field.value = value;
}

/** What may be wider or longer than its place: keys scroll it. */
export const scrolled = (label, ...children) => h("div", { class: "scroll", role: "group", tabindex: 0, "aria-label": label, "data-key": "scroll" }, ...children);

const SCROLLED = ".scroll, .samples, pre";

/** Draws anew, and leaves people where they were: the focus, by its `data-key`, and what they scrolled. */
export function keeping(body, draw) {
  const key = body.contains(document.activeElement) ? document.activeElement.dataset.key : undefined;
  const places = [...body.querySelectorAll(SCROLLED)].map(({ scrollLeft, scrollTop }) => [scrollLeft, scrollTop]);
  draw();
  [...body.querySelectorAll(SCROLLED)].slice(0, places.length).forEach((element, at) => {
    [element.scrollLeft, element.scrollTop] = places[at];
  });
  if (key === undefined || body.contains(document.activeElement)) return;
  [...body.querySelectorAll("[data-key]")].find((element) => element.dataset.key === key)?.focus({ preventScroll: true });
}
