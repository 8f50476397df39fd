//! Answers to saved questions, for the page and as CSV.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, Query, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use questline_events::limits::RETRY_AFTER;
use questline_runtime::problem::Problem;
use questline_stores::{
    saved::{Saved, Unusable},
    warehouse::{Answer, QueryError},
};
use serde_json::{Value, json};

use crate::{letters, state::Dashboard};

pub(crate) type Given = Query<Vec<(String, String)>>;

/// `GET /api/ask/NAME?PARAMETER=VALUE`, as CSV where the name ends so.
pub(crate) async fn ask(
    State(dashboard): State<Arc<Dashboard>>,
    Path(name): Path<String>,
    Query(given): Given,
) -> Response {
    let (name, as_csv) = match name.strip_suffix(".csv") {
        Some(name) => (name, true),
        None => (&*name, false),
    };
    match answer(&dashboard, name, &given).await {
        Ok((answer, _)) if as_csv => csv(&answer, name),
        Ok((answer, age)) => {
            let answer = json!({ "columns": answer.columns, "rows": answer.rows, "age": age });
            Json(answer).into_response()
        }
        Err(problem) => problem.into_response(),
    }
}

/// The answer, and its age in seconds.
async fn answer(
    dashboard: &Dashboard,
    name: &str,
    given: &[(String, String)],
) -> Result<(Arc<Answer>, i64), Problem> {
    let now = dashboard.config.clock.now_micros();
    let given = given.iter().map(|(name, value)| (&**name, &**value));
    let question = Saved::named(name).and_then(|saved| saved.ask(given, now)).map_err(unusable)?;
    let asked = dashboard.cache.about(&*dashboard.config.source, &question, now).await;
    let (answer, asked) = asked.map_err(failed)?;
    let age = (now - asked).max(0) / 1_000_000;
    if name == "events_dlq/samples" {
        return Ok((Arc::new(letters::judged(&answer, &dashboard.config.rules)), age));
    }
    Ok((answer, age))
}

pub(crate) fn unusable(error: Unusable) -> Problem {
    let (status, kind) = match error {
        Unusable::Unknown(_) => (StatusCode::NOT_FOUND, "question"),
        Unusable::NoParameter { .. } | Unusable::Form { .. } => {
            (StatusCode::BAD_REQUEST, "parameter")
        }
    };
    Problem::new(status, kind, error.to_string())
}

fn failed(error: QueryError) -> Problem {
    let detail = error.to_string();
    match error {
        QueryError::Unavailable(cause) => {
            let detail = format!("{detail}: {cause}");
            Problem::new(StatusCode::SERVICE_UNAVAILABLE, "warehouse", detail)
                .header("retry-after", RETRY_AFTER.as_secs())
        }
        QueryError::Timeout(_) => Problem::new(StatusCode::GATEWAY_TIMEOUT, "timeout", detail),
        QueryError::TooManyRows(_) | QueryError::Invalid(_) => {
            Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "query", detail)
        }
    }
}

fn csv(answer: &Answer, name: &str) -> Response {
    let mut writer = csv::Writer::from_writer(Vec::new());
    let header = writer.write_record(&answer.columns);
    let rows = answer.rows.iter().map(|row| row.iter().map(cell).collect::<Vec<_>>());
    let written =
        header.and_then(|()| rows.into_iter().try_for_each(|row| writer.write_record(row)));
    let text = written.ok().and_then(|()| writer.into_inner().ok()).unwrap_or_default();
    let file = format!("attachment; filename=\"{}.csv\"", name.replace('/', "-"));
    let kind = "text/csv; charset=utf-8".to_owned();
    ([(header::CONTENT_TYPE, kind), (header::CONTENT_DISPOSITION, file)], text).into_response()
}

/// A spreadsheet takes a text that begins so for a formula, and runs it.
fn cell(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) if text.starts_with(['=', '+', '-', '@', '\t', '\r']) => {
            format!("'{text}")
        }
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_is_no_formula() {
        assert_eq!(cell(&json!("=HYPERLINK(\"x\")")), "'=HYPERLINK(\"x\")");
        assert_eq!(cell(&json!(-1)), "-1");
        assert_eq!(cell(&json!(null)), "");
        assert_eq!(cell(&json!("a=b")), "a=b");
    }
}
