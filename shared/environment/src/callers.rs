//! Who may call over HTTP.

use axum::Router;
use questline_events::limits::{
    IDENTITY_KEYS_BYTES, IDENTITY_KEYS_CALL, IDENTITY_KEYS_KEPT, IDENTITY_KEYS_PAUSE,
    IDENTITY_LEEWAY, RETRY_AFTER,
};
use questline_runtime::{
    config::Env,
    identity::{self, IdentityLimits, KeyLimits},
};

/// These routes, for the callers that the environment names, if it names any: see
/// [`identity`].
///
/// # Errors
/// If its variables cannot be used.
pub fn guarded(env: &Env, routes: Router) -> anyhow::Result<Router> {
    let keys = KeyLimits {
        timeout: IDENTITY_KEYS_CALL,
        bytes: IDENTITY_KEYS_BYTES,
        kept: IDENTITY_KEYS_KEPT,
        pause: IDENTITY_KEYS_PAUSE,
        retry: RETRY_AFTER,
    };
    identity::guarded(routes, env, IdentityLimits { leeway: IDENTITY_LEEWAY, keys })
}
