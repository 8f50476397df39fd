// Asking the dashboard: saved questions, and streams.

/** Nobody answered: not even with a refusal. */
export class Silent extends Error {}

const SILENT = "The dashboard does not answer. Is the stack running?";

export function address(name, parameters, suffix = "") {
  const given = Object.entries(parameters).filter(([, value]) => value !== "" && value !== null);
  return `/api/ask/${name}${suffix}?${new URLSearchParams(given)}`;
}

async function answer(url) {
  let response;
  try {
    response = await fetch(url);
  } catch {
    throw new Silent(SILENT);
  }
  const body = await response.json().catch(() => ({}));
  if (!response.ok) throw new Error(body.detail ?? `${url.split("?")[0]} answers ${response.status}`);
  return body;
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

export async function ask(name, parameters) {
  const found = await answer(address(name, parameters));
  return { columns: found.columns, rows: rows(found) };
}

/** A stream: what it tells by kind of event; `silent` when it breaks. It comes back by itself. */
export function stream(url, { silent, ...kinds }) {
  const source = new EventSource(url);
  for (const [kind, tell] of Object.entries(kinds)) {
    source.addEventListener(kind, (event) => tell(JSON.parse(event.data)));
  }
  let again;
  const anew = () => (handle.close = stream(url, { silent, ...kinds }).close);
  // A stream has an end, and goes on in another one.
  source.addEventListener("again", () => {
    source.close();
    anew();
  });
  source.onerror = () => {
    silent?.();
    // Refused, not broken off: the browser gives up, we do not.
    if (source.readyState === EventSource.CLOSED) again ??= setTimeout(anew, 3000);
  };
  const handle = {
    close() {
      clearTimeout(again);
      source.close();
    },
  };
  return handle;
}
