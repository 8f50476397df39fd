// Numbers and moments, as people read them.

const whole = new Intl.NumberFormat("en");
const compact = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 });
const tenth = new Intl.NumberFormat("en", { maximumFractionDigits: 1 });
const money = new Intl.NumberFormat("en", { style: "currency", currency: "USD" });
const cents = new Intl.NumberFormat("en", { style: "currency", currency: "USD", minimumFractionDigits: 3 });

const or = (format) => (value) => (value === null || value === undefined ? "–" : format(value));

export const count = or((value) => whole.format(value));
export const short = or((value) => (Math.abs(value) < 10_000 ? tenth.format(value) : compact.format(value)));
export const usd = or((value) => money.format(value));
export const usdFine = or((value) => cents.format(value));
export const one = or((value) => tenth.format(value));
export const share = or((value) => {
  const percent = value * 100;
  if (percent > 0 && percent < 0.01) return "<0.01 %";
  return `${percent.toFixed(percent !== 0 && percent < 1 ? 2 : 1)} %`;
});

/** 2026-11-23 12:00:00 of what the server writes. */
export const moment = or((text) => text.replace("T", " ").replace(/(\.\d+)?(Z|\+00:00)$/, ""));
export const clock = or((text) => (text.match(/T(\d\d:\d\d:\d\d)/) ?? [text, text])[1]);
export const day = or((text) => text.slice(0, 10));
export const seconds = (text) => Date.parse(text) / 1000;

export function plural(number, name, names = `${name}s`) {
  return `${count(number)} ${number === 1 ? name : names}`;
}

export function since(milliseconds) {
  const s = Math.max(0, Math.round(milliseconds / 1000));
  if (s < 90) return plural(s, "second");
  if (s < 5400) return plural(Math.round(s / 60), "minute");
  if (s < 172800) return plural(Math.round(s / 3600), "hour");
  return plural(Math.round(s / 86400), "day");
}

/** Levels in the order of play: 2 before 10, then names. */
export const natural = new Intl.Collator("en", { numeric: true }).compare;

/** A word of a command line, as it is typed. */
export const typed = (text) => (/^[\w.:\/=@+-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`);
