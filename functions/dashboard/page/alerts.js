// Alerts: the facts of the moment in, sentences out. No element, no clock.

import { clock, count, day, plural, seconds, share, since } from "./format.js";

const LAG = 100_000;
const LETTERS = 0.01;
const SILENCE = 3600;
/** Samples, a second each, after which standing still is no chance. */
const STILL = 10;

const order = { critical: 0, high: 1, warning: 2 };

export function alerts(facts, now) {
  const found = [...ofAsking(facts), ...ofSamples(facts.samples ?? []), ...ofDay(facts, now), ...ofLedger(facts.residue ?? []), ...ofRuns(facts)];
  return found.sort((a, b) => order[a.level] - order[b.level]);
}

/** Facts that cannot be asked for are no good news. */
function ofAsking({ blind }) {
  if (!blind) return [];
  return [{ level: "high", text: `What alerts are told from is not to be had: ${blind}.`, mend: "Older figures may stand here until it answers again." }];
}

function ofSamples(samples) {
  const found = [];
  const last = samples.at(-1);
  if (!last) return found;
  const past = samples.slice(-STILL);
  if (!last.working) {
    found.push({ level: "critical", text: "Processing does not run: events are kept, and become rows when it does.", mend: "Look at what the stack printed." });
  }
  const moved = past.some((sample) => sample.accepted + sample.duplicate + sample.dead_lettered !== last.accepted + last.duplicate + last.dead_lettered);
  if (past.length === STILL && past.every((sample) => sample.lag > 0) && !moved) {
    found.push({ level: "critical", text: `Processing stands still while ${plural(last.lag, "record waits", "records wait")}.`, mend: "Is the disk full, or the warehouse in use by somebody else?" });
  }
  if (last.lag > LAG) {
    found.push({ level: "critical", text: `Processing is ${count(last.lag)} records behind.`, mend: "It catches up by itself unless more arrives than it can take." });
  }
  const minute = samples.slice(-60);
  const failed = last.retries - minute[0].retries;
  if (failed > 0) {
    found.push({ level: "warning", text: `Writing has failed ${plural(failed, "time")} within a minute and is tried again.`, mend: "Nothing is lost: what was acknowledged stays on the log." });
  }
  const deferred = last.deferred - minute[0].deferred;
  if (deferred > 0) {
    found.push({ level: "warning", text: `${plural(deferred, "event was", "events were")} deferred within a minute: the log did not acknowledge them in time.`, mend: "Clients send them again." });
  }
  return found;
}

function ofDay({ day: minutes, samples, apps = [] }, now) {
  if (!minutes) return [];
  const found = [];
  const sum = (name) => minutes.reduce((total, row) => total + row[name], 0);
  const [read, dead] = [sum("read"), sum("dead_lettered")];
  if (read > 0 && dead / read > LETTERS) {
    found.push({ level: "warning", text: `${share(dead / read)} of the events of 24 hours are dead letters: ${count(dead)} of ${count(read)}, all apps.`, mend: "Their reasons stand below.", link: "#letters" });
  }
  // Where the whole day is empty, the ledger tells the last minute of each app that ever sent something.
  const heard = minutes.filter((row) => row.read > 0).map((row) => row.bucket);
  const last = Math.max(...(heard.length ? heard : apps.map((app) => app.last_minute)).map(seconds));
  const quiet = now / 1000 - last;
  const moving = samples?.length > 1 && samples.at(-1).stored > samples[0].stored;
  if (Number.isFinite(quiet) && quiet > SILENCE && !moving) {
    found.push({ level: "critical", text: `No event has come for ${since(quiet * 1000)}, all apps.`, mend: "Are clients sending, and to the right address?" });
  }
  return found;
}

function ofLedger(residue) {
  const found = [];
  for (const row of residue.filter((row) => row.residue !== 0)) {
    const what = row.residue > 0 ? `${plural(row.residue, "record is", "records are")} missing` : `${plural(-row.residue, "record")} too many`;
    found.push({ level: "critical", text: `${what} at the hop ${row.hop}, in the minute ${clock(row.first_missing)}, all apps.`, mend: "The ledger shows where.", link: "#ledger" });
  }
  const unproved = residue.filter((row) => row.hop === "log").reduce((total, row) => total + row.unproved, 0);
  if (unproved > 0) {
    found.push({ level: "warning", text: `${plural(unproved, "minute is", "minutes are")} unproved: an instance of ingest ended there without its closing mark (all apps).`, mend: "What it acknowledged was read; how much that was, nobody wrote down.", link: "#ledger" });
  }
  return found;
}

function ofRuns({ runs = [], quality = [] }) {
  const failed = runs.filter((step) => step.state === "failed");
  const found = failed.map((step) => ({ level: "high", text: `The run of ${day(step.event_date)} failed at ${step.step}: ${step.error ?? "no reason was written down"}.`, mend: "", link: "#runs" }));
  for (const check of quality) {
    const level = check.severity === "fail" ? "high" : "warning";
    found.push({ level, text: `The check ${check.check_name} did not pass for ${day(check.event_date)}: ${plural(check.broken_rows, "row")}.`, mend: "", link: "#runs" });
  }
  return found;
}
