//! Files by name, whole or not at all: in a directory, or in a bucket.

use std::path::{Path, PathBuf};

use async_trait::async_trait;
use bytes::Bytes;

use crate::Cause;

/// Why an object was not read or written.
#[derive(Debug, thiserror::Error)]
pub enum ObjectsError {
    /// It may work later.
    #[error("{0} cannot be reached")]
    Unavailable(String, #[source] Cause),
    /// It will be refused again.
    #[error("{0} is refused")]
    Refused(String, #[source] Cause),
    /// It is larger than whoever asked wants to hold.
    #[error("{0} is larger than {1} bytes")]
    TooLarge(String, usize),
}

/// A place for files. A name is a relative path with `/`.
#[async_trait]
pub trait Objects: Send + Sync {
    /// What an object holds, if it is there and has at most `most` bytes.
    async fn get(&self, name: &str, most: usize) -> Result<Option<Bytes>, ObjectsError>;

    /// Writes an object, whole or not at all, over what was there.
    async fn put(&self, name: &str, content: Bytes) -> Result<(), ObjectsError>;

    /// How others find an object.
    fn uri(&self, name: &str) -> String;
}

/// A directory.
#[derive(Debug, Clone)]
pub struct Folder(PathBuf);

impl Folder {
    /// The directory need not be there yet.
    #[must_use]
    pub fn new(path: &Path) -> Self {
        Self(path.to_owned())
    }
}

#[async_trait]
impl Objects for Folder {
    async fn get(&self, name: &str, most: usize) -> Result<Option<Bytes>, ObjectsError> {
        let path = self.0.join(name);
        let unavailable = |error| ObjectsError::Unavailable(path.display().to_string(), error);
        let size = match tokio::fs::metadata(&path).await {
            Ok(found) => found.len(),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(unavailable(error.into())),
        };
        if usize::try_from(size).map_or(true, |size| size > most) {
            return Err(ObjectsError::TooLarge(path.display().to_string(), most));
        }
        let content = tokio::fs::read(&path).await.map_err(|error| unavailable(error.into()))?;
        Ok(Some(content.into()))
    }

    async fn put(&self, name: &str, content: Bytes) -> Result<(), ObjectsError> {
        let path = self.0.join(name);
        let written = async {
            let folder = path.parent().unwrap_or(&path);
            tokio::fs::create_dir_all(folder).await?;
            // Beside it, so that the last step is one rename.
            let fresh = path.with_extension("new");
            tokio::fs::write(&fresh, &content).await?;
            tokio::fs::File::open(&fresh).await?.sync_all().await?;
            tokio::fs::rename(&fresh, &path).await
        };
        let unavailable = |error: std::io::Error| {
            ObjectsError::Unavailable(path.display().to_string(), error.into())
        };
        written.await.map_err(unavailable)
    }

    fn uri(&self, name: &str) -> String {
        self.0.join(name).display().to_string()
    }
}
