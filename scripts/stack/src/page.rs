//! `/`: live figures and links, for a person who has just started the stack.

use std::sync::Arc;

use axum::{
    Json, Router,
    http::header,
    response::{Html, IntoResponse as _},
    routing::get,
};
use questline_runtime::metrics::Metrics;
use serde_json::json;

use crate::{figures::Figures, processing::Warehouse};

pub(crate) fn routes(metrics: Arc<Metrics>, warehouse: Warehouse) -> Router {
    let figures = move || {
        let open = warehouse.get().is_some();
        let figures = json!({ "figures": Figures::of(&metrics), "warehouse_open": open });
        async move { Json(figures) }
    };
    let script =
        || async { ([(header::CONTENT_TYPE, "text/javascript")], include_str!("page.js")) };
    Router::new()
        .route("/figures.json", get(figures))
        .route("/page.js", get(script))
        .route("/", get(index))
}

async fn index() -> axum::response::Response {
    // The page runs its own script and nothing else.
    let policy =
        "default-src 'none'; connect-src 'self'; script-src 'self'; style-src 'unsafe-inline'";
    let script = [(header::CONTENT_SECURITY_POLICY, policy)];
    (script, Html(include_str!("index.html"))).into_response()
}
