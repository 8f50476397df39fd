//! The dashboard over the stack's own warehouse, at `/`.

use std::{future::ready, sync::Arc};

use async_trait::async_trait;
use axum::Router;
use questline_dashboard::{Config, Form, Sent, Viewers};
use questline_events::Rules;
use questline_runtime::{CancellationToken, clock::SystemClock, metrics::Metrics};
use questline_stores::{
    log::{Log, Reader},
    saved::{Ask, Question},
    warehouse::{Answer, QueryError, QueryLimits},
};

use crate::{arguments::LOCAL, operator::OPENING, processing::Warehouse};

pub(crate) fn routes(
    metrics: Arc<Metrics>,
    warehouse: Warehouse,
    log: Arc<dyn Log>,
    rules: Arc<Rules>,
    stop: CancellationToken,
) -> Router {
    questline_dashboard::routes(Config {
        source: Arc::new(Opening(warehouse)),
        sent: Some(Sent::new(move || ready(Ok(log.clone() as Arc<dyn Reader>)))),
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
