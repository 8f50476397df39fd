//! Ingest's book: what this instance counted, per app and minute, until it is written as pages.
//!
//! A minute's page is written for good when the minute is over and no request of it is under way.
//! What is learned later of deferred events is written on further pages of the same minute.
//!
//! Where the clock goes back over minutes that were written for good, a new volume begins, under a
//! boot id of its own: killed before its first page it leaves its minutes unproved, and not wrong.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use questline_events::{
    ledger::{Counts, Hop, Page},
    time::{MINUTE, minute},
};

/// The app of bodies that were refused before their key was known.
const NO_APP: &str = "";

/// The book of one instance.
pub struct Book {
    /// Draws the boot id of a volume.
    boots: Box<dyn Fn() -> String + Send + Sync>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    current: Volume,
    /// Volumes that end when their last request and their last report have come.
    ending: Vec<Volume>,
    /// Pages on their way; the same page may be sent twice, under the same number.
    unsent: Vec<Page>,
}

/// What is counted under one boot id, as long as the clock only goes on.
#[derive(Debug)]
struct Volume {
    /// The id. Whoever may still count here holds it.
    boot: Arc<str>,
    /// Minutes in which something was counted since their last page, or is under way.
    minutes: BTreeMap<i64, Open>,
    /// Every minute before this one has been written for good.
    complete_before: i64,
    next_seq: i64,
}

#[derive(Debug, Default)]
struct Open {
    under_way: usize,
    apps: BTreeMap<String, Counts>,
}

/// A request under way: its minute is not over before it is dropped.
#[derive(Debug)]
pub struct Request {
    book: Arc<Book>,
    boot: Arc<str>,
    minute: i64,
}

impl fmt::Debug for Book {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Book").field("state", &self.state).finish_non_exhaustive()
    }
}

impl Book {
    /// The book of an instance that starts at a moment. Its first page says that it lives. `boots`
    /// draws boot ids, none twice.
    #[must_use]
    pub fn new(boots: impl Fn() -> String + Send + Sync + 'static, now: i64) -> Arc<Self> {
        let mut unsent = Vec::new();
        let current = Volume::begin(boots(), minute(now), &mut unsent);
        let state = State { current, ending: Vec::new(), unsent };
        Arc::new(Self { boots: Box::new(boots), state: Mutex::new(state) })
    }

    /// A request begins.
    #[must_use]
    pub fn enter(self: &Arc<Self>, received_at: i64) -> Request {
        let minute = minute(received_at);
        let mut state = self.lock();
        self.go_to(&mut state, minute);
        state.current.minutes.entry(minute).or_default().under_way += 1;
        Request { book: self.clone(), boot: state.current.boot.clone(), minute }
    }

    /// No request is under way.
    pub fn is_idle(&self) -> bool {
        let state = self.lock();
        let volumes = state.ending.iter().chain([&state.current]);
        volumes.flat_map(|volume| volume.minutes.values()).all(|open| open.under_way == 0)
    }

    /// The pages to be sent. `running`: also of minutes that are not over yet.
    pub fn pages(&self, now: i64, running: bool) -> Vec<Page> {
        let mut state = self.lock();
        self.go_to(&mut state, minute(now));
        let State { current, ending, unsent } = &mut *state;
        current.complete(minute(now), false, unsent);
        current.write(running, unsent);
        ending.retain_mut(|volume| {
            let counts = Arc::strong_count(&volume.boot) > 1;
            if counts {
                volume.write(running, unsent)
            } else {
                volume.close(unsent)
            }
            counts
        });
        unsent.clone()
    }

    /// Takes note that pages are kept by the log.
    pub fn sent(&self, pages: &[Page]) {
        let is = |page: &Page, sent: &Page| page.seq == sent.seq && page.boot == sent.boot;
        self.lock().unsent.retain(|page| !pages.iter().any(|sent| is(page, sent)));
    }

    /// The last pages: every minute is written for good, and the instance has ended in order.
    pub fn close(&self, now: i64) -> Vec<Page> {
        self.pages(now, true);
        let mut state = self.lock();
        let State { current, ending, unsent } = &mut *state;
        current.complete(minute(now), true, unsent);
        current.close(unsent);
        ending.drain(..).for_each(|mut volume| volume.close(unsent));
        unsent.clone()
    }

    /// Begins a new volume if the clock has gone back over what is written for good.
    fn go_to(&self, state: &mut State, minute: i64) {
        if minute < state.current.complete_before {
            let next = Volume::begin((self.boots)(), minute, &mut state.unsent);
            let back = (state.current.complete_before - minute) / 1_000_000;
            tracing::warn!(boot = &*next.boot, seconds = back, "ingest.clock: it went back");
            state.ending.push(std::mem::replace(&mut state.current, next));
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Where a request counts: its volume is kept for as long as it holds the boot id.
    fn counts(&mut self, boot: &Arc<str>, minute: i64) -> &mut Open {
        let ending = self.ending.iter_mut().find(|volume| Arc::ptr_eq(&volume.boot, boot));
        ending.unwrap_or(&mut self.current).minutes.entry(minute).or_default()
    }
}

impl Volume {
    fn begin(boot: String, minute: i64, unsent: &mut Vec<Page>) -> Self {
        let minutes = BTreeMap::new();
        let mut volume = Self { boot: boot.into(), minutes, complete_before: minute, next_seq: 0 };
        volume.page(minute, false, unsent);
        volume
    }

    /// Writes every minute before `end` for good, in order: one under way holds those after it. At
    /// the `last` it does not, but what is under way will never be counted: its minute is not
    /// written for good, and so stays unproved.
    fn complete(&mut self, end: i64, last: bool, unsent: &mut Vec<Page>) {
        // Minutes in which nothing happened are written too: silence is not death.
        while self.complete_before < end {
            let minute = self.complete_before;
            let under_way = self.minutes.get(&minute).is_some_and(|open| open.under_way > 0);
            if under_way && !last {
                break;
            }
            self.page(minute, !under_way, unsent);
            if !under_way {
                self.minutes.remove(&minute);
            }
            self.complete_before += MINUTE;
        }
    }

    /// Writes what was counted late; `running`: also in minutes that are not over yet.
    fn write(&mut self, running: bool, unsent: &mut Vec<Page>) {
        let counted = |(at, open): (&i64, &Open)| (!open.apps.is_empty()).then_some(*at);
        let counted: Vec<_> = self.minutes.iter().filter_map(counted).collect();
        for at in counted {
            // Before that only late reports come in.
            if running || at < self.complete_before {
                self.page(at, false, unsent);
            }
        }
    }

    /// The last minute is written for good, and the boot has ended in order.
    fn close(&mut self, unsent: &mut Vec<Page>) {
        self.write(false, unsent);
        let last = self.minutes.last_key_value().map_or(self.complete_before, |(at, _)| *at);
        self.complete(last.max(self.complete_before) + MINUTE, true, unsent);
        if let Some(last) = unsent.last_mut() {
            last.closing = true;
        }
    }

    /// Turns what was counted in a minute into a page.
    fn page(&mut self, minute: i64, complete: bool, unsent: &mut Vec<Page>) {
        let apps = self.minutes.get_mut(&minute).map(|open| std::mem::take(&mut open.apps));
        unsent.push(Page {
            hop: Hop::Ingest,
            boot: self.boot.to_string(),
            seq: self.next_seq,
            minute,
            complete,
            closing: false,
            apps: apps.unwrap_or_default().into_iter().collect(),
        });
        self.next_seq += 1;
    }
}

impl Request {
    /// The boot id under which it counts.
    #[must_use]
    pub fn boot(&self) -> &str {
        &self.boot
    }

    /// Counts for an app in the request's minute.
    pub fn count(&self, app: &str, count: impl FnOnce(&mut Counts)) {
        let mut state = self.book.lock();
        let apps = &mut state.counts(&self.boot, self.minute).apps;
        match apps.get_mut(app) {
            Some(counts) => count(counts),
            None => count(apps.entry(app.to_owned()).or_default()),
        }
    }

    /// Counts a body that was refused whole.
    pub fn refused(&self, app: Option<&str>) {
        self.count(app.unwrap_or(NO_APP), |counts| counts.refused_bodies += 1);
    }

    /// What is learned after the answer belongs to this minute, but does not hold it open.
    #[must_use]
    pub fn afterwards(&self) -> Afterwards {
        Afterwards { book: self.book.clone(), boot: self.boot.clone(), minute: self.minute }
    }
}

impl Drop for Request {
    fn drop(&mut self) {
        let mut state = self.book.lock();
        let open = state.counts(&self.boot, self.minute);
        open.under_way = open.under_way.saturating_sub(1);
    }
}

/// Where late reports of a request are counted.
#[derive(Debug)]
pub struct Afterwards {
    book: Arc<Book>,
    boot: Arc<str>,
    minute: i64,
}

impl Afterwards {
    /// Counts for an app in the request's minute.
    pub fn count(&self, app: &str, count: impl FnOnce(&mut Counts)) {
        let mut state = self.book.lock();
        count(state.counts(&self.boot, self.minute).apps.entry(app.to_owned()).or_default());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: i64 = 100 * MINUTE + 7;

    fn book() -> Arc<Book> {
        let next = std::sync::atomic::AtomicU64::new(0);
        let boots =
            move || format!("boot-{}", next.fetch_add(1, std::sync::atomic::Ordering::SeqCst));
        Book::new(boots, START)
    }

    /// (minute, complete, closing, stored, late) of each page, less the minute of the start.
    fn seen(pages: &[Page]) -> Vec<(i64, bool, bool, i64, i64)> {
        let sum = |page: &Page, of: fn(&Counts) -> i64| page.apps.iter().map(|(_, c)| of(c)).sum();
        pages
            .iter()
            .map(|page| {
                let minute = page.minute / MINUTE - 100;
                let (stored, late) = (sum(page, |c| c.stored), sum(page, |c| c.late));
                (minute, page.complete, page.closing, stored, late)
            })
            .collect()
    }

    fn take(book: &Book, now: i64, running: bool) -> Vec<(i64, bool, bool, i64, i64)> {
        let pages = book.pages(now, running);
        book.sent(&pages);
        seen(&pages)
    }

    #[test]
    fn every_minute_is_written_once_for_good() {
        let book = book();
        assert_eq!(take(&book, START, false), [(0, false, false, 0, 0)], "alive");
        book.enter(START).count("app", |counts| counts.stored += 2);
        assert_eq!(take(&book, START, false), []);
        assert_eq!(take(&book, START, true), [(0, false, false, 2, 0)]);
        book.enter(START).count("app", |counts| counts.stored += 1);
        let next = take(&book, START + 3 * MINUTE, false);
        let expected = [(0, true, false, 1, 0), (1, true, false, 0, 0), (2, true, false, 0, 0)];
        assert_eq!(next, expected, "quiet minutes too");
        assert_eq!(take(&book, START + 3 * MINUTE, false), []);
    }

    #[test]
    fn a_request_under_way_holds_its_minute_and_those_after_it_open() {
        let book = book();
        take(&book, START, false);
        let slow = book.enter(START);
        assert_eq!(take(&book, START + 2 * MINUTE, false), []);
        slow.count("app", |counts| counts.stored += 5);
        drop(slow);
        let next = take(&book, START + 2 * MINUTE, false);
        assert_eq!(next, [(0, true, false, 5, 0), (1, true, false, 0, 0)]);
    }

    #[test]
    fn late_reports_come_on_further_pages() {
        let book = book();
        take(&book, START, false);
        let late = book.enter(START).afterwards();
        assert_eq!(take(&book, START + MINUTE, false), [(0, true, false, 0, 0)]);
        late.count("app", |counts| counts.late += 3);
        assert_eq!(take(&book, START + MINUTE, false), [(0, false, false, 0, 3)]);
    }

    #[test]
    fn an_unsent_page_keeps_its_number() {
        let book = book();
        let first = book.pages(START, false);
        let again = book.pages(START + MINUTE, false);
        assert_eq!(again[0], first[0]);
        assert_eq!(again.iter().map(|page| page.seq).collect::<Vec<_>>(), [0, 1]);
    }

    #[test]
    fn what_is_under_way_at_the_end_leaves_its_minute_unproved() {
        let book = book();
        take(&book, START, false);
        let slow = book.enter(START);
        let last = seen(&book.close(START + MINUTE));
        assert_eq!(last, [(0, false, false, 0, 0), (1, true, true, 0, 0)]);
        drop(slow);
    }

    #[test]
    fn the_closing_mark_is_the_last_word() {
        let book = book();
        take(&book, START, false);
        book.enter(START + MINUTE).count("app", |counts| counts.stored += 4);
        let last = seen(&book.close(START + MINUTE));
        let expected = [(0, true, false, 0, 0), (1, false, false, 4, 0), (1, true, true, 0, 0)];
        assert_eq!(last, expected);
    }

    #[test]
    fn where_the_clock_goes_back_another_boot_begins() {
        let book = book();
        take(&book, START, false);
        let slow = book.enter(START + MINUTE);
        take(&book, START + MINUTE, false);
        let back = book.enter(START + 7);
        assert_eq!((slow.boot(), back.boot()), ("boot-0", "boot-1"));
        back.count("app", |counts| counts.stored += 1);
        slow.count("app", |counts| counts.stored += 2);
        let late = slow.afterwards();
        drop(slow);
        let pages = book.pages(START + 7, false);
        let boots: Vec<_> = pages.iter().map(|page| &*page.boot).collect();
        assert_eq!((seen(&pages), boots), (vec![(0, false, false, 0, 0)], vec!["boot-1"]), "alive");
        book.sent(&pages);
        late.count("app", |counts| counts.late += 3);
        drop(late);
        let ended = take(&book, START + 7, false);
        assert_eq!(ended, [(1, true, true, 2, 3)], "the boot before has ended in order");
        drop(back);
        let last = seen(&book.close(START + 7));
        assert_eq!(last, [(0, false, false, 1, 0), (0, true, true, 0, 0)]);
    }

    #[test]
    fn a_clock_that_goes_back_within_an_open_minute_changes_nothing() {
        let book = book();
        take(&book, START, false);
        book.enter(START + MINUTE).count("app", |counts| counts.stored += 1);
        assert_eq!(book.enter(START).boot(), "boot-0");
        assert_eq!(take(&book, START + MINUTE, false), [(0, true, false, 0, 0)]);
        assert_eq!(book.enter(START).boot(), "boot-1", "now it is written");
    }
}
