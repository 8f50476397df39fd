//! The one writer: whoever waits shares its next durable commit.

use std::{
    sync::{Arc, Mutex, PoisonError, mpsc},
    thread,
};

use questline_events::limits::{COMMIT_BYTES, COMMIT_DELAY};
use questline_stores::{
    Topic,
    log::{Committed, Fate, LogError, Reporter},
};
use tokio::sync::{OwnedSemaphorePermit, oneshot, watch};

use crate::{
    chunk::Chunk,
    groups::{Groups, Membership},
    now_ms,
    rows::{Rows, ids},
};

/// Where the answer to a job goes.
pub(crate) type Reply<T> = oneshot::Sender<Result<T, LogError>>;

pub(crate) struct Append {
    pub(crate) topic: Topic,
    pub(crate) chunks: Vec<Chunk>,
    pub(crate) count: usize,
    pub(crate) reporter: Reporter,
    /// Given back when the append is settled.
    pub(crate) _room: OwnedSemaphorePermit,
}

pub(crate) struct Commit {
    pub(crate) group: String,
    pub(crate) membership: Membership,
    pub(crate) chunks: Vec<(Topic, Vec<Chunk>)>,
    pub(crate) offsets: Vec<Committed>,
    pub(crate) reply: Reply<()>,
}

pub(crate) enum Job {
    Append(Append),
    Commit(Commit, Groups),
    Probe(Reply<()>),
    Expire { now_ms: i64, reply: Reply<()> },
    Close(oneshot::Sender<()>),
}

type Ends = [Vec<i64>; 3];

/// The way to the writer thread.
pub(crate) struct Writer {
    jobs: mpsc::Sender<Job>,
    ends: Arc<Mutex<Ends>>,
    appended: watch::Receiver<()>,
}

impl Writer {
    pub(crate) fn start(rows: Rows, ends: Ends) -> Result<Self, LogError> {
        let (jobs, inbox) = mpsc::channel();
        let (appended, seen) = watch::channel(());
        let shared = Arc::new(Mutex::new(ends.clone()));
        let mut next = [0; 3];
        let mut newest = [i64::MIN; 3];
        for (topic, (next, newest)) in Topic::ALL.into_iter().zip(next.iter_mut().zip(&mut newest))
        {
            *next = rows.span(topic)?.map_or(ids(topic).0, |(_, last)| last + 1);
            *newest = rows.newest_ms(*next - 1)?.unwrap_or(i64::MIN);
        }
        let state = State { rows, ends, next, newest, published: shared.clone(), appended };
        thread::Builder::new()
            .name("log-writer".to_owned())
            .spawn(move || state.run(&inbox))
            .map_err(|error| LogError::Unavailable(error.into()))?;
        Ok(Self { jobs, ends: shared, appended: seen })
    }

    /// Hands a job over. A closed writer drops it, and whoever waits for it learns that.
    pub(crate) fn send(&self, job: Job) {
        _ = self.jobs.send(job);
    }

    pub(crate) fn ends(&self, topic: Topic) -> Vec<i64> {
        self.ends.lock().unwrap_or_else(PoisonError::into_inner)[topic as usize].clone()
    }

    /// Changes with every commit.
    pub(crate) fn appended(&self) -> watch::Receiver<()> {
        self.appended.clone()
    }
}

struct State {
    rows: Rows,
    ends: Ends,
    /// Id of each topic's next row.
    next: [i64; 3],
    newest: [i64; 3],
    published: Arc<Mutex<Ends>>,
    appended: watch::Sender<()>,
}

impl State {
    fn run(mut self, inbox: &mpsc::Receiver<Job>) {
        let mut others_wait = false;
        while let Ok(first) = inbox.recv() {
            if others_wait {
                thread::sleep(COMMIT_DELAY);
            }
            let mut appends = Vec::new();
            let mut bytes = 0;
            let mut job = Some(first);
            // Everybody who waits already shares this commit.
            while let Some(Job::Append(append)) = job {
                bytes += append.chunks.iter().map(Chunk::bytes).sum::<usize>();
                appends.push(append);
                job = if bytes < COMMIT_BYTES { inbox.try_recv().ok() } else { None };
            }
            others_wait = appends.len() > 1;
            if !appends.is_empty() {
                self.append(appends);
            }
            match job {
                Some(Job::Commit(commit, groups)) => self.commit(commit, &groups),
                Some(Job::Probe(reply)) => {
                    let probed = self.rows.transaction(|rows| rows.probe(now_ms()));
                    _ = reply.send(probed.map_err(|(error, _)| error));
                }
                Some(Job::Expire { now_ms, reply }) => _ = reply.send(self.expire(now_ms)),
                Some(Job::Close(reply)) => {
                    _ = reply.send(());
                    return;
                }
                Some(Job::Append(_)) | None => {}
            }
        }
    }

    fn append(&mut self, mut appends: Vec<Append>) {
        let chunks =
            appends.iter_mut().map(|append| (append.topic, std::mem::take(&mut append.chunks)));
        let written = self.write(chunks.collect(), |_| Ok(()));
        for append in appends {
            match &written {
                Ok(()) => append.reporter.report(0..append.count, Fate::Stored),
                Err((_, true)) => append.reporter.report(0..append.count, Fate::Failed),
                // The commit itself failed: what it left on disk only the next opening tells.
                Err((_, false)) => {}
            }
        }
        if let Err((error, _)) = written {
            tracing::error!(error = &error as &dyn std::error::Error, "log.append.failed");
        }
    }

    fn commit(&mut self, commit: Commit, groups: &Groups) {
        // Held until the transaction is durable: no new owner reads offsets in between.
        let members = groups.lock();
        let result = if members.owns(&commit.group, commit.membership, &commit.offsets) {
            let offsets = |rows: &Rows| {
                commit
                    .offsets
                    .iter()
                    .try_for_each(|offset| rows.commit_offset(&commit.group, offset))
            };
            self.write(commit.chunks, offsets).map_err(|(error, _)| error)
        } else {
            Err(LogError::Fenced)
        };
        drop(members);
        _ = commit.reply.send(result);
    }

    /// One transaction: a row for each topic, and whatever else belongs to it.
    fn write(
        &mut self,
        chunks: Vec<(Topic, Vec<Chunk>)>,
        more: impl FnOnce(&Rows) -> rusqlite::Result<()>,
    ) -> Result<(), (LogError, bool)> {
        let (mut ends, mut next, mut newest) = (self.ends.clone(), self.next, self.newest);
        let mut by_topic: [Vec<Chunk>; 3] = Default::default();
        for (topic, chunks) in chunks {
            by_topic[topic as usize].extend(chunks);
        }
        let result = self.rows.transaction(|rows| {
            for (topic, chunks) in by_topic.iter().enumerate() {
                for row in row_sized(chunks) {
                    let starts = ends[topic].clone();
                    for chunk in row {
                        newest[topic] = newest[topic].max(chunk.newest_ms);
                        for partition in &chunk.partitions {
                            ends[topic][usize::from(*partition)] += 1;
                        }
                    }
                    rows.insert(next[topic], newest[topic], &starts, row)?;
                    next[topic] += 1;
                }
            }
            more(rows)
        });
        match &result {
            Ok(()) => (self.ends, self.next, self.newest) = (ends, next, newest),
            // What a failed commit left behind is only known to the file.
            Err((_, false)) => self.reload(),
            Err((_, true)) => {}
        }
        self.publish();
        result
    }

    fn reload(&mut self) {
        if let Ok(ends) = self.rows.ends() {
            self.ends = ends;
        }
        for topic in Topic::ALL {
            if let Ok(Some((_, last))) = self.rows.span(topic) {
                self.next[topic as usize] = last + 1;
            }
        }
    }

    fn publish(&self) {
        self.published.lock().unwrap_or_else(PoisonError::into_inner).clone_from(&self.ends);
        self.appended.send_replace(());
    }

    fn expire(&self, now_ms: i64) -> Result<(), LogError> {
        for topic in Topic::ALL {
            let retention = i64::try_from(topic.retention().as_millis()).unwrap_or(i64::MAX);
            let mut more = true;
            while more {
                let delete = |rows: &Rows| {
                    more = rows.expire(topic, now_ms - retention)?;
                    Ok(())
                };
                self.rows.transaction(delete).map_err(|(error, _)| error)?;
            }
        }
        Ok(())
    }
}

/// Chunks in groups that make rows of at most some megabytes.
fn row_sized(chunks: &[Chunk]) -> impl Iterator<Item = &[Chunk]> {
    const ROW_BYTES: usize = 2 << 20;
    let mut bytes = 0;
    chunks.chunk_by(move |chunk, _| {
        bytes += chunk.bytes();
        let fits = bytes < ROW_BYTES;
        if !fits {
            bytes = 0;
        }
        fits
    })
}
