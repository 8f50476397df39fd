//! Google on loopback, as far as functions speak with it by REST: sign-in, Cloud Storage, and pipeline
//! jobs of Vertex AI, as their references describe them. It wants the token that it gave out.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard},
};

use aws_lc_rs::{encoding::AsDer as _, rsa};
use axum::{
    Json, Router,
    body::Bytes,
    extract::{DefaultBodyLimit, Path, Query, Request, State},
    http::{HeaderMap, StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse as _, Response},
    routing::{get, post},
};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde_json::{Value, json};

const TOKEN: &str = "of-the-test";

/// What goes wrong with the next call about jobs.
#[derive(Debug, Clone, Copy)]
pub enum Fault {
    /// It is answered with this status.
    Status(u16),
    /// It is carried out, and answered with 503.
    AnswerLost,
    /// It is put off for a second.
    PutOff,
}

/// What it knows, and what is to go wrong.
#[derive(Debug, Default)]
pub struct Known {
    /// Jobs by their names.
    pub jobs: BTreeMap<String, Value>,
    /// Objects by bucket and name.
    pub objects: BTreeMap<String, Bytes>,
    /// Objects whose names end so are not taken.
    pub refused: Option<&'static str>,
    /// What goes wrong next.
    pub faults: VecDeque<Fault>,
    /// What goes wrong until it is mended.
    pub broken: Option<u16>,
    /// Calls that wanted a job to be made.
    pub creations: usize,
}

/// The server. It ends with the test's runtime.
#[derive(Debug, Clone)]
pub struct Google {
    /// Where it listens.
    pub url: String,
    known: Arc<Mutex<Known>>,
}

impl Google {
    /// Listens on a port of its own.
    ///
    /// # Panics
    /// If it cannot.
    pub async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let google = Self { url, known: Arc::default() };
        let jobs = "/v1/projects/game/locations/europe-west1/pipelineJobs";
        let signed_in = Router::new()
            .route(jobs, post(create))
            .route(&format!("{jobs}/{{id}}"), get(job))
            .route("/storage/v1/b/{bucket}/o/{object}", get(object).delete(remove))
            .route("/upload/storage/v1/b/{bucket}/o", post(upload))
            .layer(DefaultBodyLimit::max(8 << 20))
            .layer(middleware::from_fn(signed_in));
        let app = Router::new().route("/token", post(token)).merge(signed_in);
        let app = app.with_state(google.clone());
        tokio::spawn(async move { axum::serve(listener, app).await });
        google
    }

    /// To be looked at, and changed.
    ///
    /// # Panics
    /// If a call panicked.
    pub fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap()
    }

    /// How many jobs there are, and how often one was asked for.
    #[must_use]
    pub fn made(&self) -> (usize, usize) {
        let known = self.known();
        (known.jobs.len(), known.creations)
    }

    /// How a job goes on.
    ///
    /// # Panics
    /// If there is none of that name.
    pub fn becomes(&self, id: &str, state: &str) {
        let mut known = self.known();
        let job = known.jobs.get_mut(id).unwrap();
        job["state"] = json!(format!("PIPELINE_STATE_{state}"));
        if state == "FAILED" {
            job["error"] = json!({"code": 9, "message": "The replica ran out of memory."});
        }
    }

    /// The variables of whoever is to speak with it. The key by which it signs in goes to `key.json`
    /// in the folder.
    ///
    /// # Panics
    /// If the key cannot be written.
    #[must_use]
    pub fn variables(&self, folder: &std::path::Path) -> [(&'static str, String); 2] {
        let key = folder.join("key.json");
        std::fs::write(&key, self.key()).unwrap();
        [
            ("GOOGLE_APPLICATION_CREDENTIALS", key.display().to_string()),
            ("STORAGE_EMULATOR_HOST", self.url.clone()),
        ]
    }

    /// A key of a service account that signs in here, made for this test.
    fn key(&self) -> String {
        let pair = rsa::KeyPair::generate(rsa::KeySize::Rsa2048).unwrap();
        let der: aws_lc_rs::encoding::Pkcs8V1Der<'_> = pair.as_der().unwrap();
        let text = BASE64_STANDARD.encode(der.as_ref());
        let kind = "PRIVATE KEY";
        json!({
            "type": "service_account", "project_id": "game", "private_key_id": "1",
            "private_key": format!("-----BEGIN {kind}-----\n{text}\n-----END {kind}-----\n"),
            "client_email": "ml-trigger@game.iam.gserviceaccount.com", "client_id": "1",
            "auth_uri": "", "auth_provider_x509_cert_url": "", "client_x509_cert_url": "",
            "token_uri": format!("{}/token", self.url)
        })
        .to_string()
    }
}

fn error(status: u16, message: &str) -> Response {
    let status = StatusCode::from_u16(status).unwrap();
    let body = json!({"error": {"code": status.as_u16(), "message": message, "status": "X"}});
    (status, Json(body)).into_response()
}

async fn token(body: String) -> Response {
    if !body.contains("jwt-bearer") || !body.contains("assertion=") {
        return error(400, "no assertion");
    }
    Json(json!({"access_token": TOKEN, "expires_in": 3600, "token_type": "Bearer"})).into_response()
}

async fn signed_in(headers: HeaderMap, request: Request, next: Next) -> Response {
    let given = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    if given != Some(&format!("Bearer {TOKEN}")) {
        return error(401, "Request had invalid authentication credentials.");
    }
    next.run(request).await
}

/// What is wrong with a call about jobs, and whether it is carried out all the same.
fn trouble(known: &mut Known) -> Option<(Response, bool)> {
    if let Some(status) = known.broken {
        return Some((error(status, "The service is currently unavailable."), false));
    }
    Some(match known.faults.pop_front()? {
        Fault::Status(status) => (error(status, "Permission denied."), false),
        Fault::AnswerLost => (error(503, "The service is currently unavailable."), true),
        Fault::PutOff => {
            let mut response = error(429, "Quota exceeded.");
            response.headers_mut().insert(header::RETRY_AFTER, 1.into());
            (response, false)
        }
    })
}

async fn create(
    State(google): State<Google>,
    Query(query): Query<HashMap<String, String>>,
    Json(mut body): Json<Value>,
) -> Response {
    let mut known = google.known();
    known.creations += 1;
    let trouble = trouble(&mut known);
    if let Some((response, false)) = trouble {
        return response;
    }
    let id = query.get("pipelineJobId").cloned().unwrap_or_default();
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if !id.starts_with(|c: char| c.is_ascii_lowercase()) || id.len() > 127 || !id.chars().all(fits)
    {
        return error(400, "invalid pipelineJobId");
    }
    if known.jobs.contains_key(&id) {
        return error(409, "PipelineJob already exists.");
    }
    let root = body["runtimeConfig"]["gcsOutputDirectory"].as_str().unwrap_or_default();
    if !root.starts_with("gs://") || body["pipelineSpec"]["schemaVersion"] != "2.1.0" {
        return error(400, "invalid PipelineJob");
    }
    body["state"] = json!("PIPELINE_STATE_PENDING");
    known.jobs.insert(id, body.clone());
    trouble.map_or_else(|| Json(body).into_response(), |(response, _)| response)
}

async fn job(State(google): State<Google>, Path(id): Path<String>) -> Response {
    let mut known = google.known();
    if let Some((response, _)) = trouble(&mut known) {
        return response;
    }
    let job = known.jobs.get(&id).cloned();
    job.map_or_else(|| error(404, "PipelineJob not found."), |job| Json(job).into_response())
}

async fn object(
    State(google): State<Google>,
    Path((bucket, object)): Path<(String, String)>,
) -> Response {
    let found = google.known().objects.get(&format!("{bucket}/{object}")).cloned();
    found.map_or_else(|| error(404, "No such object."), Bytes::into_response)
}

async fn upload(
    State(google): State<Google>,
    Path(bucket): Path<String>,
    Query(query): Query<HashMap<String, String>>,
    body: Bytes,
) -> Response {
    let name = format!("{bucket}/{}", query["name"]);
    if google.known().refused.is_some_and(|end| name.ends_with(end)) {
        return error(403, "storage.objects.create is denied.");
    }
    google.known().objects.insert(name.clone(), body);
    Json(json!({ "name": name })).into_response()
}

async fn remove(
    State(google): State<Google>,
    Path((bucket, object)): Path<(String, String)>,
) -> Response {
    match google.known().objects.remove(&format!("{bucket}/{object}")) {
        Some(_) => StatusCode::NO_CONTENT.into_response(),
        None => error(404, "No such object."),
    }
}
