//! Tables by the Storage Write API: committed streams with offsets for batches that are declared,
//! each table's default stream for rows of no batch.

use std::{collections::HashMap, future::Future, ops::Range, sync::Arc};

use arrow_array::RecordBatch;
use arrow_schema::{ArrowError, Schema, SchemaRef};
use async_trait::async_trait;
use google_cloud_bigquery::{
    client::Write,
    error::{AppendError, WriterBuilderError},
    model::{ArrowSchema, RowError},
    write::{CommittedWriter, DefaultWriter, format::Arrow},
};
use google_cloud_bigquery_v2::client::TableService;
use google_cloud_gax::error::{Error as CallError, rpc::Code};
use questline_events::{
    limits::{APPEND_BYTES, STREAM_BATCH_BYTES, STREAM_BATCH_RECORDS, WAREHOUSE_CALL},
    row::{self, EventRows},
};
use questline_stores::{
    Cause,
    declared::{Appended, Declared, Streams},
    warehouse::{BatchLimits, LedgerState, Place, Settled, WarehouseError},
};
use tokio::sync::Mutex;

use crate::{BigqueryWarehouse, arrow, questions};

/// The tables of a dataset, to be written.
pub struct BigqueryStreams {
    pub(crate) asked: BigqueryWarehouse,
    write: Write,
    /// Connections by their streams' names.
    committed: Mutex<HashMap<String, Arc<CommittedWriter<Arrow>>>>,
    /// Connections by table.
    default: Mutex<HashMap<String, Arc<DefaultWriter<Arrow>>>>,
}

impl BigqueryWarehouse {
    /// Processing's side of the warehouse, by what the environment says under the names of its
    /// variables.
    ///
    /// # Errors
    /// If there is no identity, or a table is not there or of another release.
    pub async fn streams(
        &self,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Declared<BigqueryStreams>, WarehouseError> {
        Ok(Declared::new(self.writer(variable, &row::written()).await?))
    }

    /// Some tables, to be written, which must have these columns.
    pub(crate) async fn writer(
        &self,
        variable: impl Fn(&str) -> Option<String>,
        written: &[(&str, SchemaRef)],
    ) -> Result<BigqueryStreams, WarehouseError> {
        let unusable = |cause: Cause| self.damaged(cause);
        let emulator = variable("QUESTLINE_BIGQUERY_GRPC");
        let account = variable("QUESTLINE_GOOGLE_CREDENTIALS");
        let credentials = crate::credentials(emulator.is_some(), account.as_deref())
            .map_err(|error| unusable(error.into()))?;
        let mut builder = Write::builder().with_credentials(credentials.clone());
        if let Some(address) = emulator {
            builder = builder.with_endpoint(address);
        }
        let write = builder.build().await.map_err(|error| unusable(error.into()))?;
        let mut builder = TableService::builder().with_credentials(credentials);
        if let Some(address) = variable("QUESTLINE_BIGQUERY_REST") {
            builder = builder.with_endpoint(address);
        }
        let tables = builder.build().await.map_err(|error| unusable(error.into()))?;
        self.fits(&tables, written).await?;
        let (committed, default) = (Mutex::default(), Mutex::default());
        Ok(BigqueryStreams { asked: self.clone(), write, committed, default })
    }

    /// Whether the tables are as this release writes them: more columns that may be NULL are well.
    async fn fits(
        &self,
        service: &TableService,
        written: &[(&str, SchemaRef)],
    ) -> Result<(), WarehouseError> {
        for (table, schema) in written {
            let asked = service
                .get_table()
                .set_project_id(&self.dataset.project)
                .set_dataset_id(&self.dataset.name)
                .set_table_id(*table);
            let found = match in_time(asked.send()).await? {
                Ok(found) => found.schema.unwrap_or_default().fields,
                Err(error) if code(&error) == Some(Code::NotFound) => {
                    return Err(self.damaged(format!("there is no table `{table}`").into()));
                }
                Err(error) => return Err(unavailable(error)),
            };
            let wrong = |name: &str, what: &str| {
                Err(self.damaged(format!("the column `{name}` of `{table}` {what}").into()))
            };
            for field in schema.fields() {
                match found.iter().find(|column| column.name == *field.name()) {
                    None => return wrong(field.name(), "is not there"),
                    Some(column) if !arrow::names(field.data_type()).contains(&&*column.r#type) => {
                        return wrong(field.name(), &format!("is {}", column.r#type));
                    }
                    Some(_) => {}
                }
            }
            let ours = |name: &str| schema.field_with_name(name).is_ok();
            let more = found.iter().find(|column| column.mode == "REQUIRED" && !ours(&column.name));
            if let Some(more) = more {
                return wrong(&more.name, "must have a value, and this release has none for it");
            }
        }
        Ok(())
    }

    pub(crate) fn damaged(&self, cause: Cause) -> WarehouseError {
        WarehouseError::Damaged { place: self.dataset.to_string(), cause }
    }
}

impl BigqueryStreams {
    fn table(&self, table: &str) -> String {
        let dataset = &self.asked.dataset;
        format!("projects/{}/datasets/{}/tables/{table}", dataset.project, dataset.name)
    }

    fn stream(&self, table: &str, stream: &str) -> String {
        format!("{}/streams/{stream}", self.table(table))
    }

    /// A connection to a stream that was made, here or by somebody else.
    async fn attached(
        &self,
        table: &str,
        stream: &str,
    ) -> Result<Option<Arc<CommittedWriter<Arrow>>>, WarehouseError> {
        let name = self.stream(table, stream);
        let mut committed = self.committed.lock().await;
        if let Some(writer) = committed.get(&name) {
            return Ok(Some(writer.clone()));
        }
        let schema = self.schema(table)?;
        let attach = self.write.attach_to_stream(&name).build_arrow(schema);
        match in_time(attach).await? {
            Ok(writer) => {
                let writer: Arc<CommittedWriter<Arrow>> = Arc::new(writer);
                committed.insert(name, writer.clone());
                Ok(Some(writer))
            }
            Err(WriterBuilderError::Rpc { source, .. })
                if code(&source) == Some(Code::NotFound) =>
            {
                Ok(None)
            }
            Err(error) => Err(unavailable(error)),
        }
    }

    /// Writes rows at least once. What a table of events refuses for its content is told.
    pub(crate) async fn add_to(
        &self,
        table: &str,
        events: bool,
        rows: &RecordBatch,
    ) -> Result<(), WarehouseError> {
        let writer = {
            let mut default = self.default.lock().await;
            match default.get(table) {
                Some(writer) => writer.clone(),
                None => {
                    let schema = self.message(arrow::schema(rows.schema_ref()))?;
                    let open = self
                        .write
                        .open_default_stream(self.table(table))
                        .with_attempt_timeout(WAREHOUSE_CALL)
                        .build_arrow(schema);
                    let opened: DefaultWriter<Arrow> = in_time(open).await?.map_err(unavailable)?;
                    default.entry(table.to_owned()).or_insert(Arc::new(opened)).clone()
                }
            }
        };
        let message = self.message(arrow::rows(rows))?;
        match in_time(writer.append(message).send()).await? {
            Ok(_) => Ok(()),
            Err(AppendError::RowErrors { row_errors, .. }) if events => {
                Err(WarehouseError::Refused(places(&row_errors)))
            }
            Err(error) => {
                self.default.lock().await.remove(table);
                Err(unavailable(error))
            }
        }
    }

    fn schema(&self, table: &str) -> Result<ArrowSchema, WarehouseError> {
        let of_table = row::written().into_iter().find(|(name, _)| *name == table);
        let schema = of_table.map_or_else(|| Arc::new(Schema::empty()), |(_, schema)| schema);
        self.message(arrow::schema(&schema))
    }

    /// Rows of our own that are no Arrow.
    fn message<T>(&self, message: Result<T, ArrowError>) -> Result<T, WarehouseError> {
        message.map_err(|error| self.asked.damaged(error.into()))
    }

    /// What became of an append that failed.
    fn appended(&self, error: AppendError) -> Result<Appended, WarehouseError> {
        let source = match error {
            AppendError::RowErrors { row_errors, .. } => {
                return Ok(Appended::Refused(places(&row_errors)));
            }
            AppendError::Rpc { source, .. } => source,
            other => return Err(unavailable(other)),
        };
        let text = source.status().map(|status| status.message.to_lowercase()).unwrap_or_default();
        match code(&source) {
            Some(Code::AlreadyExists) => Ok(Appended::There),
            Some(Code::OutOfRange | Code::NotFound | Code::FailedPrecondition) => {
                Ok(Appended::Closed)
            }
            Some(Code::InvalidArgument) if text.contains("finalized") => Ok(Appended::Closed),
            Some(Code::InvalidArgument) => Err(self.asked.damaged(source.into())),
            _ => Err(unavailable(source)),
        }
    }
}

/// A call that does not answer has failed.
async fn in_time<T>(call: impl Future<Output = T>) -> Result<T, WarehouseError> {
    let answered = tokio::time::timeout(WAREHOUSE_CALL, call).await;
    answered.map_err(unavailable)
}

/// It may serve later.
fn unavailable(cause: impl Into<Cause>) -> WarehouseError {
    WarehouseError::Unavailable(cause.into())
}

/// Which rows of an append were refused.
fn places(refused: &[RowError]) -> Vec<usize> {
    refused.iter().map(|error| usize::try_from(error.index).unwrap_or(0)).collect()
}

fn code(error: &CallError) -> Option<Code> {
    error.status().map(|status| status.code)
}

#[async_trait]
impl Streams for BigqueryStreams {
    fn batch(&self) -> BatchLimits {
        BatchLimits {
            records: STREAM_BATCH_RECORDS,
            bytes: STREAM_BATCH_BYTES,
            table_bytes: APPEND_BYTES,
        }
    }

    async fn create(&self, table: &str) -> Result<String, WarehouseError> {
        let schema = self.schema(table)?;
        let created =
            in_time(self.write.create_stream(self.table(table)).build_arrow(schema)).await?;
        let writer: CommittedWriter<Arrow> = created.map_err(unavailable)?;
        let name = writer.write_stream().to_owned();
        let stream = name.rsplit('/').next().unwrap_or_default().to_owned();
        self.committed.lock().await.insert(self.stream(table, &stream), Arc::new(writer));
        Ok(stream)
    }

    async fn append(&self, to: &Place, rows: &RecordBatch) -> Result<Appended, WarehouseError> {
        let Some(writer) = self.attached(&to.table, &to.stream).await? else {
            return Ok(Appended::Closed);
        };
        let message = self.message(arrow::rows(rows))?;
        let append = in_time(writer.append(message).set_offset(to.row).send()).await;
        let appended = match append {
            Ok(Ok(_)) => return Ok(Appended::There),
            Ok(Err(error)) => self.appended(error),
            Err(error) => Err(error),
        };
        if !matches!(appended, Ok(Appended::There)) {
            // After an error the connection may serve nobody: the next append makes another.
            self.committed.lock().await.remove(&self.stream(&to.table, &to.stream));
        }
        appended
    }

    async fn finalize(&self, table: &str, stream: &str) -> Result<Option<i64>, WarehouseError> {
        let Some(writer) = self.attached(table, stream).await? else { return Ok(None) };
        let finalized = in_time(writer.finalize()).await?;
        self.committed.lock().await.remove(&self.stream(table, stream));
        match finalized {
            Ok(done) => Ok(Some(done.row_count)),
            Err(error) if code(&error) == Some(Code::NotFound) => Ok(None),
            Err(error) => Err(unavailable(error)),
        }
    }

    async fn add(&self, table: &str, rows: &RecordBatch) -> Result<(), WarehouseError> {
        self.add_to(table, table == EventRows::TABLE, rows).await
    }

    async fn settled(
        &self,
        log_id: &str,
        ranges: &[(u32, Range<i64>)],
        days: Option<(i32, i32)>,
    ) -> Result<Vec<Settled>, WarehouseError> {
        questions::settled(&self.asked, log_id, ranges, days).await
    }

    async fn ledger(&self, log_id: &str) -> Result<LedgerState, WarehouseError> {
        questions::ledger(&self.asked, log_id).await
    }
}
