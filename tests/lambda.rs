//! The real ingest binary against a Lambda runtime API on loopback, as `cargo-lambda` speaks it.
#![allow(clippy::unwrap_used, reason = "test helpers")]

mod support;

use std::{
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use questline_log_sqlite::SqliteLog;
use questline_stores::{
    Topic,
    log::{Log as _, PollLimits, Reader as _},
};
use questline_testing::{skip, until};
use serde_json::{Value, json};
use support::{binary, event};

/// Processes that end with the test.
struct Running(Vec<Child>);

impl Drop for Running {
    fn drop(&mut self) {
        for child in &mut self.0 {
            _ = child.kill();
            _ = child.wait();
        }
    }
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// The emulator and the function; the address of the runtime API.
fn start(folder: &Path) -> Option<(Running, String)> {
    let tools = std::env::var_os("QUESTLINE_PYTHON").map(PathBuf::from);
    let Some(tool) = tools.map(|tools| tools.join("cargo-lambda")).filter(|tool| tool.exists())
    else {
        skip("lambda", "QUESTLINE_PYTHON names no cargo-lambda");
        return None;
    };
    let port = free_port();
    // It watches a package of its own, and never builds it.
    std::fs::create_dir_all(folder.join("package/src")).unwrap();
    let manifest = "[package]\nname = \"ingest\"\nversion = \"0.0.0\"\nedition = \"2024\"\n";
    std::fs::write(folder.join("package/Cargo.toml"), manifest).unwrap();
    std::fs::write(folder.join("package/src/main.rs"), "fn main() {}\n").unwrap();
    let log = std::fs::File::create(folder.join("lambda.log")).unwrap();
    let emulator = Command::new(tool)
        .args(["lambda", "watch", "--only-lambda-apis", "-A", "127.0.0.1", "-P", &port.to_string()])
        .current_dir(folder.join("package"))
        .stdin(Stdio::null())
        .stdout(log.try_clone().unwrap())
        .stderr(log.try_clone().unwrap())
        .spawn()
        .unwrap();
    let mut running = Running(vec![emulator]);
    until("the runtime API listens", Duration::from_secs(30), || {
        std::net::TcpStream::connect(("127.0.0.1", port)).ok()
    });
    let keys = format!(r#"[{{"sha256":"{}","app":"game"}}]"#, questline_testing_sha256("secret"));
    let function = Command::new(binary("questline-ingest"))
        .env("AWS_LAMBDA_RUNTIME_API", format!("http://127.0.0.1:{port}/.rt/ingest"))
        .env("AWS_LAMBDA_FUNCTION_NAME", "ingest")
        .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256")
        .env("AWS_LAMBDA_FUNCTION_VERSION", "1")
        .env("QUESTLINE_LOG", format!("sqlite:{}", folder.join("log").display()))
        .env("QUESTLINE_KEYS", keys)
        .stdin(Stdio::null())
        .stdout(log.try_clone().unwrap())
        .stderr(log)
        .spawn()
        .unwrap();
    running.0.push(function);
    Some((running, format!("http://127.0.0.1:{port}")))
}

fn questline_testing_sha256(key: &str) -> &'static str {
    assert_eq!(key, "secret");
    "2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b"
}

#[tokio::test]
async fn ingest_answers_function_urls_and_api_gateway() {
    let folder = tempfile::tempdir().unwrap();
    let Some((running, api)) = start(folder.path()) else { return };
    let client = reqwest::Client::new();

    // A function URL, compressed: the emulator hands the body over in base64, as Lambda does.
    let url = format!("{api}/lambda-url/ingest/v1/events?receipts=all");
    let body = format!("[{},17]", event("by-url"));
    let answer = client.post(&url).header("x-api-key", "secret").body(body).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    let receipt: Value = answer.json().await.unwrap();
    assert_eq!((&receipt["stored"], &receipt["rejected"]), (&json!(1), &json!(1)), "{receipt}");
    let refused = client.post(&url).header("x-api-key", "wrong").body("[]").send().await.unwrap();
    assert_eq!(refused.status(), 401);

    // API Gateway v2, as its event arrives.
    let request = json!({
        "version": "2.0",
        "routeKey": "POST /v1/events",
        "rawPath": "/v1/events",
        "rawQueryString": "key=secret",
        "queryStringParameters": {"key": "secret"},
        "headers": {"content-type": "application/json", "x-forwarded-for": "203.0.113.77"},
        "requestContext": {
            "accountId": "1", "apiId": "api", "domainName": "api.example", "domainPrefix": "api",
            "http": {"method": "POST", "path": "/v1/events", "protocol": "HTTP/1.1",
                     "sourceIp": "203.0.113.77", "userAgent": "test"},
            "requestId": "1", "routeKey": "POST /v1/events", "stage": "$default",
            "time": "23/Nov/2026:12:00:00 +0000", "timeEpoch": 1_795_435_200_000_i64
        },
        "body": event("by-gateway"),
        "isBase64Encoded": false
    });
    let invoke = format!("{api}/2015-03-31/functions/ingest/invocations");
    let answer: Value =
        client.post(&invoke).json(&request).send().await.unwrap().json().await.unwrap();
    assert_eq!(answer["statusCode"], 200, "{answer}");
    let receipt: Value = serde_json::from_str(answer["body"].as_str().unwrap()).unwrap();
    assert_eq!(receipt["stored"], 1);

    drop(running);
    let log = until("the log opens", Duration::from_secs(5), || {
        SqliteLog::open(&folder.path().join("log")).ok()
    });
    assert!(log.ends(Topic::Raw).await.unwrap().iter().sum::<i64>() >= 4);
    let limits = PollLimits {
        records: 100,
        bytes: 1 << 20,
        wait: Duration::from_secs(1),
        linger: Duration::ZERO,
    };
    let records = log.join("test").unwrap().poll(limits).await.unwrap().records;
    let header = |record: &questline_stores::Record, name| {
        record.headers.get(name).map(|value| String::from_utf8_lossy(value).into_owned())
    };
    let gateway = records.iter().find(|record| {
        record
            .value
            .as_deref()
            .is_some_and(|value| value.windows(10).any(|part| part == b"by-gateway"))
    });
    let gateway = gateway.unwrap();
    assert_eq!(header(gateway, "client_ip").as_deref(), Some("203.0.113.77"), "Lambda's word");
    assert_eq!(header(gateway, "app_id").as_deref(), Some("game"));
    let pages: Vec<Value> = records
        .iter()
        .filter(|record| header(record, "kind").as_deref() == Some("ledger"))
        .map(|record| serde_json::from_slice(record.value.as_deref().unwrap()).unwrap())
        .collect();
    let stored: i64 = pages
        .iter()
        .flat_map(|page| page["apps"].as_array().unwrap().clone())
        .map(|app| app[1]["stored"].as_i64().unwrap_or(0))
        .sum();
    assert_eq!(stored, 2, "the ledger's pages travel with the requests: {pages:?}");
}
