//! Saved questions, in BigQuery's own text.

use async_trait::async_trait;
use google_cloud_bigquery::error::{QueryError as Failure, RowError};
use google_cloud_bigquery_v2::model::{
    DatasetReference, QueryParameter, QueryParameterType, QueryParameterValue, TableFieldSchema,
};
use google_cloud_gax::error::{Error as CallError, rpc::Code};
use questline_events::{limits::QUERY_BYTES, time};
use questline_stores::{
    saved::{Ask, Question, Value},
    warehouse::{Answer, QueryError, QueryLimits},
};
use serde_json::Value as Json;

use crate::BigqueryWarehouse;

#[async_trait]
impl Ask for BigqueryWarehouse {
    async fn ask(&self, question: &Question, limits: QueryLimits) -> Result<Answer, QueryError> {
        let answered = tokio::time::timeout(limits.timeout, self.answer(question, limits)).await;
        answered.unwrap_or(Err(QueryError::Timeout(limits.timeout)))
    }
}

impl BigqueryWarehouse {
    async fn answer(&self, question: &Question, limits: QueryLimits) -> Result<Answer, QueryError> {
        let millis = u32::try_from(limits.timeout.as_millis()).unwrap_or(u32::MAX);
        let dataset = DatasetReference::new()
            .set_project_id(&self.dataset.project)
            .set_dataset_id(&self.dataset.name);
        let asked = self
            .client
            .query(question.bigquery)
            .set_default_dataset(dataset)
            .set_parameter_mode("NAMED")
            .set_query_parameters(question.values.iter().map(|(name, v)| parameter(name, v)))
            .set_maximum_bytes_billed(QUERY_BYTES)
            .set_timeout_ms(millis)
            // When nobody waits any more it ends there too.
            .set_job_timeout_ms(i64::from(millis));
        let done = asked.until_done().await.map_err(|failure| failed(failure, limits))?;
        let fields = done.metadata().schema.clone().unwrap_or_default().fields;
        let columns = fields.iter().map(|field| field.name.clone()).collect();
        let mut answer = Answer { columns, rows: Vec::new() };
        let mut rows = done.read();
        while let Some(row) = rows.next().await {
            if answer.rows.len() == limits.rows {
                return Err(QueryError::TooManyRows(limits.rows));
            }
            let mut row = row.map_err(unreadable)?;
            let mut cell = |(at, field): (usize, &TableFieldSchema)| {
                row.take(at).map(|value| shown(value, field)).map_err(unreadable)
            };
            answer.rows.push(fields.iter().enumerate().map(&mut cell).collect::<Result<_, _>>()?);
        }
        Ok(answer)
    }
}

/// BigQuery takes every value as a text, beside its type.
fn parameter(name: &str, value: &Value) -> QueryParameter {
    let (kind, text) = match value {
        Value::Text(text) => ("STRING", text.clone()),
        Value::Integer(number) => ("INT64", number.map(|number| number.to_string())),
        Value::Moment(micros) => ("TIMESTAMP", Some(time::text(*micros))),
    };
    let mut value = QueryParameterValue::new();
    value.value = text;
    QueryParameter::new()
        .set_name(name)
        .set_parameter_type(QueryParameterType::new().set_type(kind))
        .set_parameter_value(value)
}

/// A value as every warehouse of the house gives it: moments as RFC 3339, money as a number.
fn shown(value: Json, field: &TableFieldSchema) -> Json {
    match (&*field.r#type, value) {
        ("TIMESTAMP", Json::String(micros)) => {
            micros.parse().map_or(Json::String(micros), |micros| time::text(micros).into())
        }
        ("NUMERIC" | "BIGNUMERIC", Json::String(text)) => {
            serde_json::from_str::<serde_json::Number>(&text)
                .map_or(Json::String(text), Json::Number)
        }
        (_, Json::Array(values)) => values.into_iter().map(|value| shown(value, field)).collect(),
        (_, value) => value,
    }
}

fn failed(failure: Failure, limits: QueryLimits) -> QueryError {
    match failure {
        Failure::JobFailed { errors, .. } => {
            let first = errors.into_iter().next().unwrap_or_default();
            match &*first.reason {
                "stopped" | "timeout" => QueryError::Timeout(limits.timeout),
                "backendError" | "internalError" | "rateLimitExceeded" | "accessDenied" => {
                    QueryError::Unavailable(first.message.into())
                }
                _ => QueryError::Invalid(first.message),
            }
        }
        Failure::Rpc { source, .. } => called(source),
        other => QueryError::Unavailable(other.into()),
    }
}

/// What BigQuery says of the question is for whoever asked; all else is between it and the operator.
fn called(error: CallError) -> QueryError {
    match error.status() {
        Some(status) if matches!(status.code, Code::InvalidArgument | Code::NotFound) => {
            QueryError::Invalid(status.message.clone())
        }
        _ => QueryError::Unavailable(error.into()),
    }
}

fn unreadable(error: RowError) -> QueryError {
    match error {
        RowError::Rpc { source, .. } => called(source),
        other => QueryError::Unavailable(other.into()),
    }
}
