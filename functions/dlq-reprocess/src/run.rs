//! One run: letters of a selection, page by page, judged or brought back.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use questline_events::{
    Rules,
    event::Recent,
    headers::{self, ATTEMPTS, Envelope, LETTER, RECEIVED_AT, REPROCESSED_AT, RUN},
    ledger::{Counts, Hop, Page},
    limits::{
        DELIVERY_DEADLINE, RECORD_BYTES, REPROCESS_ATTEMPTS, REPROCESS_CALL, REPROCESS_LAG,
        REPROCESS_PAGE,
    },
    time::{minute, text},
};
use questline_runtime::clock::Clock;
use questline_stores::{
    Headers, NewRecord, Topic,
    letters::{Cursor, Letters, WaitingLetter},
    log::{Fate, Log, LogError, PROCESS_GROUP, behind},
    warehouse::WarehouseError,
};
use tokio::{sync::Mutex, time::Instant};

use crate::{
    fix,
    report::{Report, tell},
    request::{Plan, Request, Resume, Unusable},
};

/// How long processing may take to come to where the log ended when a run began.
const CATCH_UP: Duration = Duration::from_secs(30);
/// How often a page of the ledger is sent before the run is left unproved.
const PAGE_ATTEMPTS: usize = 3;
/// Bytes that a letter has more as a record: the headers of its return, and what the log adds.
const RETURN_BYTES: usize = 1 << 10;

/// Why a call did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The request is at fault.
    #[error(transparent)]
    Unusable(#[from] Unusable),
    /// One run at a time.
    #[error("another run is at work: wait until it has ended")]
    Busy,
    /// What an earlier run brought back may still be on its way.
    #[error("processing is {0} records behind: try again when it has caught up")]
    Behind(i64),
    /// The log cannot serve.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The warehouse cannot serve.
    #[error(transparent)]
    Warehouse(#[from] WarehouseError),
}

/// Brings letters back.
pub struct Reprocess {
    letters: Arc<dyn Letters>,
    log: Arc<dyn Log>,
    rules: Arc<Rules>,
    clock: Arc<dyn Clock>,
    turn: Mutex<()>,
}

impl Reprocess {
    /// With the rules by which processing judges.
    #[must_use]
    pub fn new(
        letters: Arc<dyn Letters>,
        log: Arc<dyn Log>,
        rules: Arc<Rules>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self { letters, log, rules, clock, turn: Mutex::default() }
    }

    /// Carries out a request, for as long as one call may take.
    ///
    /// A letter is brought back once: whether it was, processing writes down with its outcome. So a
    /// run begins when all that is in the log has been processed, and what a killed run has left
    /// behind is taken up by the next.
    ///
    /// # Errors
    /// If nothing was done. What stops a call midway is told by its report.
    pub async fn call(&self, request: &Request) -> Result<Report, Failure> {
        let Plan { mut selection, fixes, rate } = request.plan()?;
        let _turn = self.turn.try_lock().map_err(|_| Failure::Busy)?;
        let ends_at = Instant::now() + request.seconds.map_or(REPROCESS_CALL, Duration::from_secs);
        let mut resume = match &request.resume {
            Some(resume) => resume.clone(),
            None => {
                if !request.dry_run {
                    self.catch_up(ends_at).await?;
                }
                let run = format!("reprocess-{}", self.clock.unique_id());
                let (began, after) = (self.clock.now_micros(), Cursor::default());
                Resume { run, began, after, unproved: false }
            }
        };
        // What this very run brings to death again is not its own.
        selection.to = Some(selection.to.map_or(resume.began, |to| to.min(resume.began)));
        let mut report = Report {
            run: resume.run.clone(),
            dry_run: request.dry_run,
            waiting: self.letters.count(&selection).await?,
            ..Report::default()
        };
        // No more than a second may bring: so the rate holds also where a call ends after a page.
        let second = usize::try_from(rate).unwrap_or(usize::MAX);
        let most = if request.dry_run { REPROCESS_PAGE } else { REPROCESS_PAGE.min(second) };
        let mut due = Instant::now();
        loop {
            let page = self.letters.waiting(&selection, &resume.after, most).await?;
            let Some(last) = page.last().map(|letter| letter.cursor.clone()) else { break };
            report.looked_at += page.len() as u64;
            let returning = self.look(&page, &fixes, &mut report);
            if !returning.is_empty() {
                let letters = u32::try_from(returning.len()).unwrap_or(u32::MAX);
                let stored = self.bring_back(returning, &mut resume, &mut report).await;
                if !stored {
                    report.resume = Some(resume.clone());
                    break;
                }
                due = due.max(Instant::now()) + Duration::from_secs(1) * letters / rate;
                self.yield_to_live(due, ends_at).await;
            }
            resume.after = last;
            if Instant::now() >= ends_at {
                report.resume = Some(resume.clone());
                break;
            }
        }
        // A run that does not know its own count never ends in order, and so stays unproved.
        if report.resume.is_none() && !request.dry_run && !resume.unproved {
            self.close(&resume.run).await;
        }
        tracing::info!(
            run = report.run,
            dry_run = report.dry_run,
            looked_at = report.looked_at,
            brought_back = report.brought_back,
            parked = report.parked,
            not_stored = report.not_stored,
            "reprocess"
        );
        Ok(report)
    }

    /// Judges or sorts out the letters of a page; gives those that are to be brought back.
    fn look<'l>(
        &self,
        page: &'l [WaitingLetter],
        fixes: &[fix::Fix],
        report: &mut Report,
    ) -> Vec<Returning<'l>> {
        let mut returning = Vec::new();
        let mut recent = Recent::default();
        for letter in page {
            let sample = &letter.cursor.letter;
            // It died again in this very run, by a clock that is behind ours.
            if letter.headers.get(RUN) == Some(report.run.as_bytes()) {
                continue;
            }
            if letter.attempts >= REPROCESS_ATTEMPTS {
                report.parked += 1;
                continue;
            }
            let value = letter.value.as_deref().unwrap_or_default();
            let fixed = match fix::apply(fixes, value) {
                Ok(fixed) => fixed,
                Err(why) => {
                    tell(&mut report.unfixable, &why, "", 1, sample);
                    continue;
                }
            };
            let sent = fixed.as_deref().unwrap_or(value);
            // The log would refuse it each time, and every letter behind it would wait for good.
            if bytes(letter, sent) > RECORD_BYTES {
                tell(&mut report.unfixable, "too large for the raw topic", "", 1, sample);
                continue;
            }
            let envelope = Envelope::read(letter.headers.block(), letter.received_at / 1_000);
            // What names no app, or is a broken page of a ledger, no release can mend.
            if envelope.ledger {
                tell(&mut report.still_fail, &letter.reason, "a page of a ledger", 1, sample);
                continue;
            }
            if let Some(app) = envelope.app_id
                && !report.dry_run
            {
                let (minute, app) = (minute(envelope.received_at), app.to_owned());
                returning.push(Returning { letter, fixed, minute, app });
                continue;
            }
            match self.rules.judge(sent, &envelope, &mut recent) {
                Ok(_) => report.would_pass += 1,
                Err(fault) => {
                    tell(&mut report.still_fail, fault.reason.as_str(), &fault.detail, 1, sample);
                }
            }
        }
        returning
    }

    /// Appends letters to the raw topic, and the pages that count them. `false` if the log did not
    /// acknowledge them all.
    async fn bring_back(
        &self,
        mut returning: Vec<Returning<'_>>,
        resume: &mut Resume,
        report: &mut Report,
    ) -> bool {
        let now = self.clock.now_micros();
        let record =
            |back: &mut Returning<'_>| record(back.letter, back.fixed.take(), &resume.run, now);
        let records: Vec<_> = returning.iter_mut().map(record).collect();
        let count = records.len();
        let mut deliveries = self.log.append(Topic::Raw, records);
        _ = tokio::time::timeout(DELIVERY_DEADLINE, deliveries.ended()).await;
        let mut minutes = BTreeMap::<i64, BTreeMap<String, Counts>>::new();
        let mut stored = 0;
        for (Returning { minute, app, .. }, fate) in returning.into_iter().zip(deliveries.fates()) {
            let counts = minutes.entry(minute).or_default().entry(app).or_default();
            counts.received += 1;
            match fate {
                Some(Fate::Stored) => (stored, counts.stored) = (stored + 1, counts.stored + 1),
                Some(Fate::Failed) => counts.failed += 1,
                None => counts.unknown += 1,
            }
        }
        report.brought_back += stored as u64;
        report.not_stored += (count - stored) as u64;
        let page = |(place, (minute, apps)): (i64, (i64, BTreeMap<_, _>))| Page {
            hop: Hop::Reprocess,
            boot: resume.run.clone(),
            seq: now + place,
            minute,
            complete: true,
            closing: false,
            apps: apps.into_iter().collect(),
        };
        let pages: Vec<_> = (0..).zip(minutes).map(page).collect();
        resume.unproved |= !self.write(&resume.run, &pages).await;
        stored == count
    }

    /// Keeps the rate, and lets live traffic go first.
    async fn yield_to_live(&self, due: Instant, ends_at: Instant) {
        tokio::time::sleep_until(due.min(ends_at)).await;
        while Instant::now() < ends_at {
            match self.lag().await {
                Ok(lag) if lag > REPROCESS_LAG => {
                    tokio::time::sleep(Duration::from_millis(200)).await;
                }
                _ => return,
            }
        }
    }

    async fn lag(&self) -> Result<i64, LogError> {
        let (ends, committed) =
            (self.log.ends(Topic::Raw).await?, self.log.committed(PROCESS_GROUP).await?);
        Ok(behind(&ends, &committed))
    }

    /// Waits until all that is in the log now is processed.
    async fn catch_up(&self, ends_at: Instant) -> Result<(), Failure> {
        let ends = self.log.ends(Topic::Raw).await?;
        let patience = ends_at.min(Instant::now() + CATCH_UP);
        loop {
            match behind(&ends, &self.log.committed(PROCESS_GROUP).await?) {
                0 => return Ok(()),
                behind if Instant::now() >= patience => return Err(Failure::Behind(behind)),
                _ => tokio::time::sleep(Duration::from_millis(50)).await,
            }
        }
    }

    /// The last page of a run: nothing more will come of it.
    async fn close(&self, run: &str) {
        let now = self.clock.now_micros();
        let page = Page {
            hop: Hop::Reprocess,
            boot: run.to_owned(),
            seq: now,
            minute: minute(now),
            complete: true,
            closing: true,
            apps: Vec::new(),
        };
        _ = self.write(run, &[page]).await;
    }

    /// Writes pages; `false` if the log did not take them. The same page twice is one page.
    async fn write(&self, run: &str, pages: &[Page]) -> bool {
        for _ in 0..PAGE_ATTEMPTS {
            let records = pages.iter().map(NewRecord::of_page).collect();
            let stored = self.log.append(Topic::Raw, records).all_stored();
            if tokio::time::timeout(DELIVERY_DEADLINE, stored).await.unwrap_or(false) {
                return true;
            }
        }
        tracing::error!(run, "reprocess.ledger: pages were not stored");
        false
    }
}

/// A letter on its way back.
struct Returning<'l> {
    letter: &'l WaitingLetter,
    /// The value, where a fix has changed it.
    fixed: Option<Vec<u8>>,
    /// Where processing will count it.
    minute: i64,
    app: String,
}

/// Bytes of the record that a letter would be.
fn bytes(letter: &WaitingLetter, value: &[u8]) -> usize {
    let key = letter.key.as_ref().map_or(0, |key| key.len());
    key + value.len() + letter.headers.block().0.len() + RETURN_BYTES
}

/// The record as it was, to where it was, and what it is now.
fn record(letter: &WaitingLetter, fixed: Option<Vec<u8>>, run: &str, now: i64) -> NewRecord {
    const OURS: [&str; 4] = [ATTEMPTS, REPROCESSED_AT, LETTER, RUN];
    let attempts = (letter.attempts + 1).to_string();
    let moment = text(now);
    let received_at = (letter.received_at / 1_000).to_string();
    let told = letter.headers.get(RECEIVED_AT).and_then(|told| std::str::from_utf8(told).ok());
    let missing = told.and_then(headers::moment).is_none();
    let received_at = missing.then_some((RECEIVED_AT, received_at.as_bytes()));
    let ours = [
        (ATTEMPTS, attempts.as_bytes()),
        (REPROCESSED_AT, moment.as_bytes()),
        (LETTER, letter.cursor.letter.as_bytes()),
        (RUN, run.as_bytes()),
    ];
    let kept = letter.headers.block().iter().filter(|(name, _)| !OURS.contains(name));
    let headers = Headers::new(kept.chain(received_at).chain(ours));
    NewRecord {
        partition: Some(letter.partition),
        timestamp_ms: None,
        key: letter.key.clone(),
        value: fixed.map(Into::into).or_else(|| letter.value.clone()),
        headers,
    }
}
