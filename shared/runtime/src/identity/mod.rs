//! Who calls over HTTP: Cloud Scheduler, Pub/Sub and operators show a token that Google has signed.
//!
//! The platform's IAM asks for the same token before. It is asked for again here because a grant may
//! be wider than anybody meant it to be: an owner, an editor and an invoker of the whole project may
//! call every service, and this function knows its callers by name.
//!
//! A token comes as `Authorization: Bearer JWT`. It is signed with RS256 by one of the keys that
//! Google publishes, and meant for this audience; it has not expired, and its verified address is
//! that of a caller.
//!
//! **Cloud Run removes the signature.** Where its IAM has let a caller in, the token that it did so
//! by reaches the container with
//! [`SIGNATURE_REMOVED_BY_GOOGLE`](https://cloud.google.com/run/docs/troubleshooting#signature-removed)
//! in the signature's place. Such a token cannot be verified a second time, and neither Cloud
//! Scheduler nor Pub/Sub can send a second one. It is taken, and all else about it is checked, if
//!
//! * `QUESTLINE_CALLERS_SIGNATURE=platform` says so, which it can on Cloud Run only (`K_SERVICE`).
//!   It does not follow from `K_SERVICE` alone: a service that is open to `allUsers` gets its headers
//!   as the caller wrote them, and anybody can write that word. It belongs to services that IAM keeps
//!   private; Terraform sets it with those who may invoke.
//! * there is no `X-Serverless-Authorization`. Where there is, Cloud Run asks that one alone and
//!   passes `Authorization` on as it came: one who may invoke could write another's name into it.
//!
//! A token that has its signature is verified everywhere, so a caller that wants both checked sends
//! one in each header. A token without a signature is never taken by default.

mod keys;

use std::{collections::HashSet, sync::Arc, time::Duration};

use axum::{
    Router,
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
};
use jsonwebtoken::{Algorithm, Validation, dangerous, decode, decode_header};
use serde::Deserialize;

pub use self::keys::KeyLimits;
use self::keys::{Keys, Unavailable};
use crate::{
    clock,
    config::{ConfigError, Env, unusable},
    problem::Problem,
};

const CALLERS: &str = "QUESTLINE_CALLERS";
const AUDIENCE: &str = "QUESTLINE_AUDIENCE";
const SIGNATURE: &str = "QUESTLINE_CALLERS_SIGNATURE";
/// Where Google publishes its keys.
const KEYS: &str = "https://www.googleapis.com/oauth2/v3/certs";
/// How Google calls itself.
const ISSUERS: [&str; 2] = ["https://accounts.google.com", "accounts.google.com"];
/// What Cloud Run leaves of a signature.
const REMOVED: &str = "SIGNATURE_REMOVED_BY_GOOGLE";
/// Where this header is, Cloud Run asks it alone.
const SERVERLESS: &str = "x-serverless-authorization";

/// What the check of a caller allows.
#[derive(Debug, Clone, Copy)]
pub struct IdentityLimits {
    /// A token may have expired this long ago: clocks differ.
    pub leeway: Duration,
    /// What the keys may cost.
    pub keys: KeyLimits,
}

/// These routes, for callers alone where `QUESTLINE_CALLERS` names them and `QUESTLINE_AUDIENCE` says
/// what their tokens are for; for whoever gets here where neither does. Who shows no token that is
/// valid here is answered 401, another caller 403, and 503 where Google's keys cannot be had.
///
/// # Errors
/// If one is set without the other, or one of them cannot be used.
pub fn guarded(routes: Router, env: &Env, limits: IdentityLimits) -> anyhow::Result<Router> {
    let Some(callers) = Callers::read(env, limits)? else { return Ok(routes) };
    Ok(routes.route_layer(middleware::from_fn_with_state(Arc::new(callers), check)))
}

async fn check(
    State(callers): State<Arc<Callers>>,
    headers: HeaderMap,
    request: Request,
    next: Next,
) -> Response {
    match callers.admit(&headers).await {
        Ok(()) => next.run(request).await,
        Err(refusal) => refusal.into_response(),
    }
}

/// Who may call, and how that is found out.
struct Callers {
    emails: HashSet<String>,
    audience: String,
    /// The platform has verified what it has removed.
    removes: bool,
    leeway: Duration,
    signature: Validation,
    keys: Keys,
}

/// What a token says.
#[derive(Deserialize)]
struct Claims {
    iss: String,
    aud: String,
    exp: u64,
    #[serde(default)]
    email: String,
    #[serde(default)]
    email_verified: bool,
}

/// Why somebody may not call.
enum Refusal {
    /// The token is missing, or not valid here.
    Token(&'static str),
    /// It is the token of somebody else.
    Caller(String),
    /// It cannot be told for so long.
    Keys(Duration),
}

impl Callers {
    fn read(env: &Env, limits: IdentityLimits) -> anyhow::Result<Option<Self>> {
        const WHO: &str = "the addresses of the service accounts that may call, with commas between \
                           them; to let in whoever gets here, set none of QUESTLINE_CALLERS, \
                           QUESTLINE_AUDIENCE and QUESTLINE_CALLERS_SIGNATURE";
        const WHAT: &str = "what the tokens of QUESTLINE_CALLERS are for, as the caller asks Google \
                            for them";
        if [CALLERS, AUDIENCE, SIGNATURE].iter().all(|name| env.get(name).is_none()) {
            return Ok(None);
        }
        let emails = env.required(CALLERS, WHO)?.split(',').map(str::trim);
        let emails: HashSet<_> = emails.map(str::to_owned).collect();
        if let Some(other) = emails.iter().find(|email| !is_address(email)) {
            return Err(unusable(CALLERS, WHO, format!("`{other}` is no address")).into());
        }
        let audience = env.required(AUDIENCE, WHAT)?.to_owned();
        let keys = Keys::new(env.get("QUESTLINE_IDENTITY_KEYS").unwrap_or(KEYS), limits.keys)?;
        // What it says is checked here, whoever has verified the signature.
        let mut signature = Validation::new(Algorithm::RS256);
        (signature.validate_exp, signature.validate_aud) = (false, false);
        signature.required_spec_claims.clear();
        let (removes, leeway) = (removes(env)?, limits.leeway);
        Ok(Some(Self { emails, audience, removes, leeway, signature, keys }))
    }

    async fn admit(&self, headers: &HeaderMap) -> Result<(), Refusal> {
        let token = bearer(headers)?;
        let removed = token.rsplit_once('.').is_some_and(|(_, signature)| signature == REMOVED);
        let claims = if removed && self.removes && !headers.contains_key(SERVERLESS) {
            let claims = dangerous::insecure_decode_claims::<Claims>(token);
            claims.map_err(|_| Refusal::Token("what it says is no identity of Google"))?
        } else {
            self.verify(token).await?
        };
        self.allow(claims)
    }

    /// What a token says that Google has signed.
    async fn verify(&self, token: &str) -> Result<Claims, Refusal> {
        let head = decode_header(token).map_err(|_| Refusal::Token("it is no signed JWT"))?;
        // Before the key is looked for: no other kind costs a fetch.
        if head.alg != Algorithm::RS256 {
            return Err(Refusal::Token("it is not signed with RS256"));
        }
        let id = head.kid.ok_or(Refusal::Token("it names no key"))?;
        let later = |Unavailable| Refusal::Keys(self.keys.limits.retry);
        let key = self.keys.get(&id).await.map_err(later)?;
        let key = key.ok_or(Refusal::Token("it is signed with no key of Google"))?;
        let read = decode::<Claims>(token, &key, &self.signature);
        let read = read.map_err(|_| Refusal::Token("its signature or its form is not Google's"))?;
        Ok(read.claims)
    }

    fn allow(&self, claims: Claims) -> Result<(), Refusal> {
        let now = Duration::from_micros(u64::try_from(clock::now_micros()).unwrap_or_default());
        if !ISSUERS.contains(&claims.iss.as_str()) {
            return Err(Refusal::Token("Google has not issued it"));
        }
        if claims.aud != self.audience {
            return Err(Refusal::Token("it is meant for another audience"));
        }
        if Duration::from_secs(claims.exp).saturating_add(self.leeway) < now {
            return Err(Refusal::Token("it has expired"));
        }
        if !claims.email_verified || !self.emails.contains(&claims.email) {
            return Err(Refusal::Caller(claims.email));
        }
        Ok(())
    }
}

fn is_address(text: &str) -> bool {
    let shown = text.chars().all(|character| character.is_ascii_graphic());
    shown && text.split_once('@').is_some_and(|(name, host)| !name.is_empty() && !host.is_empty())
}

/// Whether the platform removes the signatures that it has verified.
fn removes(env: &Env) -> Result<bool, ConfigError> {
    const MEANING: &str = "`platform`, on a private service of Cloud Run";
    let why = match env.get(SIGNATURE) {
        None => return Ok(false),
        Some("platform") if env.get("K_SERVICE").is_some() => return Ok(true),
        Some("platform") => "this is no service of Cloud Run: K_SERVICE is not set".to_owned(),
        Some(other) => format!("`{other}` is not"),
    };
    Err(unusable(SIGNATURE, MEANING, why))
}

/// The token of a request. There is one, or none: of two, nobody knows which one the platform saw.
fn bearer(headers: &HeaderMap) -> Result<&str, Refusal> {
    let mut sent = headers.get_all(header::AUTHORIZATION).iter();
    let (Some(sent), None) = (sent.next(), sent.next()) else {
        return Err(Refusal::Token("one `Authorization` is to bear it"));
    };
    let sent = sent.to_str().ok().and_then(|sent| sent.split_once(' '));
    match sent {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => Ok(token.trim()),
        _ => Err(Refusal::Token("`Authorization` is to be `Bearer` and a JWT")),
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let (status, name, detail) = match &self {
            Self::Token(why) => {
                let detail = format!("a token that Google has signed is needed: {why}");
                (StatusCode::UNAUTHORIZED, "token", detail)
            }
            Self::Caller(email) => {
                let detail = format!("`{email}` is no verified address of {CALLERS}");
                (StatusCode::FORBIDDEN, "caller", detail)
            }
            Self::Keys(_) => {
                let detail = "Google's keys cannot be had, so no token can be verified".to_owned();
                (StatusCode::SERVICE_UNAVAILABLE, "keys", detail)
            }
        };
        tracing::warn!(status = status.as_u16(), reason = detail, "identity.refused");
        let problem = Problem::new(status, name, detail);
        match self {
            Self::Token(_) => {
                let mut response = problem.into_response();
                let asks = HeaderValue::from_static("Bearer");
                response.headers_mut().insert(header::WWW_AUTHENTICATE, asks);
                response
            }
            Self::Caller(_) => problem.into_response(),
            Self::Keys(after) => problem.header("retry-after", after.as_secs()).into_response(),
        }
    }
}
