//! A day's features as Parquet, with their manifest.

use std::{collections::BTreeMap, sync::Arc};

use anyhow::Context as _;
use arrow_array::RecordBatch;
use bytes::Bytes;
use parquet::{
    arrow::ArrowWriter,
    basic::Compression,
    file::properties::{EnabledStatistics, WriterProperties},
};
use questline_events::Day;
use questline_stores::daily::{ExportedFile, MANIFEST, Manifest, ManifestColumn, query_version};
use sha2::{Digest as _, Sha256};

/// The one file of a day: levels are thousands, not millions.
const PART: &str = "part-0.parquet";

/// What is known of the day beside its rows.
pub(crate) struct About {
    pub(crate) day: Day,
    pub(crate) run: String,
    pub(crate) checks: BTreeMap<String, String>,
    pub(crate) ledger_residue: f64,
}

/// The files of a day: the rows, and last their manifest. The same rows are the same bytes.
pub(crate) fn files(batches: &[RecordBatch], about: About) -> anyhow::Result<Vec<(String, Bytes)>> {
    let schema = batches.first().context("an export without columns")?.schema();
    let properties = WriterProperties::builder()
        .set_compression(Compression::SNAPPY)
        .set_statistics_enabled(EnabledStatistics::Chunk)
        .set_created_by("questline".to_owned())
        .build();
    let mut writer = ArrowWriter::try_new(Vec::new(), Arc::clone(&schema), Some(properties))?;
    for batch in batches {
        writer.write(batch)?;
    }
    let part = Bytes::from(writer.into_inner()?);
    let rows = batches.iter().map(|batch| batch.num_rows() as u64).sum();
    let file = ExportedFile {
        path: PART.to_owned(),
        rows,
        bytes: part.len() as u64,
        sha256: format!("{:x}", Sha256::digest(&part)),
    };
    let column = |field: &Arc<arrow_schema::Field>| ManifestColumn {
        name: field.name().clone(),
        kind: field.data_type().to_string(),
    };
    let manifest = Manifest {
        day: about.day,
        run: about.run,
        files: vec![file],
        rows,
        schema: schema.fields().iter().map(column).collect(),
        query_version: query_version(),
        function_version: env!("CARGO_PKG_VERSION").to_owned(),
        checks: about.checks,
        ledger_residue: about.ledger_residue,
    };
    let manifest = serde_json::to_vec_pretty(&manifest)?.into();
    Ok(vec![(PART.to_owned(), part), (MANIFEST.to_owned(), manifest)])
}
