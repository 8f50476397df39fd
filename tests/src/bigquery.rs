//! An emulator of BigQuery with the tables of the house, for tests.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, Stdio},
};

/// An emulator. Dropping it ends it.
#[derive(Debug)]
pub struct Bigquery {
    /// Address of its REST interface.
    pub rest: String,
    /// Address of its gRPC interface.
    pub grpc: String,
    process: Child,
    said: BufReader<ChildStdout>,
}

impl Bigquery {
    /// The dataset that has the tables, as `PROJECT.DATASET`.
    pub const DATASET: &str = "questline.warehouse";

    /// Starts it with empty tables; none where `QUESTLINE_PYTHON` names no Python that has it.
    ///
    /// # Panics
    /// If it does not start.
    #[must_use]
    pub fn start() -> Option<Self> {
        Self::with(&[])
    }

    /// The same, and rows can be written by its gRPC interface.
    ///
    /// # Panics
    /// If it does not start.
    #[must_use]
    pub fn start_for_streams() -> Option<Self> {
        Self::with(&["--streams"])
    }

    fn with(arguments: &[&str]) -> Option<Self> {
        let python = PathBuf::from(std::env::var_os("QUESTLINE_PYTHON")?).join("python");
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("sql/bigquery.py");
        let mut command = Command::new(python);
        command.arg(script).args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = command.spawn().ok()?;
        let mut said = BufReader::new(process.stdout.take().expect("its standard output"));
        let mut line = String::new();
        said.read_line(&mut line).expect("its first line");
        let (rest, grpc) = line.trim().split_once(' ').expect("where it listens");
        Some(Self { rest: rest.to_owned(), grpc: grpc.to_owned(), process, said })
    }

    /// Gives rows to a table: a JSON array of objects. A column that none of them names is as empty
    /// as it may be.
    ///
    /// # Panics
    /// If it does not take them.
    pub fn fill(&mut self, table: &str, rows: &str) {
        self.give(&format!("{{\"table\":\"{table}\",\"rows\":{rows}}}\n"));
    }

    /// Gives every table the rows that it has in a DuckDB file, which nobody else has open. How many
    /// there were.
    ///
    /// # Panics
    /// If it does not take them.
    pub fn copy(&mut self, file: &Path) -> usize {
        self.give(&format!("{{\"copy\":{:?}}}\n", file.display().to_string()))
    }

    fn give(&mut self, line: &str) -> usize {
        let input = self.process.stdin.as_mut().expect("its standard input");
        input.write_all(line.as_bytes()).expect("it reads");
        let mut answer = String::new();
        self.said.read_line(&mut answer).expect("its answer");
        let taken = answer.trim().parse();
        assert!(taken.is_ok(), "not taken: {line:.200}");
        taken.unwrap_or_default()
    }
}

impl Drop for Bigquery {
    fn drop(&mut self) {
        // With its input it ends, and ends what it has started.
        drop(self.process.stdin.take());
        _ = self.process.wait();
    }
}
