//! One replay: plan, read, judge, put aside, replace.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    ops::Range,
    sync::Arc,
    time::Instant,
};

use questline_environment::Rulebook;
use questline_events::{
    batch::{Batch, Context, Judgement, Missing, Verdict},
    brake::Brake,
    headers::APP_ID,
    ledger::{Counts, Hop, Row},
    limits::{REPLAY_TELLS, REPLAY_WINDOW},
    row::{EventRows, LedgerRows, LetterRows, Postmark},
    split::inspect,
    window::{Identities, Window},
};
use questline_runtime::clock::Clock;
use questline_stores::{
    Record,
    log::{LogError, PROCESS_GROUP, Reader},
    replay::{Known, Past, Replace, Replaced, Run, Span},
    warehouse::WarehouseError,
};
use tokio::sync::{Mutex, OwnedMutexGuard};

use super::{
    archive::Archive,
    report::{Progress, Report},
    request::{Request, Unusable},
};
use crate::{
    judge::{Before, judge},
    ownership::reach,
};

/// Why a replay was not carried out. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The request is at fault.
    #[error(transparent)]
    Unusable(#[from] Unusable),
    /// One replay at a time.
    #[error("another replay is at work: wait until it has ended")]
    Busy,
    /// What was never judged cannot be judged again.
    #[error("processing has {0} records of the range still before it: try again later")]
    Behind(i64),
    /// What came before a copy is not known where records are missing.
    #[error("{0} records of the range, or shortly before it, are not there any more")]
    Gap(u64),
    /// The log, or its archive, cannot serve.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The warehouse cannot serve.
    #[error(transparent)]
    Warehouse(#[from] WarehouseError),
    /// The rows of a page cannot be made.
    #[error("rows cannot be made")]
    Rows(#[from] arrow_schema::ArrowError),
}

/// Replays.
pub struct Replay {
    rulebook: Rulebook,
    log: Arc<dyn Reader>,
    past: Arc<dyn Past>,
    warehouse: Arc<dyn Replace>,
    clock: Arc<dyn Clock>,
    turn: Arc<Mutex<()>>,
}

/// A replay that can be carried out.
pub struct Planned<'r> {
    replay: &'r Replay,
    log_id: String,
    past: Arc<dyn Past>,
    /// What is read: the range, and what came shortly before it.
    read: Vec<Range<i64>>,
    /// What is replaced.
    range: Vec<Range<i64>>,
    _turn: OwnedMutexGuard<()>,
}

impl Replay {
    /// With the rules by which processing judges now.
    #[must_use]
    pub fn new(
        rulebook: Rulebook,
        log: Arc<dyn Reader>,
        past: Arc<dyn Past>,
        warehouse: Arc<dyn Replace>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self { rulebook, log, past, warehouse, clock, turn: Arc::default() }
    }

    /// Looks which source positions a request means.
    ///
    /// # Errors
    /// If it cannot be carried out.
    pub async fn plan(&self, request: &Request) -> Result<Planned<'_>, Failure> {
        let moments = request.range(self.clock.now_micros())?;
        let turn = self.turn.clone().try_lock_owned().map_err(|_| Failure::Busy)?;
        let (log_id, past) = match &request.archive {
            None => (self.log.log_id().to_owned(), self.past.clone()),
            Some(directory) => {
                let archive = Archive::open(directory, self.log.log_id())?;
                (archive.log_id().to_owned(), Arc::new(archive) as Arc<dyn Past>)
            }
        };
        let warm = i64::try_from(REPLAY_WINDOW.as_millis()).unwrap_or(i64::MAX);
        let before = past.offsets_at(moments.start - warm).await?;
        let from = past.offsets_at(moments.start).await?;
        let to = past.offsets_at(moments.end).await?;
        let ranges = |from: &[i64], to: &[i64]| {
            from.iter().zip(to).map(|(from, to)| *from..*to).collect::<Vec<_>>()
        };
        let (read, range) = (ranges(&before, &to), ranges(&from, &to));
        // Of a log that is gone, all that there will ever be is in the tables.
        if log_id == self.log.log_id() {
            let committed = self.log.committed(PROCESS_GROUP).await?;
            let open = range.iter().zip(committed).map(|(range, committed)| {
                if range.is_empty() { 0 } else { (range.end - committed.unwrap_or(0)).max(0) }
            });
            match open.sum() {
                0 => {}
                behind => return Err(Failure::Behind(behind)),
            }
        }
        Ok(Planned { replay: self, log_id, past, read, range, _turn: turn })
    }
}

impl Planned<'_> {
    /// Carries it out; `tell` hears now and then how far it is. Dropped midway, nothing was changed.
    ///
    /// # Errors
    /// If the log or the warehouse fails: then, too, nothing was changed.
    pub async fn carry_out(
        &self,
        tell: impl Fn(Progress) + Send + Sync,
    ) -> Result<Report, Failure> {
        let Replay { warehouse, clock, .. } = self.replay;
        let run = Run {
            name: format!("replay-{}", clock.unique_id()),
            log_id: self.log_id.clone(),
            began_at: clock.now_micros(),
        };
        let records: i64 = self.read.iter().map(|range| (range.end - range.start).max(0)).sum();
        let mut progress = Progress { read: 0, of: records.unsigned_abs() };
        warehouse.begin(&run, &spans(&self.read)).await?;
        let mut work = Work::new(self, run);
        let mut pages = self.past.read(self.read.clone());
        let mut told = Instant::now();
        while let Some(page) = pages.recv().await {
            let page = page?;
            progress.read += page.len() as u64;
            work.page(&page).await?;
            if told.elapsed() >= REPLAY_TELLS {
                told = Instant::now();
                tell(progress);
            }
        }
        tell(progress);
        if progress.read < progress.of && !self.past.keeps(&self.read).await? {
            return Err(Failure::Gap(progress.of - progress.read));
        }
        let Work { run, spans, counts, mut report, .. } = work;
        let now = clock.now_micros();
        warehouse.stage(&run, vec![(LedgerRows::TABLE, ledger(&run, &counts, now)?)]).await?;
        let Replaced { before, after, days } = warehouse.replace(&run, &spans, now).await?;
        (report.rows_before, report.rows_after, report.days) = (before, after, days);
        report.run = run.name;
        tracing::info!(report = serde_json::to_string(&report).unwrap_or_default(), "replay");
        Ok(report)
    }
}

/// What grows while pages come in.
struct Work<'p> {
    plan: &'p Planned<'p>,
    run: Run,
    identities: Identities,
    window: Window,
    brake: Brake,
    /// The source positions read, one span where they follow each other.
    spans: Vec<Span>,
    counts: BTreeMap<(Option<String>, i64), Counts>,
    report: Report,
}

impl<'p> Work<'p> {
    fn new(plan: &'p Planned<'p>, run: Run) -> Self {
        Self {
            plan,
            run,
            identities: Identities::of_log(&plan.log_id),
            window: Window::of(REPLAY_WINDOW),
            brake: Brake::default(),
            spans: Vec::new(),
            counts: BTreeMap::new(),
            report: Report::default(),
        }
    }

    /// Judges a page, and puts its rows aside.
    async fn page(&mut self, records: &[Record]) -> Result<(), Failure> {
        let Replay { rulebook, warehouse, clock, .. } = self.plan.replay;
        let spans = reach(records).into_iter().map(|(partition, reach)| Span {
            partition,
            offsets: reach.first_offset..reach.next_offset,
        });
        let rows = warehouse.known(&self.run, &spans.collect::<Vec<_>>()).await?;
        let rows = rows.into_iter().map(|row| ((row.partition, row.offset), row)).collect();
        let mut before = Tables { rows, copies: HashSet::new(), range: &self.plan.range };
        let brake = self.brake.clone();
        let mut refused = HashSet::new();
        let version = &rulebook.function_version;
        loop {
            let postmark = Postmark { failed_at: clock.now_micros(), function_version: version };
            let context = Context {
                rules: &rulebook.rules,
                identities: &self.identities,
                log_id: &self.plan.log_id,
                postmark,
                counted: true,
            };
            let mut batch = Batch::new(context, records.len());
            judge(records, &refused, &before, &mut batch, &mut self.window, &mut self.brake);
            let tables = vec![
                (EventRows::TABLE, batch.rows.finish()?),
                (LetterRows::TABLE, batch.letter_rows.finish()?),
            ];
            let row_records = std::mem::take(&mut batch.row_records);
            let tallies = std::mem::take(&mut batch.tallies);
            let letters: Vec<_> = batch.letters.iter().map(|letter| letter.index).collect();
            drop(batch);
            let copies = self.copies(letters.iter().map(|index| &records[*index]), &before);
            if !copies.is_empty() {
                before.copies.extend(copies);
                self.window.rollback();
                self.brake = brake.clone();
                continue;
            }
            match warehouse.stage(&self.run, tables).await {
                Err(WarehouseError::Refused(rows)) => {
                    // The fault of these events alone: judged again, they are dead letters.
                    refused.extend(rows.iter().filter_map(|row| row_records.get(*row)).copied());
                    self.window.rollback();
                    self.brake = brake.clone();
                }
                staged => {
                    staged?;
                    self.window.commit();
                    self.count(records, tallies.into_rows());
                    return Ok(());
                }
            }
        }
    }

    /// Letters that have no row, and whose identity is known: copies of an event, by whatever rules.
    fn copies<'l>(
        &mut self,
        letters: impl Iterator<Item = &'l Record>,
        before: &Tables<'_>,
    ) -> Vec<(u32, i64)> {
        let limits = &self.plan.replay.rulebook.rules.limits;
        let mut copies = Vec::new();
        for record in letters {
            let place = (record.partition, record.offset);
            let names = inspect(record.value.as_deref().unwrap_or_default(), limits);
            let app = record.headers.get(APP_ID).and_then(|app| std::str::from_utf8(app).ok());
            if !before.rows.contains_key(&place)
                && let (Some(app), Some(id)) = (app, names.ok().and_then(|names| names.id))
                && !self.window.insert(place.0, record.timestamp_ms, self.identities.of(app, &id))
            {
                copies.push(place);
            }
        }
        copies
    }

    fn count(&mut self, records: &[Record], tallies: impl Iterator<Item = Row>) {
        for Row { app_id, minute, counts, .. } in tallies {
            self.report.read += counts.read.unsigned_abs();
            self.report.accepted += counts.accepted.unsigned_abs();
            self.report.duplicate += counts.duplicate.unsigned_abs();
            self.report.dead_lettered += counts.dead_lettered.unsigned_abs();
            *self.counts.entry((app_id, minute)).or_default() += counts;
        }
        for Record { partition, offset, .. } in records {
            let (partition, offset) = (*partition, *offset);
            if !inside(&self.plan.range, partition, offset) {
                continue;
            }
            let last = self.spans.iter_mut().rev().find(|span| span.partition == partition);
            match last {
                Some(span) if span.offsets.end == offset => span.offsets.end += 1,
                _ => self.spans.push(Span { partition, offsets: offset..offset + 1 }),
            }
        }
    }
}

/// What the tables have of a page.
struct Tables<'p> {
    rows: HashMap<(u32, i64), Known>,
    /// Copies that today's rules would refuse.
    copies: HashSet<(u32, i64)>,
    range: &'p [Range<i64>],
}

impl Before for Tables<'_> {
    fn judgement(&self, partition: u32, offset: i64) -> Judgement {
        let row = self.rows.get(&(partition, offset));
        if inside(self.range, partition, offset) {
            if self.copies.contains(&(partition, offset)) {
                let missing = Missing { ledger: true, ..Missing::default() };
                return Judgement::Settled(Verdict::Duplicate, missing);
            }
            return row.map_or(Judgement::Rules, |row| Judgement::Anew {
                event: row.event,
                counted: row.counted,
            });
        }
        let verdict = match row {
            Some(row) if row.event => Verdict::Event,
            Some(_) => Verdict::Letter,
            None => Verdict::Duplicate,
        };
        Judgement::Settled(verdict, Missing::default())
    }
}

/// The offsets of all partitions, where there are any.
fn spans(offsets: &[Range<i64>]) -> Vec<Span> {
    let spans = (0..).zip(offsets).filter(|(_, offsets)| !offsets.is_empty());
    spans.map(|(partition, offsets)| Span { partition, offsets: offsets.clone() }).collect()
}

fn inside(range: &[Range<i64>], partition: u32, offset: i64) -> bool {
    range.get(partition as usize).is_some_and(|range| range.contains(&offset))
}

/// What the replay read and what became of it, beside what the ledger says of the first time.
fn ledger(
    run: &Run,
    counts: &BTreeMap<(Option<String>, i64), Counts>,
    now: i64,
) -> Result<arrow_array::RecordBatch, arrow_schema::ArrowError> {
    let mut rows = LedgerRows::default();
    for ((app_id, minute), counts) in counts {
        let row = Row {
            hop: Hop::Replay,
            source: Some(run.name.clone()),
            app_id: app_id.clone(),
            minute: *minute,
            seq: None,
            complete: false,
            closing: false,
            counts: *counts,
        };
        rows.push(&run.log_id, &row, now);
    }
    rows.finish()
}
