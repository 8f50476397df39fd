//! Objects in a bucket of Cloud Storage.

use async_trait::async_trait;
use bytes::Bytes;
use questline_stores::{
    Cause,
    daily::{FeatureStore, MANIFEST},
    objects::{Objects, ObjectsError},
};
use reqwest::{Client, StatusCode, Url, header::CONTENT_TYPE};

use crate::{
    SignIn,
    call::{CallError, Caller, said},
};

const ENDPOINT: &str = "https://storage.googleapis.com";
/// What is read of an answer that is not an object.
const ANSWER_BYTES: usize = 1 << 20;

/// A bucket, or a folder in one.
#[derive(Clone)]
pub(crate) struct Bucket {
    caller: Caller,
    endpoint: Url,
    bucket: String,
    folder: String,
}

impl Bucket {
    /// `BUCKET/FOLDER`, at Google's own address or another one.
    pub(crate) fn new(sign_in: SignIn, place: &str, endpoint: Option<&str>) -> Result<Self, Cause> {
        let place = place.trim_matches('/');
        let (bucket, folder) = place.split_once('/').unwrap_or((place, ""));
        let endpoint = endpoint.unwrap_or(ENDPOINT);
        // A test server is named by its host alone.
        let endpoint =
            if endpoint.contains("://") { endpoint } else { &format!("http://{endpoint}") };
        Ok(Self {
            caller: Caller::new(sign_in)?,
            endpoint: Url::parse(endpoint)?,
            bucket: bucket.to_owned(),
            folder: folder.to_owned(),
        })
    }

    fn name(&self, name: &str) -> String {
        if self.folder.is_empty() { name.to_owned() } else { format!("{}/{name}", self.folder) }
    }

    /// An address under the endpoint; what is in a segment is escaped.
    fn url(&self, segments: &[&str]) -> Url {
        let mut url = self.endpoint.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(segments);
        }
        url
    }

    async fn delete(&self, name: &str) -> Result<(), ObjectsError> {
        let url = self.url(&["storage", "v1", "b", &self.bucket, "o", &self.name(name)]);
        let called = self.caller.call(|client| client.delete(url.clone()), ANSWER_BYTES).await;
        let answer = called.map_err(|error| self.failed(name, error))?;
        match answer.status {
            StatusCode::NO_CONTENT | StatusCode::OK | StatusCode::NOT_FOUND => Ok(()),
            other => Err(self.refused(name, other, &answer.body)),
        }
    }

    fn failed(&self, name: &str, error: CallError) -> ObjectsError {
        match error {
            CallError::TooLarge(most) => ObjectsError::TooLarge(self.uri(name), most),
            unavailable @ CallError::Unavailable(..) => {
                ObjectsError::Unavailable(self.uri(name), unavailable.into())
            }
        }
    }

    fn refused(&self, name: &str, status: StatusCode, body: &[u8]) -> ObjectsError {
        ObjectsError::Refused(self.uri(name), format!("{status}: {}", said(body)).into())
    }
}

#[async_trait]
impl Objects for Bucket {
    async fn get(&self, name: &str, most: usize) -> Result<Option<Bytes>, ObjectsError> {
        let object = self.name(name);
        let mut url = self.url(&["storage", "v1", "b", &self.bucket, "o", &object]);
        url.set_query(Some("alt=media"));
        let called = self.caller.call(|client| client.get(url.clone()), most).await;
        let answer = called.map_err(|error| self.failed(name, error))?;
        match answer.status {
            StatusCode::OK => Ok(Some(answer.body)),
            StatusCode::NOT_FOUND => Ok(None),
            other => Err(self.refused(name, other, &answer.body)),
        }
    }

    async fn put(&self, name: &str, content: Bytes) -> Result<(), ObjectsError> {
        let mut url = self.url(&["upload", "storage", "v1", "b", &self.bucket, "o"]);
        url.query_pairs_mut()
            .append_pair("uploadType", "media")
            .append_pair("name", &self.name(name));
        let kind = match name.rsplit_once('.') {
            Some((_, "json")) => "application/json",
            _ => "application/octet-stream",
        };
        let request = |client: &Client| {
            client.post(url.clone()).header(CONTENT_TYPE, kind).body(content.clone())
        };
        let answer = self
            .caller
            .call(request, ANSWER_BYTES)
            .await
            .map_err(|error| self.failed(name, error))?;
        match answer.status {
            StatusCode::OK => Ok(()),
            other => Err(self.refused(name, other, &answer.body)),
        }
    }

    fn uri(&self, name: &str) -> String {
        format!("gs://{}/{}", self.bucket, self.name(name))
    }
}

#[async_trait]
impl FeatureStore for Bucket {
    /// A bucket has no folder to be renamed. The manifest goes first and comes back last: between,
    /// and after an attempt that was killed, the folder is none.
    async fn replace(&self, folder: &str, mut files: Vec<(String, Bytes)>) -> Result<(), Cause> {
        let at = |name: &str| format!("{folder}/{name}");
        let (manifest, content) = files.pop().ok_or("a folder without a manifest")?;
        self.delete(&at(&manifest)).await?;
        for (name, content) in files {
            self.put(&at(&name), content).await?;
        }
        Ok(self.put(&at(&manifest), content).await?)
    }

    /// What lies beside the manifest is nothing without it, and gives way to the next export.
    async fn remove(&self, folder: &str) -> Result<(), Cause> {
        Ok(self.delete(&format!("{folder}/{MANIFEST}")).await?)
    }
}
