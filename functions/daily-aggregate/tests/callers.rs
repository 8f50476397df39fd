//! Who may have days closed, asked of the real program.
#![allow(clippy::unwrap_used, reason = "test helpers")]

use std::{
    fs::File,
    net::TcpStream,
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use questline_runtime::clock::now_micros;
use questline_testing::{free_port, until};
use serde_json::{Value, json};

const AUDIENCE: &str = "questline-daily-aggregate";
const SCHEDULER: &str = "questline-scheduler@game.iam.gserviceaccount.com";

/// The function by HTTP. It is killed when it is dropped.
struct Running {
    child: Child,
    url: String,
}

impl Running {
    /// As on Cloud Run, which verifies signatures and removes them.
    fn start(folder: &Path) -> Self {
        let (port, place) = (free_port(), folder.display());
        let log = File::create(folder.join("log")).unwrap();
        let child = Command::new(env!("CARGO_BIN_EXE_questline-daily-aggregate"))
            .env("QUESTLINE_WAREHOUSE", format!("duckdb:{place}"))
            .env("QUESTLINE_FEATURES", format!("file:{place}"))
            .env("QUESTLINE_METRICS_READY", format!("file:{place}"))
            .env("QUESTLINE_CALLERS", SCHEDULER)
            .env("QUESTLINE_AUDIENCE", AUDIENCE)
            .env("QUESTLINE_CALLERS_SIGNATURE", "platform")
            .env("K_SERVICE", AUDIENCE)
            .env("HOST", "127.0.0.1")
            .env("PORT", port.to_string())
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn();
        let mut running = Self { child: child.unwrap(), url: format!("http://127.0.0.1:{port}") };
        until("the function listens", Duration::from_secs(30), || {
            let ended = running.child.try_wait().unwrap();
            let said = || std::fs::read_to_string(folder.join("log")).unwrap();
            assert!(ended.is_none(), "the function ended: {}", said());
            TcpStream::connect(("127.0.0.1", port)).ok()
        });
        running
    }

    /// What is answered to who shows this token.
    async fn run(&self, token: Option<String>) -> (u16, Value) {
        let call = reqwest::Client::new().post(format!("{}/run", self.url));
        let call = match token {
            Some(token) => call.bearer_auth(token),
            None => call,
        };
        let answer = call.send().await.unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        _ = self.child.kill();
        _ = self.child.wait();
    }
}

/// A token of the scheduler as Cloud Run passes it on, but for one member.
fn token(name: &str, value: &str) -> Option<String> {
    let mut claims = json!({
        "iss": "https://accounts.google.com", "aud": AUDIENCE, "email": SCHEDULER,
        "email_verified": true, "exp": now_micros() / 1_000_000 + 3_600
    });
    claims[name] = json!(value);
    let text = |value: &Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
    let head = text(&json!({"alg": "RS256", "kid": "1", "typ": "JWT"}));
    Some(format!("{head}.{}.SIGNATURE_REMOVED_BY_GOOGLE", text(&claims)))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn days_are_closed_for_a_caller_alone() {
    let folder = tempfile::tempdir().unwrap();
    let function = Running::start(folder.path());
    for (what, shown, expected) in [
        ("no token", None, 401),
        ("a token for another function", token("aud", "questline-ml-trigger"), 401),
        ("another caller", token("email", "other@game.iam.gserviceaccount.com"), 403),
    ] {
        let (status, problem) = function.run(shown).await;
        assert_eq!(status, expected, "{what}: {problem}");
    }
    let (status, reports) = function.run(token("email", SCHEDULER)).await;
    assert_eq!(status, 200, "{reports}");
    assert_eq!(reports["days"][0]["standing"], "unfinished", "no minute is closed: {reports}");
}
