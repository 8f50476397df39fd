//! Operator routes: for the commands of this machine's user, and nobody else.

use std::{
    net::SocketAddr,
    sync::{Arc, OnceLock},
    time::{Duration, Instant},
};

use axum::{
    Json, Router,
    body::Bytes,
    extract::{Request, State},
    http::{HeaderMap, StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse as _, Response},
    routing::post,
};
use questline_client::Answer;
use questline_dlq_reprocess::Reprocess;
use questline_environment::Rulebook;
use questline_events::limits::{QUERY_ROWS, QUERY_TIMEOUT};
use questline_ingest::Ingest;
use questline_process::replay::Replay;
use questline_runtime::{
    clock::{SystemClock, now_micros},
    problem::Problem,
};
use questline_stores::{
    Topic,
    log::Log,
    replay::Past,
    saved::{Ask as _, Saved},
    warehouse::{self, Query as _, QueryError, QueryLimits},
};
use serde::Deserialize;
use serde_json::json;

use crate::{
    days::Days,
    processing::{Warehouse, reach},
};

pub(crate) struct Operator {
    pub(crate) token: String,
    pub(crate) address: SocketAddr,
    pub(crate) ingest: Arc<Ingest>,
    pub(crate) log: Arc<dyn Log>,
    pub(crate) warehouse: Warehouse,
    pub(crate) made: Made,
    pub(crate) past: Arc<dyn Past>,
    pub(crate) rulebook: Rulebook,
    pub(crate) days: Days,
}

/// Made with the first request: the warehouse may be opened after the routes.
#[derive(Default)]
pub(crate) struct Made {
    reprocess: OnceLock<Reprocess>,
    replay: OnceLock<Arc<Replay>>,
}

pub(crate) fn routes(operator: Operator) -> Router {
    let operator = Arc::new(operator);
    Router::new()
        .route("/operator/query", post(query))
        .route("/operator/saved", post(saved))
        .route("/operator/settle", post(settle))
        .route("/operator/reprocess", post(reprocess))
        .route("/operator/replay", post(replay))
        .route("/operator/daily", post(daily))
        .layer(middleware::from_fn_with_state(operator.clone(), guard))
        .with_state(operator)
}

/// A web page in the same browser has no token; a name that was made to point here is not this
/// Host; a request that a browser makes for a page carries its Origin.
async fn guard(State(operator): State<Arc<Operator>>, request: Request, next: Next) -> Response {
    let headers = request.headers();
    let port = operator.address.port();
    let hosts = [format!("127.0.0.1:{port}"), format!("localhost:{port}")];
    let ours = |name, prefix: &str| {
        let value = headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
        value.strip_prefix(prefix).is_some_and(|host| hosts.iter().any(|ours| ours == host))
    };
    let foreign = !ours(header::HOST, "")
        || (headers.contains_key(header::ORIGIN) && !ours(header::ORIGIN, "http://"));
    if foreign {
        let detail = "operator routes are for this machine only";
        return Problem::new(StatusCode::FORBIDDEN, "foreign", detail).into_response();
    }
    if !has_token(headers, &operator.token) {
        let detail = "the operator's token is in the data directory: operator.token";
        return Problem::new(StatusCode::UNAUTHORIZED, "operator_token", detail).into_response();
    }
    next.run(request).await
}

fn has_token(headers: &HeaderMap, token: &str) -> bool {
    let bearer = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    bearer.and_then(|bearer| bearer.strip_prefix("Bearer ")) == Some(token)
}

#[derive(Deserialize)]
struct Sql {
    sql: String,
}

const LIMITS: QueryLimits = QueryLimits { timeout: QUERY_TIMEOUT, rows: QUERY_ROWS };

async fn query(State(operator): State<Arc<Operator>>, Json(Sql { sql }): Json<Sql>) -> Response {
    let Some(warehouse) = operator.warehouse.get() else { return unavailable(OPENING) };
    told(warehouse.query(&sql, LIMITS).await)
}

#[derive(Deserialize)]
struct Asked {
    name: String,
    values: Vec<(String, String)>,
}

async fn saved(State(operator): State<Arc<Operator>>, Json(asked): Json<Asked>) -> Response {
    let Some(warehouse) = operator.warehouse.get() else { return unavailable(OPENING) };
    let values = asked.values.iter().map(|(name, value)| (&**name, &**value));
    match Saved::named(&asked.name).and_then(|saved| saved.ask(values, now_micros())) {
        Ok(question) => told(warehouse.ask(&question, LIMITS).await),
        Err(error) => {
            Problem::new(StatusCode::BAD_REQUEST, "saved", error.to_string()).into_response()
        }
    }
}

fn told(answer: Result<warehouse::Answer, QueryError>) -> Response {
    match answer {
        Ok(answer) => Json(Answer { columns: answer.columns, rows: answer.rows }).into_response(),
        Err(QueryError::Unavailable(cause)) => unavailable(&cause.to_string()),
        Err(error) => {
            let detail = error.to_string();
            Problem::new(StatusCode::BAD_REQUEST, "query", detail).into_response()
        }
    }
}

async fn reprocess(State(operator): State<Arc<Operator>>, body: Bytes) -> Response {
    let Some(warehouse) = operator.warehouse.get() else { return unavailable(OPENING) };
    let reprocess = operator.made.reprocess.get_or_init(|| {
        let (log, rules) = (operator.log.clone(), operator.rulebook.rules.clone());
        Reprocess::new(Arc::new(warehouse.clone()), log, rules, SystemClock::shared())
    });
    questline_dlq_reprocess::answer(reprocess, &body).await
}

async fn replay(State(operator): State<Arc<Operator>>, body: Bytes) -> Response {
    let Some(warehouse) = operator.warehouse.get() else { return unavailable(OPENING) };
    let replay = operator.made.replay.get_or_init(|| {
        Arc::new(Replay::new(
            operator.rulebook.clone(),
            operator.log.clone(),
            operator.past.clone(),
            Arc::new(warehouse.clone()),
            SystemClock::shared(),
        ))
    });
    questline_process::replay::answer(replay.clone(), &body).await
}

async fn daily(State(operator): State<Arc<Operator>>, body: Bytes) -> Response {
    let Some(daily) = operator.days.run() else { return unavailable(OPENING) };
    questline_daily_aggregate::answer(daily, &body).await
}

/// After a crash that may take a moment.
pub(crate) const OPENING: &str = "the warehouse is still being opened: try again in a moment";

fn unavailable(detail: &str) -> Response {
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, "warehouse", detail).into_response()
}

#[derive(Deserialize)]
struct Deadline {
    deadline_ms: u64,
}

/// Has the running minute's pages written, waits until all that is in the log is processed, and notes
/// which closed days that has changed.
async fn settle(
    State(operator): State<Arc<Operator>>,
    Json(Deadline { deadline_ms }): Json<Deadline>,
) -> Response {
    let until = Instant::now() + Duration::from_millis(deadline_ms);
    let settled = async {
        // A log that is away comes back, with any luck before the time is up.
        let ends = loop {
            if operator.ingest.write_pages(true).await
                && let Ok(ends) = operator.log.ends(Topic::Raw).await
            {
                break ends;
            }
            if Instant::now() >= until {
                return false;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        };
        let left = until.saturating_duration_since(Instant::now());
        if !reach(&*operator.log, &ends, left).await {
            return false;
        }
        // Minutes of days that were closed before are read from the parts again.
        match operator.days.run() {
            Some(daily) => daily.note().await.is_ok(),
            None => true,
        }
    };
    Json(json!({ "settled": settled.await })).into_response()
}
