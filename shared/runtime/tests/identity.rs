//! Who may call: tokens as Google signs them, and as others would like to.
#![allow(clippy::unwrap_used, reason = "test helpers")]

mod support;

use std::time::Duration;

use axum::{
    body::Body,
    http::{Request, StatusCode, header},
};
use questline_runtime::{
    config::Env,
    identity::{IdentityLimits, KeyLimits},
};
use serde_json::{Value, json};
use support::{
    AUDIENCE, Google, Key, LIMITS, SCHEDULER, answer, call, claims, claims_with, function, message,
    published, seconds_from_now, show,
};

const REMOVED: &str = "SIGNATURE_REMOVED_BY_GOOGLE";

fn with_keys(keys: KeyLimits) -> IdentityLimits {
    IdentityLimits { keys, ..LIMITS }
}

#[tokio::test]
async fn a_token_of_a_caller_passes() {
    let key = Key::new("1");
    let google = Google::start(&[&key]).await;
    let function = function(&google.env(), LIMITS).unwrap();
    for (what, claims) in [
        ("as Google issues it", claims()),
        ("an issuer's old name", claims_with("iss", json!("accounts.google.com"))),
        ("the other caller", claims_with("email", json!("push@game.iam.gserviceaccount.com"))),
        ("a clock that differs", claims_with("exp", json!(seconds_from_now(-30)))),
    ] {
        let answer = show(&function, &key.token(&claims)).await;
        assert_eq!((answer.status, answer.body.as_str()), (StatusCode::OK, "ran"), "{what}");
    }
    assert_eq!(google.asked(), 1);
}

#[tokio::test]
async fn any_other_token_is_refused() {
    let (key, unpublished, namesake) = (Key::new("1"), Key::new("2"), Key::new("1"));
    let google = Google::start(&[&key]).await;
    let function = function(&google.env(), LIMITS).unwrap();
    let said = |name: &str, value: Value| key.token(&claims_with(name, value));
    let without = |name: &str| {
        let mut claims = claims();
        claims.as_object_mut().unwrap().remove(name);
        key.token(&claims)
    };
    let other = json!("other@game.iam.gserviceaccount.com");
    let good = key.token(&claims());
    let signature = good.rsplit_once('.').unwrap().1;
    let head = json!({"alg": "RS256", "kid": "1", "typ": "JWT"});
    let tampered = said("email", other.clone());
    let tampered = tampered.rsplit_once('.').unwrap().1;
    let unsigned = |alg: &str| message(&json!({"alg": alg, "kid": "1"}), &claims());
    let (token, caller) = (StatusCode::UNAUTHORIZED, StatusCode::FORBIDDEN);
    for (what, shown, status) in [
        ("another audience", said("aud", json!("questline-ml-trigger")), token),
        ("among audiences", said("aud", json!([AUDIENCE, "questline-ml-trigger"])), token),
        ("no audience", without("aud"), token),
        ("another issuer", said("iss", json!("https://accounts.example.com")), token),
        ("no issuer", without("iss"), token),
        ("expired", said("exp", json!(seconds_from_now(-120))), token),
        ("no expiry", without("exp"), token),
        ("another caller", said("email", other), caller),
        ("a caller's address and more", said("email", json!(format!("{SCHEDULER}.x"))), caller),
        ("no address", without("email"), caller),
        ("an address not verified", said("email_verified", json!(false)), caller),
        ("an address of which nothing is said", without("email_verified"), caller),
        ("a key that is not published", unpublished.token(&claims()), token),
        ("another key under that name", namesake.token(&claims()), token),
        ("no key named", key.token_with(&json!({"alg": "RS256"}), &claims()), token),
        ("no algorithm", format!("{}.", unsigned("none")), token),
        ("no algorithm, signed", format!("{}.{signature}", unsigned("none")), token),
        ("no signature", format!("{}.", unsigned("RS256")), token),
        ("two parts", unsigned("RS256"), token),
        ("a removed signature", format!("{}.{REMOVED}", unsigned("RS256")), token),
        ("the public key for a secret", key.token_by_public_key(&claims()), token),
        ("a tampered payload", format!("{}.{tampered}", message(&head, &claims())), token),
        ("no token at all", "-".to_owned(), token),
        ("nothing", String::new(), token),
    ] {
        let answer = show(&function, &shown).await;
        assert_eq!(answer.status, status, "{what}: {}", answer.body);
        assert_eq!(answer.headers[header::CONTENT_TYPE], "application/problem+json", "{what}");
        let asks = answer.headers.get(header::WWW_AUTHENTICATE);
        assert_eq!(asks.is_some(), status == token, "{what}");
        let told: Value = serde_json::from_str(&answer.body).unwrap();
        let detail = told["detail"].as_str().unwrap();
        assert!(!detail.contains('\n'), "{what}: {detail}");
        for part in shown.split('.').filter(|part| part.len() > 1) {
            assert!(!answer.body.contains(part), "{what}: its answer shows the token");
        }
    }
    assert_eq!(show(&function, &good).await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_token_comes_in_one_header() {
    let key = Key::new("1");
    let google = Google::start(&[&key]).await;
    let function = function(&google.env(), LIMITS).unwrap();
    let token = key.token(&claims());
    let (bearer, basic) = (format!("Bearer {token}"), format!("Basic {token}"));
    let (token, bearer, basic) = (token.as_str(), bearer.as_str(), basic.as_str());
    let wrong: [&[(&str, &str)]; 5] = [
        &[],
        &[("authorization", basic)],
        &[("authorization", token)],
        &[("authorization", bearer), ("authorization", bearer)],
        &[("x-serverless-authorization", bearer)],
    ];
    for headers in wrong {
        let refused = call(&function, headers).await;
        assert_eq!(refused.status, StatusCode::UNAUTHORIZED, "{headers:?}: {}", refused.body);
    }
    // Neither was a reason to ask for keys; the scheme's case is none to refuse.
    assert_eq!(google.asked(), 0);
    let lower = format!("bearer {token}");
    assert_eq!(call(&function, &[("authorization", &*lower)]).await.status, StatusCode::OK);
}

#[tokio::test]
async fn other_routes_are_open() {
    let google = Google::start(&[]).await;
    let function = function(&google.env(), LIMITS).unwrap();
    let asked = |path: &str| Request::get(path).body(Body::empty()).unwrap();
    assert_eq!(answer(&function, asked("/healthz")).await.status, StatusCode::OK);
    assert_eq!(answer(&function, asked("/nowhere")).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_new_key_is_picked_up_and_an_old_one_dropped() {
    let (old, new) = (Key::new("old"), Key::new("new"));
    let google = Google::start(&[&old]).await;
    let limits = with_keys(KeyLimits { pause: Duration::ZERO, ..LIMITS.keys });
    let function = function(&google.env(), limits).unwrap();
    assert_eq!(show(&function, &old.token(&claims())).await.status, StatusCode::OK);
    google.publishes(&[&new]);
    assert_eq!(show(&function, &new.token(&claims())).await.status, StatusCode::OK);
    assert_eq!(show(&function, &old.token(&claims())).await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn keys_are_not_kept_for_ever() {
    let (withdrawn, other) = (Key::new("1"), Key::new("2"));
    let google = Google::start(&[&withdrawn]).await;
    let brief = KeyLimits { kept: Duration::ZERO, pause: Duration::ZERO, ..LIMITS.keys };
    let function = function(&google.env(), with_keys(brief)).unwrap();
    let token = withdrawn.token(&claims());
    assert_eq!(show(&function, &token).await.status, StatusCode::OK);
    google.publishes(&[&other]);
    assert_eq!(show(&function, &token).await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn unknown_keys_are_looked_for_once_in_a_while() {
    let (key, unknown) = (Key::new("1"), Key::new("2"));
    let google = Google::start(&[&key]).await;
    let function = function(&google.env(), LIMITS).unwrap();
    for _ in 0..3 {
        let refused = show(&function, &unknown.token(&claims())).await;
        assert_eq!(refused.status, StatusCode::UNAUTHORIZED);
        assert_eq!(show(&function, &key.token(&claims())).await.status, StatusCode::OK);
    }
    assert_eq!(google.asked(), 1);
}

#[tokio::test]
async fn without_keys_a_caller_is_to_come_again() {
    let key = Key::new("1");
    let google = Google::start(&[&key]).await;
    let small = with_keys(KeyLimits { bytes: 1 << 10, ..LIMITS.keys });
    let function = function(&google.env(), small).unwrap();
    let token = key.token(&claims());
    // A redirect, whoever it leads to, and keys with too much behind them.
    let large = published(&[&key]) + &" ".repeat(1 << 10);
    for (status, body) in [
        (StatusCode::INTERNAL_SERVER_ERROR, ""),
        (StatusCode::FOUND, ""),
        (StatusCode::OK, "<html>"),
        (StatusCode::OK, r#"{"keys":[]}"#),
        (StatusCode::OK, large.as_str()),
    ] {
        google.says(status, body);
        let answer = show(&function, &token).await;
        assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE, "{status} {body}");
        assert!(answer.headers.contains_key(header::RETRY_AFTER), "{status} {body}");
    }
    google.publishes(&[&key]);
    assert_eq!(show(&function, &token).await.status, StatusCode::OK);
    // What is known holds without the server.
    google.says(StatusCode::INTERNAL_SERVER_ERROR, "");
    assert_eq!(show(&function, &token).await.status, StatusCode::OK);
    let unknown = show(&function, &Key::new("2").token(&claims())).await;
    assert_eq!(unknown.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_server_that_is_down_is_not_asked_by_every_caller() {
    let key = Key::new("1");
    let google = Google::start(&[&key]).await;
    google.says(StatusCode::INTERNAL_SERVER_ERROR, "");
    let limits = with_keys(KeyLimits { retry: Duration::from_secs(3_600), ..LIMITS.keys });
    let function = function(&google.env(), limits).unwrap();
    for _ in 0..3 {
        let answer = show(&function, &key.token(&claims())).await;
        assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(answer.headers[header::RETRY_AFTER], "3600");
    }
    assert_eq!(google.asked(), 1);
}

#[tokio::test]
async fn a_server_that_cannot_be_reached_is_waited_for_no_longer_than_that() {
    let key = Key::new("1");
    // It listens, and never answers.
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut env = Google::start(&[&key]).await.env();
    let url = format!("http://{}/", silent.local_addr().unwrap());
    env.set("QUESTLINE_IDENTITY_KEYS".to_owned(), url);
    let brief = with_keys(KeyLimits { timeout: Duration::from_millis(100), ..LIMITS.keys });
    let called = async { show(&function(&env, brief).unwrap(), &key.token(&claims())).await };
    let answer = tokio::time::timeout(Duration::from_secs(10), called).await.unwrap();
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    drop(silent);
    // Nor does it listen any more.
    let answer = show(&function(&env, brief).unwrap(), &key.token(&claims())).await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
}

/// As Cloud Run passes a token on.
fn removed(claims: &Value) -> String {
    format!("{}.{REMOVED}", message(&json!({"alg": "RS256", "kid": "1", "typ": "JWT"}), claims))
}

#[tokio::test]
async fn a_signature_that_cloud_run_removed_is_not_asked_for_and_all_else_is() {
    let key = Key::new("1");
    let google = Google::start(&[&key]).await;
    let mut env = google.env();
    env.set("K_SERVICE".to_owned(), "questline-daily-aggregate".to_owned());
    let bearer = format!("Bearer {}", removed(&claims()));

    // Cloud Run alone is no word for it: it may be open to everybody.
    let open = function(&env, LIMITS).unwrap();
    let refused = call(&open, &[("authorization", &*bearer)]).await;
    assert_eq!(refused.status, StatusCode::UNAUTHORIZED);

    env.set("QUESTLINE_CALLERS_SIGNATURE".to_owned(), "platform".to_owned());
    let private = function(&env, LIMITS).unwrap();
    let asked = google.asked();
    assert_eq!(call(&private, &[("authorization", &*bearer)]).await.status, StatusCode::OK);
    let other = json!("other@game.iam.gserviceaccount.com");
    for (name, value, status) in [
        ("aud", json!("questline-ml-trigger"), StatusCode::UNAUTHORIZED),
        ("iss", json!("https://accounts.example.com"), StatusCode::UNAUTHORIZED),
        ("exp", json!(seconds_from_now(-120)), StatusCode::UNAUTHORIZED),
        ("email", other.clone(), StatusCode::FORBIDDEN),
        ("email_verified", json!(false), StatusCode::FORBIDDEN),
    ] {
        let answer = show(&private, &removed(&claims_with(name, value))).await;
        assert_eq!(answer.status, status, "{name}: {}", answer.body);
    }
    assert_eq!(google.asked(), asked, "a key was asked for, for no signature");

    // By the other header somebody else was let in, who wrote this one.
    let elsewhere = format!("Bearer {}", removed(&claims_with("email", other)));
    let both = [("authorization", &*bearer), ("x-serverless-authorization", &*elsewhere)];
    assert_eq!(call(&private, &both).await.status, StatusCode::UNAUTHORIZED);

    // A signature that is there is verified: nearly the word is not the word.
    let signed = show(&private, &key.token(&claims())).await;
    assert_eq!(signed.status, StatusCode::OK);
    let forged = [Key::new("1").token(&claims()), format!("{}X", removed(&claims()))];
    for forged in forged {
        assert_eq!(show(&private, &forged).await.status, StatusCode::UNAUTHORIZED);
    }
    let signed = format!("Bearer {}", key.token(&claims()));
    let both = [("authorization", &*signed), ("x-serverless-authorization", &*elsewhere)];
    assert_eq!(call(&private, &both).await.status, StatusCode::OK);
}

#[tokio::test]
async fn nobody_is_asked_where_nobody_is_named() {
    let function = function(&Env::of([("QUESTLINE_CALLERS", "")]), LIMITS).unwrap();
    assert_eq!(call(&function, &[]).await.status, StatusCode::OK);
}

#[test]
fn half_a_configuration_is_none() {
    let callers = ("QUESTLINE_CALLERS", SCHEDULER);
    let audience = ("QUESTLINE_AUDIENCE", AUDIENCE);
    let platform = ("QUESTLINE_CALLERS_SIGNATURE", "platform");
    let unset = ("UNSET", "");
    for (variables, named) in [
        ([callers, unset, unset], "QUESTLINE_AUDIENCE is not set"),
        ([audience, unset, unset], "QUESTLINE_CALLERS is not set"),
        ([platform, unset, unset], "QUESTLINE_CALLERS is not set"),
        ([("QUESTLINE_CALLERS", "nobody"), audience, unset], "QUESTLINE_CALLERS cannot be used"),
        ([("QUESTLINE_CALLERS", "a@b.c,"), audience, unset], "QUESTLINE_CALLERS cannot be used"),
        // Only Cloud Run removes signatures.
        ([callers, audience, platform], "QUESTLINE_CALLERS_SIGNATURE cannot be used"),
        (
            [callers, audience, ("QUESTLINE_CALLERS_SIGNATURE", "none")],
            "QUESTLINE_CALLERS_SIGNATURE cannot be used",
        ),
    ] {
        let error = function(&Env::of(variables), LIMITS).unwrap_err().to_string();
        assert!(error.starts_with(named), "{variables:?}: {error}");
    }
}
