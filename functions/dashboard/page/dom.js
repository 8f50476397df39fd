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

/** A text of a client, to be shown: what is unseen is seen, and its direction is its own. */
export function quoted(text) {
  return h("bdi", {}, String(text).replace(UNSEEN, seen));
}

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

/** Tells those who do not see the page, and those who look for it. */
export function announce(element, state, text) {
  element.dataset.state = state;
  if (element.textContent !== text) element.textContent = text;
}
