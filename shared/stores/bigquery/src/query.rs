//! Questions and statements, in BigQuery's own text.

use std::time::Duration;

use async_trait::async_trait;
use google_cloud_bigquery::{
    builder::bigquery::Query,
    error::{QueryError as Failure, RowError},
    query::{CompleteQuery, Row, RowIterator},
};
use google_cloud_bigquery_v2::model::{DatasetReference, TableFieldSchema};
use google_cloud_gax::error::{Error as CallError, rpc::Code};
use questline_events::{
    limits::{QUERY_BYTES, STATEMENT_BYTES},
    time,
};
use questline_stores::{
    Cause,
    saved::{Ask, Question, Value},
    warehouse::{Answer, QueryError, QueryLimits, WarehouseError},
};
use serde_json::Value as Json;

use crate::{
    BigqueryWarehouse,
    values::{self, Bound},
};

/// Days that events may be late which are looked for where nothing is said: with the day itself as many
/// as [`QUERY_BYTES`] pays for.
const LATE_DAYS: i64 = 1;
/// Between two looks at what comes: each is paid for, by the bytes of all those days.
const PAUSE: Duration = Duration::from_secs(5);
/// BigQuery answers after this long, whether it is done or not.
const LONGEST_ANSWER: Duration = Duration::from_secs(200);

#[async_trait]
impl Ask for BigqueryWarehouse {
    fn pause(&self) -> Duration {
        PAUSE
    }

    fn slows(&self) -> bool {
        false
    }

    async fn ask(&self, question: &Question, limits: QueryLimits) -> Result<Answer, QueryError> {
        self.asked(question, limits, QUERY_BYTES).await
    }
}

impl BigqueryWarehouse {
    /// The answer to a question for which so many bytes may be billed.
    pub(crate) async fn asked(
        &self,
        question: &Question,
        limits: QueryLimits,
        bytes: i64,
    ) -> Result<Answer, QueryError> {
        let answer = self.answer(question, limits, bytes);
        let answered = tokio::time::timeout(limits.timeout, answer).await;
        answered.unwrap_or(Err(QueryError::Timeout(limits.timeout)))
    }

    /// A statement, to be sent. When nobody waits any more it ends there too.
    fn statement<'v>(
        &self,
        text: &str,
        values: impl IntoIterator<Item = (&'v str, Bound)>,
        limit: Duration,
        bytes: i64,
    ) -> Query {
        let millis = |limit: Duration| u32::try_from(limit.as_millis()).unwrap_or(u32::MAX);
        let dataset = DatasetReference::new()
            .set_project_id(&self.dataset.project)
            .set_dataset_id(&self.dataset.name);
        self.client
            .query(text)
            .set_default_dataset(dataset)
            .set_parameter_mode("NAMED")
            .set_query_parameters(values.into_iter().map(|(name, value)| value.named(name)))
            .set_timeout_ms(millis(limit.min(LONGEST_ANSWER)))
            .set_job_timeout_ms(i64::from(millis(limit)))
            .set_maximum_bytes_billed(bytes)
    }

    /// What a statement of ours gives, still to be read, in pages of so many rows.
    pub(crate) async fn answered(
        &self,
        text: &str,
        values: impl IntoIterator<Item = (&str, Bound)>,
        limit: Duration,
        page: Option<u32>,
    ) -> Result<CompleteQuery, WarehouseError> {
        let statement = self.statement(text, values, limit, STATEMENT_BYTES);
        let statement = statement.set_or_clear_page_size(page);
        let done = tokio::time::timeout(limit, statement.until_done()).await;
        let done = done.map_err(|late| WarehouseError::Unavailable(late.into()))?;
        done.map_err(|failure| self.unable(failed(failure, limit)))
    }

    /// Carries a statement of ours out.
    pub(crate) async fn run(
        &self,
        text: &str,
        values: impl IntoIterator<Item = (&str, Bound)>,
        limit: Duration,
    ) -> Result<(), WarehouseError> {
        self.answered(text, values, limit, None).await.map(|_| ())
    }

    /// The next row; none after the last.
    pub(crate) async fn next(&self, rows: &mut RowIterator) -> Result<Option<Row>, WarehouseError> {
        let row = rows.next().await.transpose();
        row.map_err(|error| self.unable(unreadable(error)))
    }

    /// All rows that a statement of ours gives, each as it is read.
    pub(crate) async fn look<T>(
        &self,
        text: &str,
        values: impl IntoIterator<Item = (&str, Bound)>,
        limit: Duration,
        read: impl Fn(&Row) -> Result<T, Cause>,
    ) -> Result<Vec<T>, WarehouseError> {
        let all = async {
            let mut rows = self.answered(text, values, limit, None).await?.read();
            let mut found = Vec::new();
            while let Some(row) = self.next(&mut rows).await? {
                found.push(read(&row).map_err(|other| self.damaged(other))?);
            }
            Ok(found)
        };
        let found = tokio::time::timeout(limit, all).await;
        found.unwrap_or_else(|late| Err(WarehouseError::Unavailable(late.into())))
    }

    /// The one row of a statement that always gives one.
    pub(crate) async fn one<T>(
        &self,
        text: &str,
        values: impl IntoIterator<Item = (&str, Bound)>,
        limit: Duration,
        read: impl Fn(&Row) -> Result<T, Cause>,
    ) -> Result<T, WarehouseError> {
        let row = self.look(text, values, limit, read).await?.into_iter().next();
        row.ok_or_else(|| self.damaged("a statement that gives one row has given none".into()))
    }

    /// What a statement of ours did not do: where its text is refused, the tables are others.
    pub(crate) fn unable(&self, error: QueryError) -> WarehouseError {
        let refused = matches!(&error, QueryError::Invalid(why) if !is_costly(why));
        if refused { self.damaged(error.into()) } else { WarehouseError::Unavailable(error.into()) }
    }

    async fn answer(
        &self,
        question: &Question,
        limits: QueryLimits,
        bytes: i64,
    ) -> Result<Answer, QueryError> {
        let values = question.values.iter().map(|(name, value)| match (*name, value) {
            (name @ "late_days", Value::Integer(None)) => (name, values::integer(LATE_DAYS)),
            (name, value) => (name, bound(value)),
        });
        let asked = self.statement(question.bigquery, values, limits.timeout, bytes);
        let done = asked.until_done().await.map_err(|failure| failed(failure, limits.timeout))?;
        let fields = fields(&done);
        let columns = fields.iter().map(|field| field.name.clone()).collect();
        let mut answer = Answer { columns, rows: Vec::new() };
        let mut rows = done.read();
        while let Some(row) = rows.next().await {
            if answer.rows.len() == limits.rows {
                return Err(QueryError::TooManyRows(limits.rows));
            }
            answer.rows.push(row.and_then(|row| cells(row, &fields)).map_err(unreadable)?);
        }
        Ok(answer)
    }
}

/// The columns of an answer.
pub(crate) fn fields(done: &CompleteQuery) -> Vec<TableFieldSchema> {
    done.metadata().schema.clone().unwrap_or_default().fields
}

/// A row as every warehouse of the house gives it.
pub(crate) fn cells(mut row: Row, fields: &[TableFieldSchema]) -> Result<Vec<Json>, RowError> {
    let cell = |(at, field)| row.take(at).map(|value| shown(value, field));
    fields.iter().enumerate().map(cell).collect()
}

fn bound(value: &Value) -> Bound {
    match value {
        Value::Text(text) => values::text(text.as_deref()),
        Value::Integer(number) => values::integer(*number),
        Value::Moment(micros) => values::moment(*micros),
    }
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

fn failed(failure: Failure, limit: Duration) -> QueryError {
    match failure {
        Failure::JobFailed { errors, .. } => {
            let first = errors.into_iter().next().unwrap_or_default();
            match &*first.reason {
                "stopped" | "timeout" => QueryError::Timeout(limit),
                "backendError"
                | "jobBackendError"
                | "internalError"
                | "jobInternalError"
                | "rateLimitExceeded"
                | "jobRateLimitExceeded"
                | "quotaExceeded"
                | "accessDenied" => QueryError::Unavailable(first.message.into()),
                _ if is_passing(&first.message) => QueryError::Unavailable(first.message.into()),
                _ => QueryError::Invalid(first.message),
            }
        }
        Failure::Rpc { source, .. } => called(source),
        other => QueryError::Unavailable(other.into()),
    }
}

/// Somebody else was changing the same table, or has written rows that cannot be changed yet. BigQuery
/// tells it as if the text were at fault.
fn is_passing(message: &str) -> bool {
    ["due to concurrent update", "in the streaming buffer"]
        .iter()
        .any(|sign| message.contains(sign))
}

/// It would read more than may be billed for it, and was not begun. BigQuery tells it as a fault of its
/// own.
fn is_costly(message: &str) -> bool {
    message.contains("exceeded limit for bytes billed")
}

/// What BigQuery says of the question is for whoever asked; all else is between it and the operator.
fn called(error: CallError) -> QueryError {
    match error.status() {
        Some(status)
            if is_costly(&status.message)
                || matches!(status.code, Code::InvalidArgument | Code::NotFound)
                    && !is_passing(&status.message) =>
        {
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
