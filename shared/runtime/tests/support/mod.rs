//! Google on loopback, as far as callers need it: keys, and tokens that they sign.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, SystemTime},
};

use aws_lc_rs::{
    hmac,
    rand::SystemRandom,
    rsa::{self, KeySize},
    signature::{KeyPair as _, RSA_PKCS1_SHA256},
};
use axum::{
    Router,
    body::{Body, to_bytes},
    http::{HeaderMap, Request, StatusCode, header},
    response::{IntoResponse as _, Response},
    routing::{get, post},
};
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use questline_runtime::{
    config::Env,
    identity::{IdentityLimits, KeyLimits, guarded},
};
use serde_json::{Value, json};
use tower::ServiceExt as _;

pub(crate) const AUDIENCE: &str = "questline-daily-aggregate";
pub(crate) const SCHEDULER: &str = "questline-scheduler@game.iam.gserviceaccount.com";

/// The server of the keys. It ends with the test's runtime.
pub(crate) struct Google {
    url: String,
    says: Arc<Mutex<(StatusCode, String)>>,
    asked: Arc<AtomicUsize>,
}

impl Google {
    pub(crate) async fn start(keys: &[&Key]) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/certs", listener.local_addr().unwrap());
        let (says, asked) = (Arc::<Mutex<(StatusCode, String)>>::default(), Arc::default());
        let google = Self { url, says: says.clone(), asked: Arc::clone(&asked) };
        let certs = move || async move {
            asked.fetch_add(1, Ordering::Relaxed);
            let (status, body) = says.lock().unwrap().clone();
            let elsewhere = [(header::LOCATION, "/elsewhere")];
            (status, elsewhere, body).into_response()
        };
        // Where a redirect would lead to, the keys are.
        let elsewhere = published(keys);
        let app = Router::new()
            .route("/certs", get(certs))
            .route("/elsewhere", get(|| async move { elsewhere }));
        tokio::spawn(async move { axum::serve(listener, app).await });
        google.publishes(keys);
        google
    }

    pub(crate) fn publishes(&self, keys: &[&Key]) {
        self.says(StatusCode::OK, &published(keys));
    }

    pub(crate) fn says(&self, status: StatusCode, body: &str) {
        *self.says.lock().unwrap() = (status, body.to_owned());
    }

    /// How often it was asked for its keys.
    pub(crate) fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }

    pub(crate) fn env(&self) -> Env {
        let callers = format!("push@game.iam.gserviceaccount.com, {SCHEDULER}");
        Env::of([
            ("QUESTLINE_CALLERS", callers.as_str()),
            ("QUESTLINE_AUDIENCE", AUDIENCE),
            ("QUESTLINE_IDENTITY_KEYS", self.url.as_str()),
        ])
    }
}

/// A set of keys as Google publishes it. One of another kind is in it.
pub(crate) fn published(keys: &[&Key]) -> String {
    let mut set: Vec<_> = keys.iter().map(|key| key.public()).collect();
    set.push(json!({"kty": "unheard-of", "kid": "of-tomorrow", "alg": "X", "use": "sig"}));
    json!({"keys": set}).to_string()
}

/// A key of Google, made for this test.
pub(crate) struct Key {
    id: &'static str,
    pair: rsa::KeyPair,
}

impl Key {
    pub(crate) fn new(id: &'static str) -> Self {
        Self { id, pair: rsa::KeyPair::generate(KeySize::Rsa2048).unwrap() }
    }

    fn public(&self) -> Value {
        let public = self.pair.public_key();
        let text = |number: &[u8]| BASE64_URL_SAFE_NO_PAD.encode(number);
        json!({
            "kid": self.id, "kty": "RSA", "alg": "RS256", "use": "sig",
            "n": text(public.modulus().big_endian_without_leading_zero()),
            "e": text(public.exponent().big_endian_without_leading_zero()),
        })
    }

    /// A token that says this.
    pub(crate) fn token(&self, claims: &Value) -> String {
        self.token_with(&json!({"alg": "RS256", "kid": self.id, "typ": "JWT"}), claims)
    }

    /// A token with another head.
    pub(crate) fn token_with(&self, head: &Value, claims: &Value) -> String {
        let message = message(head, claims);
        let mut signature = vec![0; self.pair.public_modulus_len()];
        let random = SystemRandom::new();
        self.pair.sign(&RSA_PKCS1_SHA256, &random, message.as_bytes(), &mut signature).unwrap();
        format!("{message}.{}", BASE64_URL_SAFE_NO_PAD.encode(signature))
    }

    /// A token that takes what everybody knows, the public key, for a secret.
    pub(crate) fn token_by_public_key(&self, claims: &Value) -> String {
        let secret = hmac::Key::new(hmac::HMAC_SHA256, self.pair.public_key().as_ref());
        let message = message(&json!({"alg": "HS256", "kid": self.id, "typ": "JWT"}), claims);
        let tag = hmac::sign(&secret, message.as_bytes());
        format!("{message}.{}", BASE64_URL_SAFE_NO_PAD.encode(tag))
    }
}

/// Head and claims of a token, without a signature.
pub(crate) fn message(head: &Value, claims: &Value) -> String {
    let text = |value: &Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
    format!("{}.{}", text(head), text(claims))
}

/// Seconds since 1970, so many from now.
pub(crate) fn seconds_from_now(seconds: i64) -> i64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    i64::try_from(now.as_secs()).unwrap() + seconds
}

/// What a token of the scheduler says.
pub(crate) fn claims() -> Value {
    json!({
        "iss": "https://accounts.google.com", "aud": AUDIENCE, "azp": "1", "sub": "1",
        "email": SCHEDULER, "email_verified": true,
        "iat": seconds_from_now(-10), "exp": seconds_from_now(3_590),
    })
}

/// What a token of the scheduler says, but for one member.
pub(crate) fn claims_with(name: &str, value: Value) -> Value {
    let mut claims = claims();
    claims[name] = value;
    claims
}

/// Keys are had at once, and again after an hour.
pub(crate) const LIMITS: IdentityLimits = IdentityLimits {
    leeway: Duration::from_secs(60),
    keys: KeyLimits {
        timeout: Duration::from_secs(60),
        bytes: 64 << 10,
        kept: Duration::from_secs(3_600),
        pause: Duration::from_secs(3_600),
        retry: Duration::ZERO,
    },
};

/// A function with one route for callers, and one for everybody.
pub(crate) fn function(env: &Env, limits: IdentityLimits) -> anyhow::Result<Router> {
    let routes = Router::new().route("/run", post(|| async { "ran" }));
    let open = Router::new().route("/healthz", get(|| async { "alive" }));
    Ok(open.merge(guarded(routes, env, limits)?))
}

/// An answer, as far as it matters.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

/// Calls the function with these headers.
pub(crate) async fn call(function: &Router, headers: &[(&str, &str)]) -> Answer {
    let mut request = Request::post("/run");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    answer(function, request.body(Body::empty()).unwrap()).await
}

/// Calls the function with this token.
pub(crate) async fn show(function: &Router, token: &str) -> Answer {
    let bearer = format!("Bearer {token}");
    call(function, &[("authorization", bearer.as_str())]).await
}

/// What the function answers to a request.
pub(crate) async fn answer(function: &Router, request: Request<Body>) -> Answer {
    let response: Response = function.clone().oneshot(request).await.unwrap();
    let (head, body) = response.into_parts();
    let body = to_bytes(body, 64 << 10).await.unwrap();
    let body = String::from_utf8(body.to_vec()).unwrap();
    Answer { status: head.status, headers: head.headers, body }
}
