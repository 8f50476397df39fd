//! Answers of the last seconds: however many look at the page, a question is asked once.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use questline_events::limits::{DASHBOARD_ANSWERS, DASHBOARD_FRESH, QUERY_ROWS, QUERY_TIMEOUT};
use questline_stores::{
    saved::{Ask, Question},
    warehouse::{Answer, QueryError, QueryLimits},
};
use tokio::sync::OnceCell;

type Cell = Arc<OnceCell<Arc<Answer>>>;

#[derive(Default)]
pub(crate) struct Cache(Mutex<HashMap<Question, (i64, Cell)>>);

impl Cache {
    /// The answer to a question: one that is fresh, one that is on its way, or a new one.
    pub(crate) async fn ask(
        &self,
        source: &dyn Ask,
        question: &Question,
        now: i64,
    ) -> Result<Arc<Answer>, QueryError> {
        let limits = QueryLimits { timeout: QUERY_TIMEOUT, rows: QUERY_ROWS };
        let answer = || async { source.ask(question, limits).await.map(Arc::new) };
        // A failure is not kept: whoever waits for the cell asks again.
        self.cell(question, now).get_or_try_init(answer).await.cloned()
    }

    fn cell(&self, question: &Question, now: i64) -> Cell {
        let mut answers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let fresh = i64::try_from(DASHBOARD_FRESH.as_micros()).unwrap_or(i64::MAX);
        answers.retain(|_, (asked, _)| now - *asked < fresh);
        if answers.len() >= DASHBOARD_ANSWERS {
            return Cell::default();
        }
        answers.entry(question.clone()).or_insert_with(|| (now, Cell::default())).1.clone()
    }
}
