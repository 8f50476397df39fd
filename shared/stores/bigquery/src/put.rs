//! A row of a book: written once, however often it is tried.

use questline_events::limits::WAREHOUSE_STATEMENT;
use questline_stores::warehouse::WarehouseError;

use crate::{BigqueryWarehouse, values::Bound};

/// A row, and by which of its columns it is known.
pub(crate) struct Put<'a> {
    pub(crate) table: &'a str,
    pub(crate) keys: &'a [&'a str],
    pub(crate) row: Vec<(&'a str, Bound)>,
}

impl Put<'_> {
    /// Inserts the row where none is known by its keys. One statement and no transaction: two at a
    /// time wait for each other, where of two transactions one would be cancelled.
    pub(crate) fn insert(&self) -> String {
        let each = |write: &dyn Fn(&str, &Bound) -> String| {
            let each: Vec<_> = self.row.iter().map(|(name, value)| write(name, value)).collect();
            each.join(", ")
        };
        // BigQuery joins only where a column of the one is a column of the other.
        let same = self.keys.iter().map(|key| format!("known.{key} = entry.{key}"));
        format!(
            "MERGE {} AS known USING (SELECT {}) AS entry ON {}\n\
             WHEN NOT MATCHED THEN INSERT ({}) VALUES ({})",
            self.table,
            each(&|name, value| format!("{} AS {name}", value.written(name))),
            same.collect::<Vec<_>>().join(" AND "),
            each(&|name, _| name.to_owned()),
            each(&|name, _| format!("entry.{name}")),
        )
    }

    /// The same, and what is known by its keys becomes this row.
    pub(crate) fn insert_or_change(&self) -> String {
        let others = self.row.iter().map(|(name, _)| name).filter(|name| !self.keys.contains(name));
        let changes: Vec<_> = others.map(|name| format!("{name} = entry.{name}")).collect();
        format!("{}\nWHEN MATCHED THEN UPDATE SET {}", self.insert(), changes.join(", "))
    }

    /// Which rows of the table are known by its keys.
    pub(crate) fn known(&self) -> String {
        let known: Vec<_> = self.keys.iter().map(|key| format!("known.{key} = @{key}")).collect();
        known.join(" AND ")
    }

    pub(crate) fn values(&self) -> impl Iterator<Item = (&str, Bound)> {
        self.row.iter().cloned()
    }
}

impl BigqueryWarehouse {
    /// Writes a row unless it is there.
    pub(crate) async fn put(&self, row: &Put<'_>) -> Result<(), WarehouseError> {
        self.run(&row.insert(), row.values(), WAREHOUSE_STATEMENT).await
    }

    /// Writes a row, in the place of what is there.
    pub(crate) async fn put_over(&self, row: &Put<'_>) -> Result<(), WarehouseError> {
        self.run(&row.insert_or_change(), row.values(), WAREHOUSE_STATEMENT).await
    }
}
