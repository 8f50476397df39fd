//! Ingest's book: what this instance counted, per app and minute, until it is written as pages.
//!
//! A minute's page is written for good when the minute is over and no request of it is under way.
//! What is learned later of deferred events is written on further pages of the same minute.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use questline_events::{
    ledger::{Counts, Hop, Page},
    time::{MINUTE, minute},
};

/// The app of bodies that were refused before their key was known.
const NO_APP: &str = "";

/// The book of one instance.
#[derive(Debug)]
pub struct Book {
    boot: String,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Minutes in which something was counted since their last page, or is under way.
    minutes: BTreeMap<i64, Open>,
    /// Every minute before this one has been written for good.
    complete_before: i64,
    /// Pages on their way; the same page may be sent twice, under the same number.
    unsent: Vec<Page>,
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
    minute: i64,
}

impl Book {
    /// The book of an instance that starts at a moment. Its first page says that it lives.
    #[must_use]
    pub fn new(boot: String, now: i64) -> Arc<Self> {
        let state = State { complete_before: minute(now), ..State::default() };
        let book = Self { boot, state: Mutex::new(state) };
        book.lock().page(&book.boot, minute(now), false);
        Arc::new(book)
    }

    /// The boot id of the instance.
    #[must_use]
    pub fn boot(&self) -> &str {
        &self.boot
    }

    /// A request begins.
    #[must_use]
    pub fn enter(self: &Arc<Self>, received_at: i64) -> Request {
        let minute = minute(received_at);
        self.lock().minutes.entry(minute).or_default().under_way += 1;
        Request { book: self.clone(), minute }
    }

    /// No request is under way.
    pub fn is_idle(&self) -> bool {
        self.lock().minutes.values().all(|open| open.under_way == 0)
    }

    /// The pages to be sent. `running`: also of minutes that are not over yet.
    pub fn pages(&self, now: i64, running: bool) -> Vec<Page> {
        let mut state = self.lock();
        state.complete(&self.boot, minute(now), false);
        let counted = |(at, open): (&i64, &Open)| (!open.apps.is_empty()).then_some(*at);
        let counted: Vec<_> = state.minutes.iter().filter_map(counted).collect();
        for at in counted {
            // Before that only late reports come in.
            if running || at < state.complete_before {
                state.page(&self.boot, at, false);
            }
        }
        state.unsent.clone()
    }

    /// Takes note that pages are kept by the log.
    pub fn sent(&self, pages: &[Page]) {
        self.lock().unsent.retain(|page| pages.iter().all(|sent| sent.seq != page.seq));
    }

    /// The last pages: every minute is written for good, and the instance has ended in order.
    pub fn close(&self, now: i64) -> Vec<Page> {
        self.pages(now, true);
        let mut state = self.lock();
        state.complete(&self.boot, minute(now) + MINUTE, true);
        if let Some(last) = state.unsent.last_mut() {
            last.closing = true;
        }
        state.unsent.clone()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Writes every minute before `end` for good, in order: one under way holds those after it. At
    /// the `last` it does not, but what is under way will never be counted: its minute is not
    /// written for good, and so stays unproved.
    fn complete(&mut self, boot: &str, end: i64, last: bool) {
        // Minutes in which nothing happened are written too: silence is not death.
        while self.complete_before < end {
            let minute = self.complete_before;
            let under_way = self.minutes.get(&minute).is_some_and(|open| open.under_way > 0);
            if under_way && !last {
                break;
            }
            self.page(boot, minute, !under_way);
            if !under_way {
                self.minutes.remove(&minute);
            }
            self.complete_before += MINUTE;
        }
    }

    /// Turns what was counted in a minute into a page.
    fn page(&mut self, boot: &str, minute: i64, complete: bool) {
        let apps = self.minutes.get_mut(&minute).map(|open| std::mem::take(&mut open.apps));
        self.unsent.push(Page {
            hop: Hop::Ingest,
            boot: boot.to_owned(),
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
    /// Counts for an app in the request's minute.
    pub fn count(&self, app: &str, count: impl FnOnce(&mut Counts)) {
        let mut state = self.book.lock();
        let apps = &mut state.minutes.entry(self.minute).or_default().apps;
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
        Afterwards { book: self.book.clone(), minute: self.minute }
    }
}

impl Drop for Request {
    fn drop(&mut self) {
        if let Some(open) = self.book.lock().minutes.get_mut(&self.minute) {
            open.under_way -= 1;
        }
    }
}

/// Where late reports of a request are counted.
#[derive(Debug)]
pub struct Afterwards {
    book: Arc<Book>,
    minute: i64,
}

impl Afterwards {
    /// Counts for an app in the request's minute.
    pub fn count(&self, app: &str, count: impl FnOnce(&mut Counts)) {
        let mut state = self.book.lock();
        count(
            state.minutes.entry(self.minute).or_default().apps.entry(app.to_owned()).or_default(),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: i64 = 100 * MINUTE + 7;

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
        let book = Book::new("boot".to_owned(), START);
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
        let book = Book::new("boot".to_owned(), START);
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
        let book = Book::new("boot".to_owned(), START);
        take(&book, START, false);
        let late = book.enter(START).afterwards();
        assert_eq!(take(&book, START + MINUTE, false), [(0, true, false, 0, 0)]);
        late.count("app", |counts| counts.late += 3);
        assert_eq!(take(&book, START + MINUTE, false), [(0, false, false, 0, 3)]);
    }

    #[test]
    fn an_unsent_page_keeps_its_number() {
        let book = Book::new("boot".to_owned(), START);
        let first = book.pages(START, false);
        let again = book.pages(START + MINUTE, false);
        assert_eq!(again[0], first[0]);
        assert_eq!(again.iter().map(|page| page.seq).collect::<Vec<_>>(), [0, 1]);
    }

    #[test]
    fn what_is_under_way_at_the_end_leaves_its_minute_unproved() {
        let book = Book::new("boot".to_owned(), START);
        take(&book, START, false);
        let slow = book.enter(START);
        let last = seen(&book.close(START + MINUTE));
        assert_eq!(last, [(0, false, false, 0, 0), (1, true, true, 0, 0)]);
        drop(slow);
    }

    #[test]
    fn the_closing_mark_is_the_last_word() {
        let book = Book::new("boot".to_owned(), START);
        take(&book, START, false);
        book.enter(START + MINUTE).count("app", |counts| counts.stored += 4);
        let last = seen(&book.close(START + MINUTE));
        let expected = [(0, true, false, 0, 0), (1, false, false, 4, 0), (1, true, true, 0, 0)];
        assert_eq!(last, expected);
    }
}
