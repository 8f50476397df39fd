//! Training jobs of Vertex AI.

use async_trait::async_trait;
use questline_events::limits::VERTEX_JOB_BYTES;
use questline_stores::{
    Cause,
    training::{Created, Job, JobState, NewJob, Trainer, TrainerError},
};
use reqwest::{Client, RequestBuilder, StatusCode, Url};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::{
    SignIn,
    call::{Answer, CallError, Caller, said},
};

/// Vertex AI in one region.
#[derive(Clone)]
pub(crate) struct Vertex {
    caller: Caller,
    jobs: Url,
    work: Work,
}

/// How jobs are carried out.
#[derive(Debug, Clone)]
pub struct Work {
    /// The service account that a job works as.
    pub account: String,
    /// `gs://BUCKET/FOLDER` for what a job's steps hand on.
    pub root: String,
}

/// What is read of a job.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct PipelineJob {
    #[serde(default)]
    state: String,
    #[serde(default)]
    runtime_config: RuntimeConfig,
    #[serde(default)]
    error: Option<Status>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct RuntimeConfig {
    #[serde(default)]
    parameter_values: Map<String, Value>,
}

#[derive(Debug, Deserialize)]
struct Status {
    #[serde(default)]
    message: String,
}

impl Vertex {
    pub(crate) fn new(
        sign_in: SignIn,
        location: &str,
        work: Work,
        endpoint: Option<String>,
    ) -> Result<Self, Cause> {
        let parts: Vec<&str> = location.split('/').collect();
        let ["projects", _, "locations", region] = parts[..] else {
            return Err(format!("`{location}` is not projects/PROJECT/locations/REGION").into());
        };
        let own = || format!("https://{region}-aiplatform.googleapis.com");
        let endpoint = endpoint.unwrap_or_else(own);
        let jobs = format!("{}/v1/{location}/pipelineJobs", endpoint.trim_end_matches('/'));
        Ok(Self { caller: Caller::new(sign_in)?, jobs: Url::parse(&jobs)?, work })
    }

    async fn call(
        &self,
        request: impl Fn(&Client) -> RequestBuilder + Send + Sync,
    ) -> Result<Answer, TrainerError> {
        let called = self.caller.call(request, VERTEX_JOB_BYTES).await;
        called.map_err(|error| match error {
            CallError::TooLarge(_) => TrainerError::Refused(error.to_string()),
            CallError::Unavailable(..) => TrainerError::Unavailable(error.into()),
        })
    }
}

#[async_trait]
impl Trainer for Vertex {
    async fn create(&self, job: &NewJob<'_>) -> Result<Created, TrainerError> {
        let mut url = self.jobs.clone();
        url.query_pairs_mut().append_pair("pipelineJobId", job.id);
        let body = json!({
            "displayName": job.id,
            "labels": { "trigger": "ml-trigger" },
            "pipelineSpec": job.spec,
            "runtimeConfig": {
                "gcsOutputDirectory": self.work.root,
                "parameterValues": job.parameters,
                "failurePolicy": "PIPELINE_FAILURE_POLICY_FAIL_FAST",
            },
            "serviceAccount": self.work.account,
        });
        // An attempt whose answer was lost may have made the job: then the next is told 409.
        let answer = self.call(|client| client.post(url.clone()).json(&body)).await?;
        match answer.status {
            StatusCode::OK => Ok(Created::New(read(&answer)?)),
            StatusCode::CONFLICT => Ok(Created::Already),
            _ => Err(refused(&answer)),
        }
    }

    async fn job(&self, id: &str) -> Result<Option<Job>, TrainerError> {
        let mut url = self.jobs.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.push(id);
        }
        let answer = self.call(|client| client.get(url.clone())).await?;
        match answer.status {
            StatusCode::OK => read(&answer).map(Some),
            StatusCode::NOT_FOUND => Ok(None),
            _ => Err(refused(&answer)),
        }
    }
}

fn refused(answer: &Answer) -> TrainerError {
    TrainerError::Refused(format!("{}: {}", answer.status, said(&answer.body)))
}

fn read(answer: &Answer) -> Result<Job, TrainerError> {
    let job: PipelineJob = serde_json::from_slice(&answer.body)
        .map_err(|error| TrainerError::Refused(format!("the answer is no job: {error}")))?;
    let state = match job.state.strip_prefix("PIPELINE_STATE_").unwrap_or_default() {
        "SUCCEEDED" => JobState::Succeeded,
        "FAILED" => JobState::Failed,
        "CANCELLED" => JobState::Cancelled,
        // Queued, pending, running, paused, cancelling, and what may be added: it has not ended.
        _ => JobState::Running,
    };
    let error = job.error.map(|status| status.message);
    Ok(Job { state, parameters: job.runtime_config.parameter_values, error })
}
