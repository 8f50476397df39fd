//! Which release this is.

use std::{fs, path::Path, sync::OnceLock};

use axum::{Router, routing::get};

/// The release: the commit in the file `release` beside the program, as `scripts/deploy` lays it
/// there, or else the package's version. A file, so that no commit makes all be built anew.
#[must_use]
pub fn release() -> &'static str {
    static RELEASE: OnceLock<String> = OnceLock::new();
    RELEASE.get_or_init(|| {
        let program = std::env::args_os().next().unwrap_or_default();
        let beside = fs::read_to_string(Path::new(&program).with_file_name("release"));
        let beside = beside.ok().map(|text| text.trim().to_owned()).filter(|text| !text.is_empty());
        beside.unwrap_or_else(|| env!("CARGO_PKG_VERSION").to_owned())
    })
}

/// What every function answers over HTTP: that it is alive, and which release it is. Google's front
/// end keeps `/healthz` for itself, so who asks from outside asks for `/version`.
pub fn routes() -> Router {
    Router::new().route("/healthz", get(alive)).route("/version", get(version))
}

/// It is alive.
pub async fn alive() -> &'static str {
    "alive\n"
}

/// The release.
pub async fn version() -> &'static str {
    release()
}
