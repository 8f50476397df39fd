//! The dashboard over the stack's own warehouse, at `/`.

use std::sync::Arc;

use async_trait::async_trait;
use axum::Router;
use questline_dashboard::{Config, Form, Viewers};
use questline_events::Rules;
use questline_runtime::{CancellationToken, clock::SystemClock, metrics::Metrics};
use questline_stores::{
    saved::{Ask, Question},
    warehouse::{Answer, QueryError, QueryLimits},
};

use crate::{arguments::LOCAL, operator::OPENING, processing::Warehouse};

pub(crate) fn routes(
    metrics: Arc<Metrics>,
    warehouse: Warehouse,
    rules: Arc<Rules>,
    stop: CancellationToken,
) -> Router {
    questline_dashboard::routes(Config {
        source: Arc::new(Opening(warehouse)),
        metrics: Some(metrics),
        rules,
        form: Some(Form { ingest: String::new(), key: LOCAL.to_owned() }),
        viewers: Viewers::Local,
        clock: SystemClock::shared(),
        stop,
    })
}

/// The warehouse, which may be opened after the page.
pub(crate) struct Opening(pub(crate) Warehouse);

#[async_trait]
impl Ask for Opening {
    async fn ask(&self, question: &Question, limits: QueryLimits) -> Result<Answer, QueryError> {
        match self.0.get() {
            Some(warehouse) => warehouse.ask(question, limits).await,
            None => Err(QueryError::Unavailable(OPENING.into())),
        }
    }
}
