//! Tokens of Google Cloud, as Managed Service for Apache Kafka takes them.

use std::{
    sync::{Arc, PoisonError},
    time::Duration,
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use gcp_auth::TokenProvider;
use questline_stores::log::LogError;
use rdkafka::client::OAuthToken;

use crate::client::Token;

const SCOPES: [&str; 1] = ["https://www.googleapis.com/auth/cloud-platform"];
/// A token is renewed this long before its end.
const MARGIN: Duration = Duration::from_secs(300);
/// Between two attempts at a token.
const PAUSE: Duration = Duration::from_secs(5);

/// Gets a first token, and keeps it new until nobody has a client any more.
pub(crate) async fn keep(token: &Token, account: &str) -> Result<(), LogError> {
    let refused = |error: gcp_auth::Error| LogError::Unavailable(error.into());
    let account = account.to_owned();
    let provider = gcp_auth::provider().await.map_err(refused)?;
    let first = fresh(&*provider, &account).await.map_err(refused)?;
    let mut until = pause(&first);
    *token.lock().unwrap_or_else(PoisonError::into_inner) = Some(first);
    let token = Arc::downgrade(token);
    tokio::spawn(async move {
        loop {
            tokio::time::sleep(until).await;
            let Some(token) = token.upgrade() else { return };
            match fresh(&*provider, &account).await {
                Ok(next) => {
                    until = pause(&next);
                    *token.lock().unwrap_or_else(PoisonError::into_inner) = Some(next);
                }
                Err(error) => {
                    tracing::warn!(%error, "kafka.token");
                    until = PAUSE;
                }
            }
        }
    });
    Ok(())
}

fn pause(token: &OAuthToken) -> Duration {
    let now = std::time::SystemTime::now();
    let now = now.duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    let end = Duration::from_millis(token.lifetime_ms.unsigned_abs());
    end.saturating_sub(now).saturating_sub(MARGIN).max(PAUSE)
}

async fn fresh(provider: &dyn TokenProvider, account: &str) -> Result<OAuthToken, gcp_auth::Error> {
    let token = provider.token(&SCOPES).await?;
    Ok(dressed(token.as_str(), account, token.expires_at().timestamp()))
}

/// The access token in the dress of a JSON Web Token, as Google's own sign-in server for Kafka
/// clients gives it out.
fn dressed(token: &str, account: &str, end: i64) -> OAuthToken {
    let header = serde_json::json!({ "typ": "JWT", "alg": "GOOG_OAUTH2_TOKEN" });
    let claims = serde_json::json!({
        "exp": end, "iss": "Google", "iat": end - 3_600, "scope": "kafka", "sub": account,
    });
    let parts = [header.to_string(), claims.to_string(), token.to_owned()];
    OAuthToken {
        token: parts.map(|part| URL_SAFE_NO_PAD.encode(part)).join("."),
        principal_name: account.to_owned(),
        lifetime_ms: end * 1_000,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_dressed_as_the_service_takes_it() {
        let dressed = dressed("ya29.abc", "process@game.iam.gserviceaccount.com", 1_800_000_000);
        let parts: Vec<_> = dressed
            .token
            .split('.')
            .map(|part| String::from_utf8(URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap())
            .collect();
        assert_eq!(parts.len(), 3);
        let header: serde_json::Value = serde_json::from_str(&parts[0]).unwrap();
        let claims: serde_json::Value = serde_json::from_str(&parts[1]).unwrap();
        assert_eq!(
            (header["typ"].as_str(), header["alg"].as_str()),
            (Some("JWT"), Some("GOOG_OAUTH2_TOKEN"))
        );
        assert_eq!(claims["sub"], "process@game.iam.gserviceaccount.com");
        assert_eq!((claims["exp"].as_i64(), &*parts[2]), (Some(1_800_000_000), "ya29.abc"));
        assert_eq!(dressed.lifetime_ms, 1_800_000_000_000);
    }
}
