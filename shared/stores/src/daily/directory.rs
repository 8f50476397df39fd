//! Features and the message that they are there, in a directory.

use std::{
    io::ErrorKind,
    path::{Path, PathBuf},
};

use async_trait::async_trait;
use bytes::Bytes;
use tokio::{
    fs::{self, File, OpenOptions},
    io::AsyncWriteExt as _,
};

use super::{FeatureStore, MANIFEST, MetricsReady, Publisher};
use crate::Cause;

/// The file to which messages are appended, one a line.
pub const MESSAGES: &str = "metrics-ready.ndjson";

/// A directory.
#[derive(Debug, Clone)]
pub struct Directory(PathBuf);

impl Directory {
    /// The place of all features and messages. It is made when it is first written to.
    #[must_use]
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        Self(directory.into())
    }
}

#[async_trait]
impl FeatureStore for Directory {
    /// A new folder takes the place of the old one when all of it is on disk.
    async fn replace(&self, folder: &str, files: Vec<(String, Bytes)>) -> Result<(), Cause> {
        let folder = self.0.join(folder);
        let (fresh, old) = (beside(&folder, "fresh"), beside(&folder, "old"));
        // What a killed attempt left.
        gone(&fresh).await?;
        gone(&old).await?;
        fs::create_dir_all(&fresh).await?;
        for (name, bytes) in files {
            let mut file = File::create(fresh.join(name)).await?;
            file.write_all(&bytes).await?;
            file.sync_all().await?;
        }
        synced(&fresh).await?;
        match fs::rename(&folder, &old).await {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error.into()),
            _ => fs::rename(&fresh, &folder).await?,
        }
        if let Some(parent) = folder.parent() {
            synced(parent).await?;
        }
        gone(&old).await
    }

    async fn remove(&self, folder: &str) -> Result<(), Cause> {
        let folder = self.0.join(folder);
        match fs::remove_file(folder.join(MANIFEST)).await {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error.into()),
            _ => gone(&folder).await,
        }
    }
}

#[async_trait]
impl Publisher for Directory {
    async fn publish(&self, message: &MetricsReady) -> Result<(), Cause> {
        fs::create_dir_all(&self.0).await?;
        let path = self.0.join(MESSAGES);
        let mut file = OpenOptions::new().create(true).append(true).open(path).await?;
        let mut line = serde_json::to_vec(message)?;
        line.push(b'\n');
        file.write_all(&line).await?;
        Ok(file.sync_all().await?)
    }
}

/// A hidden folder beside another: readers of all days do not see it.
fn beside(folder: &Path, what: &str) -> PathBuf {
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    folder.with_file_name(format!(".{name}.{what}"))
}

async fn gone(folder: &Path) -> Result<(), Cause> {
    match fs::remove_dir_all(folder).await {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error.into()),
        _ => Ok(()),
    }
}

/// A name is on disk when its folder is.
async fn synced(folder: &Path) -> Result<(), Cause> {
    Ok(File::open(folder).await?.sync_all().await?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let entries = std::fs::read_dir(folder).unwrap();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[tokio::test]
    async fn a_folder_is_replaced_and_removed_whole_also_after_an_attempt_that_was_killed() {
        let place = tempfile::tempdir().unwrap();
        let directory = Directory::new(place.path());
        let file = |name: &str| vec![(name.to_owned(), Bytes::from_static(b"x"))];
        directory.replace("features/day", file("a")).await.unwrap();
        // Killed while it wrote, and between the two renames.
        for left in [".day.fresh", ".day.old"] {
            let left = place.path().join("features").join(left);
            std::fs::create_dir(&left).unwrap();
            std::fs::write(left.join("part"), b"half").unwrap();
        }
        directory.replace("features/day", file("b")).await.unwrap();
        assert_eq!(names(&place.path().join("features")), ["day"]);
        assert_eq!(names(&place.path().join("features/day")), ["b"]);
        // Also what is not there.
        for _ in 0..2 {
            directory.remove("features/day").await.unwrap();
            assert!(names(&place.path().join("features")).is_empty());
        }
    }
}
