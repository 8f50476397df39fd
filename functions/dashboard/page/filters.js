// What is shown, kept in the address: a link to the page is a link to what one sees.

const SPANS = { "1h": 3600, "6h": 6 * 3600, "24h": 86400, "7d": 7 * 86400, "14d": 14 * 86400, "30d": 30 * 86400 };
/** Wide enough that the two weeks of a fresh stack are seen. */
export const USUAL = "14d";
/** Seconds: no question looks at more. */
const LONGEST = 366 * 86400;
const NAMES = ["range", "from", "to", "app", "platform", "country", "reason", "release", "user", "type", "verdict"];
/** Questions within so many seconds are one question, whoever asks; those about days are dear. */
const ROUND = 10;
const ROUND_DAYS = 30;

const changed = new EventTarget();
let values = read();

function read() {
  const given = new URLSearchParams(location.search);
  const found = Object.fromEntries(NAMES.map((name) => [name, given.get(name) ?? ""]));
  const known = found.range === "between" || Object.hasOwn(SPANS, found.range);
  return { ...found, range: known ? found.range : "" };
}

export const get = (name) => values[name];

/** Every choice is a step that the browser's own back button takes back. */
export function set(news) {
  values = { ...values, ...news };
  const kept = new URLSearchParams(NAMES.filter((name) => values[name]).map((name) => [name, values[name]]));
  const search = kept.size ? `?${kept}` : "";
  if (search !== location.search) history.pushState(null, "", `${location.pathname}${search}${location.hash}`);
  changed.dispatchEvent(new Event("change"));
}

export const onchange = (listener) => changed.addEventListener("change", listener);

addEventListener("popstate", () => {
  values = read();
  changed.dispatchEvent(new Event("change"));
});

const iso = (seconds) => new Date(seconds * 1000).toISOString();

const ends = () => [values.from, values.to].map((text) => Date.parse(`${text}Z`) / 1000);

/** What is wrong with the ends that somebody has set, in words; nothing where there are none. */
export function fault() {
  if (values.range !== "between") return "";
  const [from, to] = ends();
  if (Number.isNaN(from + to)) return "From and To are both needed, with day and time. Until then 14 days are shown.";
  if (from >= to) return "From is to be before To. Until then 14 days are shown.";
  return to - from > LONGEST ? "From and To are to be within a year. Until then 14 days are shown." : "";
}

/** The ends that somebody has set; none where the range ends now. */
export const between = () => (values.range === "between" && !fault() ? ends() : null);

/** From and to in seconds since 1970; `span` looks at so many seconds whatever the range is. */
export function range(span, round = ROUND) {
  const fixed = span ? null : between();
  if (fixed) return fixed;
  const to = (Math.floor(Date.now() / 1000 / round) + 1) * round;
  return [to - (span || (SPANS[values.range] ?? SPANS[USUAL])), to];
}

/** When something arrived first, in seconds since 1970; 0 while nobody knows. */
let began = 0;

export function learn(seconds) {
  const news = seconds !== began && seconds > range()[0];
  began = seconds;
  if (news) changed.dispatchEvent(new Event("change"));
}

/** The range of what is told by its arrival: a fresh log fills it, and is no spike at its end. */
export function arrived() {
  const [from, to] = range();
  if (!began || between()) return [from, to];
  return [Math.max(from, Math.min(began - 300, to - 1800)), to];
}

/** Seconds of a bucket, so that a plot has some hundreds of them. */
export function bucket([from, to]) {
  return [60, 300, 900, 3600, 86400].find((size) => (to - from) / size <= 400) ?? 86400;
}

/** What a number of a plot is of: so much in one bucket. */
export function per([from, to]) {
  const size = bucket([from, to]);
  return { 60: "a minute", 3600: "an hour", 86400: "a day" }[size] ?? `in ${size / 60} minutes`;
}

/** The start of every bucket of a range: one without a row is a zero, not a gap. */
export function buckets([from, to], size) {
  const starts = [];
  for (let at = Math.floor(from / size) * size; at < to; at += size) starts.push(at);
  return starts;
}

/** Where a plot of a range has its points. */
export const axis = (range) => buckets(range, bucket(range));

/** What is not in an answer of so many seconds ago is none by then; of what came since nobody knows. */
export const missing = (at, age = 0) => (at <= Date.now() / 1000 - age ? 0 : null);

/** The parameters that every question has. */
export function common(span) {
  const [from, to] = range(span);
  return { from_time: iso(from), to_time: iso(to), app_id: values.app };
}

/** The same over what has arrived. */
export function arrivals() {
  const [from, to] = arrived();
  return { ...common(), from_time: iso(from), to_time: iso(to) };
}

/** Days are told whole: all that the range touches. Its end is not in it: at midnight no day begins. */
export function days() {
  const [from, to] = range(0, ROUND_DAYS);
  return { from_time: iso(from), to_time: iso(Math.max(from + 0.001, to - 1)), app_id: values.app };
}

/** The same day by day: a plot of one day says little, so a range that ends now has two weeks at least. */
export function weeks() {
  const [from, to] = range(0, ROUND_DAYS);
  return between() ? days() : { ...days(), from_time: iso(Math.min(from, to - 14 * 86400)) };
}
