//! Where a local stack lies, and how its operator is known.

use std::{
    io,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

/// A data directory, and where its stack is asked.
#[derive(Debug, Clone)]
pub struct Place {
    directory: PathBuf,
    /// The address that a person named; without one it is what the stack wrote down.
    named: Option<String>,
}

/// What a running stack writes down.
#[derive(Debug, Serialize, Deserialize)]
struct Running {
    url: String,
    pid: u32,
}

impl Place {
    /// The place of a directory.
    #[must_use]
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        Self { directory: directory.into(), named: None }
    }

    /// The same place, asked at an address that a person named, if one did.
    #[must_use]
    pub fn at(self, url: Option<String>) -> Self {
        Self { named: url.map(|url| url.trim_end_matches('/').to_owned()), ..self }
    }

    /// Whether a person named the address: then it is that one, or none.
    #[must_use]
    pub const fn is_named(&self) -> bool {
        self.named.is_some()
    }

    /// The directory.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// The token of the operator, made by `make` at its first use. Only its owner can read it.
    ///
    /// # Errors
    /// If the file cannot be read or written.
    pub fn token(&self, make: Option<&dyn Fn() -> String>) -> io::Result<String> {
        let path = self.directory.join("operator.token");
        match (std::fs::read_to_string(&path), make) {
            (Ok(token), _) => Ok(token.trim().to_owned()),
            (Err(error), Some(make)) if error.kind() == io::ErrorKind::NotFound => {
                let token = make();
                write_private(&path, &token)?;
                Ok(token)
            }
            (Err(error), _) => Err(error),
        }
    }

    /// Says that a stack runs here.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn announce(&self, url: &str) -> io::Result<()> {
        let running = Running { url: url.to_owned(), pid: std::process::id() };
        std::fs::write(self.running_file(), serde_json::to_vec(&running)?)
    }

    /// Says that no stack runs here any more.
    pub fn withdraw(&self) {
        // After a crash the file stays; whoever finds it finds nobody answering.
        _ = std::fs::remove_file(self.running_file());
    }

    /// The address of the stack: as it was named, or as the one that runs here wrote it down.
    #[must_use]
    pub fn url(&self) -> Option<String> {
        if let Some(named) = &self.named {
            return Some(named.clone());
        }
        let text = std::fs::read(self.running_file()).ok()?;
        serde_json::from_slice::<Running>(&text).ok().map(|running| running.url)
    }

    fn running_file(&self) -> PathBuf {
        self.directory.join("stack.json")
    }
}

fn write_private(path: &Path, text: &str) -> io::Result<()> {
    use std::{io::Write as _, os::unix::fs::OpenOptionsExt as _};
    let mut options = std::fs::OpenOptions::new();
    let mut file = options.write(true).create_new(true).mode(0o600).open(path)?;
    writeln!(file, "{text}")
}
