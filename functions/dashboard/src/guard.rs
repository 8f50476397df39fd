//! Who may look: this machine, whoever knows the password, or whom the platform lets in.

use std::{net::SocketAddr, sync::Arc};

use axum::{
    extract::{ConnectInfo, Request, State},
    http::{HeaderMap, HeaderValue, StatusCode, Uri, header},
    middleware::Next,
    response::{IntoResponse as _, Response},
};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use questline_runtime::{
    config::{ConfigError, Env, unusable},
    problem::Problem,
};
use sha2::{Digest as _, Sha256};

use crate::state::Dashboard;

/// Who may look.
#[derive(Clone, PartialEq, Eq)]
pub enum Viewers {
    /// Whoever sits at this machine.
    Local,
    /// Whoever knows this, from anywhere.
    Password(String),
    /// Whoever gets here: the platform has let them in by its own identities.
    Platform,
}

impl Viewers {
    /// Reads the environment.
    ///
    /// # Errors
    /// If it names others.
    pub fn read(env: &Env) -> Result<Self, ConfigError> {
        const NAME: &str = "QUESTLINE_DASHBOARD_VIEWERS";
        const MEANING: &str = "`platform`, where the platform lets in only whom it knows";
        match env.get(NAME) {
            Some("platform") => Ok(Self::Platform),
            Some(other) => Err(unusable(NAME, MEANING, format!("`{other}` is not"))),
            None => {
                Ok(env.owned("QUESTLINE_DASHBOARD_PASSWORD").map_or(Self::Local, Self::Password))
            }
        }
    }
}

pub(crate) async fn guard(
    State(dashboard): State<Arc<Dashboard>>,
    request: Request,
    next: Next,
) -> Response {
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|peer| peer.0);
    let refused = match &dashboard.config.viewers {
        Viewers::Password(password) if !knows(request.headers(), password) => Some(ask_for_it()),
        Viewers::Local if !is_local(peer, request.headers()) => Some(foreign()),
        _ => None,
    };
    let mut response = match refused {
        Some(refusal) => refusal,
        None => next.run(request).await,
    };
    protect(response.headers_mut(), &dashboard.policy);
    response
}

/// Loopback by its address, and by the name that it was called by: a name that somebody made to
/// point here is not this Host. What a proxy passes on comes from elsewhere.
fn is_local(peer: Option<SocketAddr>, headers: &HeaderMap) -> bool {
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    peer.is_some_and(|peer| peer.ip().is_loopback())
        && ["127.0.0.1", "localhost", "[::1]"].contains(&name)
        && !headers.contains_key("x-forwarded-for")
}

/// Hashes are compared: the time that takes tells nothing of the password.
fn knows(headers: &HeaderMap, password: &str) -> bool {
    let sent = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let pair = sent
        .and_then(|sent| sent.strip_prefix("Basic "))
        .and_then(|sent| BASE64_STANDARD.decode(sent).ok())
        .and_then(|pair| String::from_utf8(pair).ok());
    let sent = pair.as_deref().and_then(|pair| pair.split_once(':')).map(|(_, sent)| sent);
    sent.is_some_and(|sent| Sha256::digest(sent) == Sha256::digest(password))
}

fn ask_for_it() -> Response {
    let problem =
        Problem::new(StatusCode::UNAUTHORIZED, "password", "the dashboard has a password");
    let mut response = problem.into_response();
    let asks = HeaderValue::from_static("Basic realm=\"Questline\", charset=\"UTF-8\"");
    response.headers_mut().insert(header::WWW_AUTHENTICATE, asks);
    response
}

fn foreign() -> Response {
    let detail = "the dashboard is for this machine only, by the name 127.0.0.1 or localhost: set \
                  QUESTLINE_DASHBOARD_PASSWORD to let others in";
    Problem::new(StatusCode::FORBIDDEN, "foreign", detail).into_response()
}

/// The page runs its own scripts and nothing else, stands in nobody's frame, and what it is answered stays
/// in nobody's cache.
fn protect(headers: &mut HeaderMap, policy: &HeaderValue) {
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    headers.insert(header::CONTENT_SECURITY_POLICY, policy.clone());
    for (name, value) in [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_FRAME_OPTIONS, "DENY"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
}

/// The policy; `ingest` is where the form sends, if not to the page's own address. Of that it has the
/// origin alone: a path would have to be the whole one that the form sends to.
pub(crate) fn policy(ingest: &str) -> String {
    let ingest = ingest.parse::<Uri>().unwrap_or_default();
    let ingest = match (ingest.scheme_str(), ingest.authority()) {
        (Some(scheme), Some(authority)) => format!("{scheme}://{authority}"),
        _ => String::new(),
    };
    format!(
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
         connect-src 'self' {ingest}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
}
