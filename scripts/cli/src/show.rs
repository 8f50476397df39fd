//! Showing answers.

use std::io::{self, Write as _};

use comfy_table::{Table, presets::UTF8_HORIZONTAL_ONLY};
use questline_client::Answer;
use serde_json::{Map, Value};

use crate::arguments::Format;

/// One line on standard error.
pub(crate) fn error(text: &str) {
    // Nobody may read it.
    _ = writeln!(io::stderr(), "questline: {text}");
}

/// A line on standard output.
pub(crate) fn line(text: &str) -> io::Result<()> {
    writeln!(io::stdout(), "{text}")
}

/// An answer in a format.
pub(crate) fn answer(answer: &Answer, format: Format) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    match format {
        Format::Table => writeln!(out, "{}", table(answer))?,
        Format::Csv => {
            let mut csv = csv::Writer::from_writer(out);
            csv.write_record(&answer.columns)?;
            for row in &answer.rows {
                csv.write_record(row.iter().map(text))?;
            }
            csv.flush()?;
        }
        Format::Json => {
            let object = |row: &Vec<Value>| -> Map<String, Value> {
                answer.columns.iter().cloned().zip(row.iter().cloned()).collect()
            };
            let rows: Vec<_> = answer.rows.iter().map(object).collect();
            writeln!(out, "{}", serde_json::to_string_pretty(&rows)?)?;
        }
    }
    Ok(())
}

fn table(answer: &Answer) -> Table {
    let mut table = Table::new();
    table.load_preset(UTF8_HORIZONTAL_ONLY).set_header(&answer.columns);
    for row in &answer.rows {
        // Text of players may hold what moves a terminal's cursor.
        let plain = |value: &Value| text(value).replace(|c: char| c.is_control() && c != '\n', "·");
        table.add_row(row.iter().map(plain));
    }
    table
}

fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
