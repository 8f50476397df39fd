//! What the page asks for.

use std::{convert::Infallible, sync::Arc};

use axum::{
    Json, Router,
    extract::{Query, State},
    http::{HeaderValue, StatusCode},
    middleware,
    response::{
        IntoResponse as _, Response,
        sse::{Event, KeepAlive, Sse},
    },
    routing::{any, get},
};
use futures_util::{Stream, StreamExt as _, stream};
use questline_events::{
    Reason,
    limits::{DASHBOARD_STREAM, DASHBOARD_STREAMS},
};
use questline_runtime::problem::Problem;
use serde_json::json;
use tokio::sync::OwnedSemaphorePermit;

use crate::{
    Config,
    answers::{self, Given, unusable},
    assets,
    browser::Browser,
    guard::{guard, policy},
    sent,
    state::Dashboard,
};

/// The routes of the page. Figures are looked at from now on, until its token ends it.
pub fn routes(config: Config) -> Router {
    let ingest = config.form.as_ref().map_or("", |form| form.ingest.as_str());
    let policy = HeaderValue::from_str(&policy(ingest));
    let policy = policy.unwrap_or_else(|_| HeaderValue::from_static("default-src 'none'"));
    let dashboard = Arc::new(Dashboard::new(config, policy));
    if let Some(metrics) = dashboard.config.metrics.clone() {
        let dashboard = dashboard.clone();
        tokio::spawn(async move {
            let (stop, clock) = (dashboard.config.stop.clone(), dashboard.config.clock.clone());
            let beating = dashboard.figures.beat(&metrics, || clock.now_micros());
            stop.run_until_cancelled(beating).await;
        });
    }
    Router::new()
        .route("/", get(assets::index))
        .route("/docs", get(assets::docs))
        .route("/page/{*file}", get(assets::file))
        .route("/api/page", get(page))
        .route("/api/ask/{*name}", get(answers::ask))
        .route("/api/record", get(sent::record))
        .route("/api/pulse", get(pulse))
        .route("/api/events", get(events))
        .route("/api/{*nothing}", any(nothing))
        .layer(middleware::from_fn_with_state(dashboard.clone(), guard))
        .with_state(dashboard)
}

async fn nothing() -> Response {
    let detail = "there are /api/page, /api/ask/NAME, /api/record, /api/pulse and /api/events";
    Problem::new(StatusCode::NOT_FOUND, "route", detail).into_response()
}

/// What the page has to know once.
async fn page(State(dashboard): State<Arc<Dashboard>>) -> Response {
    let Config { rules, form, metrics, sent, .. } = &dashboard.config;
    let types: Vec<_> = rules.registry.names();
    // Ingest tells how events are sent; it is elsewhere where it is not at the page's own address.
    let docs = form.as_ref().map(|form| match form.ingest.trim_end_matches('/') {
        "" => "/docs".to_owned(),
        ingest => format!("{ingest}/openapi.json"),
    });
    let reasons: Vec<_> = Reason::ALL.iter().map(|reason| reason.as_str()).collect();
    let form = form.as_ref().map(|form| json!({ "ingest": form.ingest, "key": form.key }));
    let page = json!({
        "version": env!("CARGO_PKG_VERSION"),
        "types": types,
        "reasons": reasons,
        "form": form,
        "docs": docs,
        "metrics": metrics.is_some(),
        "pulse": metrics.is_some(),
        "records": sent.is_some(),
    });
    Json(page).into_response()
}

/// The last minutes at once, then every second.
async fn pulse(State(dashboard): State<Arc<Dashboard>>) -> Response {
    if dashboard.config.metrics.is_none() {
        let detail = "this process neither ingests nor processes: its figures are elsewhere";
        return Problem::new(StatusCode::NOT_FOUND, "pulse", detail).into_response();
    }
    let Some(place) = dashboard.place() else { return crowded() };
    let (past, news) = dashboard.figures.listen();
    let past = stream::once(async move { Event::default().event("past").json_data(past) });
    let news = stream::unfold(news, |mut news| async move {
        loop {
            match news.recv().await {
                Ok(sample) => return Some((Event::default().json_data(sample), news)),
                // Whoever is slow misses some seconds.
                Err(tokio::sync::broadcast::error::RecvError::Lagged(_)) => {}
                Err(tokio::sync::broadcast::error::RecvError::Closed) => return None,
            }
        }
    });
    live(&dashboard, place, past.chain(news).filter_map(|event| async { event.ok() }))
}

/// Events that fit the filters, as they become rows or dead letters.
async fn events(State(dashboard): State<Arc<Dashboard>>, Query(given): Given) -> Response {
    let now = dashboard.config.clock.now_micros();
    let browser = match Browser::new(given, now) {
        Ok(browser) => browser,
        Err(error) => return unusable(error).into_response(),
    };
    let Some(place) = dashboard.place() else { return crowded() };
    let looks = stream::unfold(
        (browser, dashboard.clone(), Told::Nothing),
        |(browser, dashboard, told)| next_look(browser, dashboard, told),
    );
    live(&dashboard, place, looks.filter_map(|event| async { event.ok() }))
}

/// What whoever listens was told last.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Told {
    Nothing,
    Broken,
    Events,
}

/// Looks until there is something to tell. The first look is told even if it finds nothing, and so is
/// the first one that works again.
async fn next_look(
    mut browser: Browser,
    dashboard: Arc<Dashboard>,
    told: Told,
) -> Option<(Result<Event, axum::Error>, (Browser, Arc<Dashboard>, Told))> {
    loop {
        if told != Told::Nothing {
            tokio::time::sleep(browser.pause(&dashboard)).await;
        }
        let (event, told) = match browser.look(&dashboard).await {
            Ok(answer) if answer.rows.is_empty() && told == Told::Events => continue,
            Ok(answer) => {
                let answer = json!({ "columns": answer.columns, "rows": answer.rows });
                (Event::default().json_data(answer), Told::Events)
            }
            Err(error) => {
                (Event::default().event("broken").json_data(error.to_string()), Told::Broken)
            }
        };
        return Some((event, (browser, dashboard, told)));
    }
}

/// Ends with the process, and gives its place back.
fn live(
    dashboard: &Dashboard,
    place: OwnedSemaphorePermit,
    events: impl Stream<Item = Event> + Send + 'static,
) -> Response {
    let stop = dashboard.config.stop.clone();
    let end = async move {
        stop.run_until_cancelled(tokio::time::sleep(DASHBOARD_STREAM)).await;
    };
    // Whoever listens knows that this is no failure.
    let again = stream::once(async { Event::default().event("again").data("null") });
    let events = events.take_until(end).chain(again).map(move |event| {
        _ = &place;
        Ok::<_, Infallible>(event)
    });
    Sse::new(events).keep_alive(KeepAlive::default()).into_response()
}

fn crowded() -> Response {
    let detail = format!("{DASHBOARD_STREAMS} streams are open already: close another page");
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, "streams", detail).into_response()
}
