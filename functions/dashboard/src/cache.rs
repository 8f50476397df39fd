//! Answers of the last seconds: however many look at the page, a question is asked once, and all of
//! them together only as often as they may.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use questline_events::{
    limits::{DASHBOARD_ANSWERS, DASHBOARD_FRESH, DASHBOARD_PAID, QUERY_ROWS, QUERY_TIMEOUT},
    time::micros,
};
use questline_stores::{
    saved::{Ask, Question, Value},
    warehouse::{Answer, QueryError, QueryLimits},
};
use tokio::{sync::OnceCell, time::Instant};

use crate::budget::Budget;

/// A question is about now if its range ends no farther from it.
const NOW_MICROS: i64 = 60_000_000;
/// Ranges that end now and differ by less are one; shorter ones than six of these are told apart.
const ALIKE_MICROS: i64 = 300_000_000;

/// The answer, or none where it was not there in time; and how long that took.
type Cell = Arc<OnceCell<(Option<Arc<Answer>>, Duration)>>;

/// Answers that are kept, each with the moment at which it was asked for.
type Cells = HashMap<Question, (i64, Cell)>;

#[derive(Default)]
pub(crate) struct Cache {
    panels: Mutex<(Cells, Budget)>,
    /// Streams rest as they have to, so that a look is only shared.
    looks: Mutex<Cells>,
}

impl Cache {
    /// The answer to a question, or to one that is alike: one that is kept, one that is on its way, or
    /// a new one. Also when it was asked for, in microseconds since 1970.
    pub(crate) async fn about(
        &self,
        source: &dyn Ask,
        question: &Question,
        now: i64,
    ) -> Result<(Arc<Answer>, i64), QueryError> {
        let (asked, cell) = {
            let (cells, budget) = &mut *lock(&self.panels);
            let kept = if source.slows() { budget.kept(now) } else { micros(DASHBOARD_PAID) };
            cell(cells, alike(question, now), now, kept)
        };
        let (answer, _) = cell
            .get_or_try_init(|| async {
                let answered = answered(source, question).await?;
                lock(&self.panels).1.spend(answered.1, now);
                Ok(answered)
            })
            .await?;
        Ok((in_time(answer)?, asked))
    }

    /// The answer to this very question, for all who look at this moment; and how long it took.
    pub(crate) async fn look(
        &self,
        source: &dyn Ask,
        question: &Question,
        now: i64,
    ) -> Result<(Arc<Answer>, Duration), QueryError> {
        let fresh = micros(DASHBOARD_FRESH);
        let (_, cell) = cell(&mut lock(&self.looks), question.clone(), now, fresh);
        let (answer, took) = cell.get_or_try_init(|| answered(source, question)).await?;
        Ok((in_time(answer)?, *took))
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The place of an answer: what is older than `kept` is asked for again, what is on its way waited for.
fn cell(cells: &mut Cells, key: Question, now: i64, kept: i64) -> (i64, Cell) {
    cells.retain(|_, (asked, cell)| {
        // One that is on its way may have waited for its turn for as long as it may take.
        let kept = if cell.initialized() { kept } else { micros(2 * QUERY_TIMEOUT) };
        now - *asked < kept
    });
    if cells.len() >= DASHBOARD_ANSWERS && !cells.contains_key(&key) {
        let oldest = cells.iter().min_by_key(|(_, (asked, cell))| (!cell.initialized(), *asked));
        if let Some(oldest) = oldest.map(|(key, _)| key.clone()) {
            cells.remove(&oldest);
        }
    }
    cells.entry(key).or_insert_with(|| (now, Cell::default())).clone()
}

/// What took too long is kept too: it cost more than any answer. Another failure is not: whoever waits
/// for the cell asks again.
async fn answered(
    source: &dyn Ask,
    question: &Question,
) -> Result<(Option<Arc<Answer>>, Duration), QueryError> {
    let (limits, began) =
        (QueryLimits { timeout: QUERY_TIMEOUT, rows: QUERY_ROWS }, Instant::now());
    let answer = match source.ask(question, limits).await {
        Ok(answer) => Some(Arc::new(answer)),
        Err(QueryError::Timeout(_)) => None,
        Err(error) => return Err(error),
    };
    Ok((answer, began.elapsed()))
}

fn in_time(answer: &Option<Arc<Answer>>) -> Result<Arc<Answer>, QueryError> {
    answer.clone().ok_or(QueryError::Timeout(QUERY_TIMEOUT))
}

/// A range that ends now is told by its length, so that it is the same one a moment later.
fn alike(question: &Question, now: i64) -> Question {
    let mut key = question.clone();
    let (from, to) = (question.moment("from_time"), question.moment("to_time"));
    let (Some(from), Some(to)) = (from, to) else { return key };
    let long = (to - from) / ALIKE_MICROS;
    if (to - now).abs() > NOW_MICROS || long < 6 {
        return key;
    }
    for (name, value) in &mut key.values {
        match *name {
            "from_time" => *value = Value::Moment(-long),
            "to_time" => *value = Value::Moment(0),
            _ => {}
        }
    }
    key
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use async_trait::async_trait;
    use questline_events::limits::{DASHBOARD_PUT_BY, DASHBOARD_SHARE};
    use questline_stores::saved::Saved;

    use super::*;

    const HOUR: i64 = 3_600_000_000;
    const NOW: i64 = 500_000 * HOUR;

    /// A warehouse that counts what it is asked, and takes its time.
    struct Counting(AtomicUsize, Duration);

    /// One that is elsewhere.
    struct Paid(Counting);

    #[async_trait]
    impl Ask for Paid {
        fn slows(&self) -> bool {
            false
        }

        async fn ask(&self, asked: &Question, limits: QueryLimits) -> Result<Answer, QueryError> {
            self.0.ask(asked, limits).await
        }
    }

    #[async_trait]
    impl Ask for Counting {
        async fn ask(&self, _: &Question, limits: QueryLimits) -> Result<Answer, QueryError> {
            self.0.fetch_add(1, Ordering::Relaxed);
            tokio::time::sleep(self.1).await;
            if self.1 >= limits.timeout {
                return Err(QueryError::Timeout(limits.timeout));
            }
            Ok(Answer { columns: Vec::new(), rows: Vec::new() })
        }
    }

    fn question(from: i64, to: i64) -> Question {
        let mut question = Saved::named("events_1min/by_type").unwrap().ask([], to).unwrap();
        question.since(from);
        question
    }

    /// How often a warehouse is asked by the questions of some moments, each as (from, to, asked at).
    async fn asked(warehouse: &Counting, questions: &[(i64, i64, i64)]) -> usize {
        let cache = Cache::default();
        for (from, to, now) in questions {
            _ = cache.about(warehouse, &question(*from, *to), *now).await;
        }
        warehouse.0.load(Ordering::Relaxed)
    }

    /// When the answer to a question was asked for.
    async fn asked_at(warehouse: &Counting, cache: &Cache, question: &Question, now: i64) -> i64 {
        cache.about(warehouse, question, now).await.unwrap().1
    }

    fn quick() -> Counting {
        Counting(AtomicUsize::new(0), Duration::ZERO)
    }

    #[tokio::test]
    async fn a_range_that_ends_now_is_the_same_one_a_moment_later() {
        let second = 1_000_000;
        let day = |at| (NOW + at - 24 * HOUR, NOW + at, NOW + at);
        assert_eq!(asked(&quick(), &[day(0), day(2 * second), day(3 * second)]).await, 1);
        assert_eq!(
            asked(&quick(), &[day(0), day(5 * second)]).await,
            2,
            "it is not fresh any more"
        );
        let week = (NOW - 168 * HOUR, NOW, NOW);
        assert_eq!(asked(&quick(), &[day(0), week]).await, 2);
        let past = |at| (NOW - 48 * HOUR + at, NOW - 24 * HOUR + at, NOW);
        assert_eq!(asked(&quick(), &[past(0), past(second)]).await, 2, "another range of the past");
        let short = |at| (NOW - 10 * second, NOW + at, NOW);
        assert_eq!(asked(&quick(), &[short(0), short(second)]).await, 2);
    }

    #[tokio::test]
    async fn what_takes_too_long_is_kept_as_an_answer_is_and_says_when_it_was_asked() {
        tokio::time::pause();
        let slow = Counting(AtomicUsize::new(0), QUERY_TIMEOUT);
        let cache = Cache::default();
        // Two take more than was put by, and the rest is paid back.
        let past = question(NOW - 99 * HOUR, NOW - 48 * HOUR);
        assert!(cache.about(&slow, &past, NOW).await.is_err());
        let paid = micros((2 * QUERY_TIMEOUT - DASHBOARD_PUT_BY) * DASHBOARD_SHARE) / 2;
        for (at, asked) in [(0, 2), (paid - 1_000_000, 2), (paid + 1_000_000, 3)] {
            let day = question(NOW + at - 24 * HOUR, NOW + at);
            let answer = cache.about(&slow, &day, NOW + at).await;
            assert!(matches!(answer, Err(QueryError::Timeout(_))));
            assert_eq!(slow.0.load(Ordering::Relaxed), asked, "after {at} microseconds");
        }
        let (warehouse, day) = (quick(), question(NOW - 24 * HOUR, NOW));
        for at in [0, 3_000_000] {
            assert_eq!(asked_at(&warehouse, &cache, &day, NOW + HOUR + at).await, NOW + HOUR);
        }
    }

    #[tokio::test]
    async fn what_is_paid_by_its_bytes_is_asked_once_a_minute_whatever_it_takes() {
        tokio::time::pause();
        let paid = Paid(Counting(AtomicUsize::new(0), QUERY_TIMEOUT / 2));
        let (cache, minute) = (Cache::default(), micros(DASHBOARD_PAID));
        for (at, asked) in [(0, 1), (minute - 1, 1), (minute, 2), (2 * minute, 3), (3 * minute, 4)]
        {
            let day = question(NOW + at - 24 * HOUR, NOW + at);
            cache.about(&paid, &day, NOW + at).await.unwrap();
            assert_eq!(paid.0.0.load(Ordering::Relaxed), asked, "after {at} microseconds");
        }
    }

    #[tokio::test]
    async fn the_oldest_answer_makes_way() {
        let (warehouse, cache) = (quick(), Cache::default());
        let past = |at: usize| question(NOW - 99 * HOUR, NOW - 48 * HOUR + at as i64);
        for at in 0..=DASHBOARD_ANSWERS {
            asked_at(&warehouse, &cache, &past(at), NOW + at as i64).await;
        }
        let asked = || warehouse.0.load(Ordering::Relaxed);
        assert_eq!(asked(), DASHBOARD_ANSWERS + 1);
        let now = NOW + DASHBOARD_ANSWERS as i64 + 1;
        asked_at(&warehouse, &cache, &past(1), now).await;
        assert_eq!(asked(), DASHBOARD_ANSWERS + 1, "it is kept");
        asked_at(&warehouse, &cache, &past(0), now).await;
        assert_eq!(asked(), DASHBOARD_ANSWERS + 2, "it was the oldest");
    }

    #[tokio::test]
    async fn who_comes_while_it_is_on_its_way_waits_for_it() {
        let warehouse = Counting(AtomicUsize::new(0), Duration::from_millis(50));
        let cache = Cache::default();
        let question = question(NOW - HOUR, NOW);
        let asking = (0..8).map(|_| cache.about(&warehouse, &question, NOW));
        for answer in futures_util::future::join_all(asking).await {
            assert!(answer.is_ok());
        }
        assert_eq!(warehouse.0.load(Ordering::Relaxed), 1);
    }
}
