#![doc = include_str!("../README.md")]

mod call;
mod sign_in;
mod storage;
mod vertex;

use std::{path::Path, sync::Arc};

use questline_stores::{
    Cause,
    daily::FeatureStore,
    objects::{Folder, Objects},
    training::Trainer,
};
use sign_in::SignIn;
use storage::Bucket;
use vertex::Vertex;
pub use vertex::Work;

/// Why Google cannot be used as the environment has it.
#[derive(Debug, thiserror::Error)]
#[error("Google cannot be used so")]
pub struct Unusable(#[from] Cause);

/// Google, for one identity.
#[derive(Clone)]
pub struct Google {
    sign_in: SignIn,
    storage: Option<String>,
    vertex: Option<String>,
}

impl Google {
    /// Reads the environment by the names of its variables.
    ///
    /// # Errors
    /// If there is no identity.
    pub async fn find(variable: impl Fn(&str) -> Option<String> + Send) -> Result<Self, Unusable> {
        let account = variable("QUESTLINE_GOOGLE_CREDENTIALS");
        let (storage, vertex) =
            (variable("STORAGE_EMULATOR_HOST"), variable("QUESTLINE_VERTEX_ENDPOINT"));
        Ok(Self { sign_in: SignIn::find(account.as_deref()).await?, storage, vertex })
    }

    /// Files at a place, named by kind and address: `gs` and `BUCKET/FOLDER`, or else a directory.
    ///
    /// # Errors
    /// If the place cannot be used.
    pub fn objects(&self, (kind, place): (&str, &str)) -> Result<Arc<dyn Objects>, Unusable> {
        Ok(match kind {
            "gs" => Arc::new(self.bucket(place)?),
            _ => Arc::new(Folder::new(Path::new(place))),
        })
    }

    /// A place for features, `BUCKET/FOLDER`.
    ///
    /// # Errors
    /// If the place cannot be used.
    pub fn features(&self, place: &str) -> Result<Arc<dyn FeatureStore>, Unusable> {
        Ok(Arc::new(self.bucket(place)?))
    }

    fn bucket(&self, place: &str) -> Result<Bucket, Cause> {
        Bucket::new(self.sign_in.clone(), place, self.storage.as_deref())
    }

    /// Training jobs in `projects/PROJECT/locations/REGION`.
    ///
    /// # Errors
    /// If the location is of another form.
    pub fn trainer(&self, location: &str, work: Work) -> Result<Arc<dyn Trainer>, Unusable> {
        let endpoint = self.vertex.clone();
        Ok(Arc::new(Vertex::new(self.sign_in.clone(), location, work, endpoint)?))
    }
}
