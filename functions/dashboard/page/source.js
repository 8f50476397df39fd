// Asking the dashboard: saved questions, and streams.

/** Nobody answered: not even with a refusal. */
export class Silent extends Error {}
/** The dashboard said why not. */
export class Refused extends Error {}

const SILENT = "The dashboard does not answer. Is the stack running?";
/** Milliseconds after which nobody waits for an answer: the dashboard itself gives up before. */
export const PATIENCE = 25_000;
const SLOW = `The dashboard has not answered within ${PATIENCE / 1000} seconds.`;
/** Milliseconds until a stream that was refused is asked for again. */
const REFUSED = 3_000;
/** What is asked again and again is asked after so long; sooner while there is nothing. */
const [OFTEN, EMPTY] = [60_000, 5_000];

export function address(name, parameters, suffix = "") {
  return `/api/ask/${name}${suffix}?${new URLSearchParams(given(parameters))}`;
}

/** Parameters that say something. */
export const given = (parameters) => Object.entries(parameters).filter(([, value]) => value !== "" && value !== null);

async function fetched(url) {
  const signal = AbortSignal.timeout(PATIENCE);
  let [response, text] = [];
  try {
    response = await fetch(url, { signal });
    text = await response.text();
  } catch {
    throw new Silent(signal.aborted ? SLOW : SILENT);
  }
  const path = url.split("?")[0];
  let body;
  try {
    body = JSON.parse(text);
  } catch {
    // The dashboard speaks JSON: this was said by what stands before it.
    if (response.status >= 500) throw new Silent(`The dashboard does not answer: what stands before it says ${response.status}.`);
    throw new Refused(`${path} answers ${response.status}, and no JSON`);
  }
  if (!response.ok) throw new Refused(body.detail ?? `${path} answers ${response.status}`);
  return body;
}

let heard = 0;
let hear = () => {};

/** Hears with every answer that somebody answers, and else why not. */
export const onanswer = (listener) => (hear = listener);

function answer(url) {
  const asked = performance.now();
  const found = fetched(url);
  const answered = () => {
    heard = performance.now();
    hear("");
  };
  found.then(answered, (error) => {
    if (!(error instanceof Silent)) answered();
    // Where others were answered meanwhile, it is this question that takes long.
    else if (heard < asked) hear(error.message);
  });
  return found;
}

export const page = () => answer("/api/page");

/** The bytes of one record of the log, as base64. */
export async function record(log, partition, offset) {
  return (await answer(`/api/record?${new URLSearchParams({ log, partition, offset })}`)).raw_base64;
}

/** Rows as objects, by the names of their columns. */
export function rows({ columns, rows }) {
  return rows.map((row) => Object.fromEntries(columns.map((name, at) => [name, row[at]])));
}

/** Columns, rows by the names of their columns, and how many seconds ago the dashboard asked for them. */
export async function ask(name, parameters) {
  const found = await answer(address(name, parameters));
  return { columns: found.columns, rows: rows(found), age: found.age };
}

/** Asks for as long as the page stands, and tells what there is. */
export async function often(name, parameters, tell) {
  const { rows } = await ask(name, parameters()).catch(() => ({ rows: [] }));
  if (rows.length) tell(rows);
  // Nothing has arrived yet, or nobody answers.
  setTimeout(() => often(name, parameters, tell), rows.length ? OFTEN : EMPTY);
}

/** Why a stream was refused: its address says so to whoever just asks. */
async function refusal(url) {
  const stop = new AbortController();
  const late = setTimeout(() => stop.abort(), PATIENCE);
  try {
    const response = await fetch(url, { signal: stop.signal });
    return response.ok ? null : (await response.json()).detail;
  } catch {
    return undefined;
  } finally {
    clearTimeout(late);
    stop.abort();
  }
}

/**
 * A stream: what it tells by kind of event; `silent` where it breaks, with the reason if it was refused.
 * It comes back by itself, also where it told nothing for `within` milliseconds. While nobody sees the
 * page it is closed: a browser has six connections for all pages together.
 */
export function stream(url, { silent, within, ...kinds }) {
  let [source, again, watch] = [null];
  const shut = () => {
    [again, watch].forEach(clearTimeout);
    source?.close();
    [source, again, watch] = [null];
  };
  const alive = () => {
    clearTimeout(watch);
    if (within) watch = setTimeout(quiet, within);
  };
  // A machine that slept, or a process that was stopped, breaks nothing off.
  const quiet = () => {
    silent();
    open();
  };
  const open = () => {
    shut();
    const mine = (source = new EventSource(url));
    for (const [kind, tell] of Object.entries(kinds)) {
      mine.addEventListener(kind, (event) => {
        alive();
        tell(JSON.parse(event.data));
      });
    }
    // A stream has an end, and goes on in another one.
    mine.addEventListener("again", open);
    mine.onerror = () => (mine.readyState === EventSource.CLOSED ? refused() : silent());
    alive();
  };
  // The browser gives up then; we do not.
  const refused = () => {
    shut();
    const mine = (again = setTimeout(open, REFUSED));
    refusal(url).then((why) => mine === again && why !== null && silent(why));
  };
  const look = () => (document.hidden ? shut() : (source ?? open()));
  document.addEventListener("visibilitychange", look);
  look();
  return {
    close() {
      document.removeEventListener("visibilitychange", look);
      shut();
    },
  };
}
