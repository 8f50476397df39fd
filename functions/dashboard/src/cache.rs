//! Answers of the last seconds: however many look at the page, a question is asked once, and what is
//! dear seldom.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use questline_events::{
    limits::{
        DASHBOARD_ANSWERS, DASHBOARD_FRESH, DASHBOARD_KEPT, DASHBOARD_SHARE, QUERY_ROWS,
        QUERY_TIMEOUT,
    },
    time::micros,
};
use questline_stores::{
    saved::{Ask, Question, Value},
    warehouse::{Answer, QueryError, QueryLimits},
};
use tokio::{sync::OnceCell, time::Instant};

/// A question is about now if its range ends no farther from it.
const NOW_MICROS: i64 = 60_000_000;
/// Ranges that end now and differ by less are one; shorter ones than six of these are told apart.
const ALIKE_MICROS: i64 = 300_000_000;

/// The answer, or none where it was not there in time; and how long that took.
type Cell = Arc<OnceCell<(Option<Arc<Answer>>, Duration)>>;

#[derive(Default)]
pub(crate) struct Cache(Mutex<HashMap<Question, (i64, Cell)>>);

impl Cache {
    /// The answer to a question, or to one that is alike: one that is fresh, one that is on its way, or
    /// a new one.
    pub(crate) async fn about(
        &self,
        source: &dyn Ask,
        question: &Question,
        now: i64,
    ) -> Result<Arc<Answer>, QueryError> {
        self.answer(source, alike(question, now), question, now).await
    }

    /// The same to this very question.
    pub(crate) async fn ask(
        &self,
        source: &dyn Ask,
        question: &Question,
        now: i64,
    ) -> Result<Arc<Answer>, QueryError> {
        self.answer(source, question.clone(), question, now).await
    }

    async fn answer(
        &self,
        source: &dyn Ask,
        key: Question,
        question: &Question,
        now: i64,
    ) -> Result<Arc<Answer>, QueryError> {
        let limits = QueryLimits { timeout: QUERY_TIMEOUT, rows: QUERY_ROWS };
        let answer = || async {
            let began = Instant::now();
            match source.ask(question, limits).await {
                Ok(answer) => Ok((Some(Arc::new(answer)), began.elapsed())),
                // It cost more than any answer.
                Err(QueryError::Timeout(_)) => Ok((None, began.elapsed())),
                // Another failure is not kept: whoever waits for the cell asks again.
                Err(error) => Err(error),
            }
        };
        let cell = self.cell(key, now);
        let (answer, _) = cell.get_or_try_init(answer).await?;
        answer.clone().ok_or(QueryError::Timeout(QUERY_TIMEOUT))
    }

    fn cell(&self, key: Question, now: i64) -> Cell {
        let mut answers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        answers.retain(|_, (asked, cell)| now - *asked < kept(cell));
        if answers.len() >= DASHBOARD_ANSWERS {
            return Cell::default();
        }
        answers.entry(key).or_insert_with(|| (now, Cell::default())).1.clone()
    }
}

/// For how many microseconds: what was dear for longer, what is on its way as long as it may take.
fn kept(cell: &Cell) -> i64 {
    let kept = cell.get().map_or(QUERY_TIMEOUT, |(_, took)| *took * DASHBOARD_SHARE);
    micros(kept.clamp(DASHBOARD_FRESH, DASHBOARD_KEPT))
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
    use questline_stores::saved::Saved;

    use super::*;

    const HOUR: i64 = 3_600_000_000;
    const NOW: i64 = 500_000 * HOUR;

    /// A warehouse that counts what it is asked, and takes its time.
    struct Counting(AtomicUsize, Duration);

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
    async fn what_is_dear_is_asked_seldom_and_so_is_what_takes_too_long() {
        tokio::time::pause();
        let day = |at| (NOW + at - 24 * HOUR, NOW + at, NOW + at);
        let slow = Counting(AtomicUsize::new(0), QUERY_TIMEOUT);
        let cache = Cache::default();
        let kept = micros(DASHBOARD_KEPT);
        for (at, asked) in [(0, 1), (kept - 1, 1), (kept, 2)] {
            let (from, to, now) = day(at);
            let answer = cache.about(&slow, &question(from, to), now).await;
            assert!(matches!(answer, Err(QueryError::Timeout(_))));
            assert_eq!(slow.0.load(Ordering::Relaxed), asked, "after {at} microseconds");
        }
    }

    #[tokio::test]
    async fn who_comes_while_it_is_on_its_way_waits_for_it() {
        let warehouse = Counting(AtomicUsize::new(0), Duration::from_millis(50));
        let cache = Cache::default();
        let question = question(NOW - HOUR, NOW);
        let asking = (0..8).map(|_| cache.ask(&warehouse, &question, NOW));
        for answer in futures_util::future::join_all(asking).await {
            assert!(answer.is_ok());
        }
        assert_eq!(warehouse.0.load(Ordering::Relaxed), 1);
    }
}
