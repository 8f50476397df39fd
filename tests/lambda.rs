//! The real binaries against a Lambda runtime API on loopback, as `cargo-lambda` speaks it.
#![allow(clippy::unwrap_used, reason = "test helpers")]

mod support;

use std::{
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use questline_log_sqlite::SqliteLog;
use questline_stores::{
    Topic,
    log::{Log as _, PollLimits, Reader as _},
};
use questline_testing::{Aws, free_port, skip, until};
use serde_json::{Value, json};
use support::{binary, collector::collector, event};

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

/// The emulator and a function; the address of the runtime API.
fn start(folder: &Path, name: &str) -> Option<(Running, String)> {
    let keys = format!(r#"[{{"sha256":"{}","app":"game"}}]"#, questline_testing_sha256("secret"));
    start_with(folder, name, [("QUESTLINE_KEYS", keys)])
}

/// The same in an environment of its own.
fn start_with(
    folder: &Path,
    name: &str,
    variables: impl IntoIterator<Item = (&'static str, String)>,
) -> Option<(Running, String)> {
    let tools = std::env::var_os("QUESTLINE_PYTHON").map(PathBuf::from);
    let Some(tool) = tools.map(|tools| tools.join("cargo-lambda")).filter(|tool| tool.exists())
    else {
        skip("lambda", "QUESTLINE_PYTHON names no cargo-lambda");
        return None;
    };
    let port = free_port();
    // It watches a package of its own, and never builds it.
    std::fs::create_dir_all(folder.join("package/src")).unwrap();
    let manifest =
        format!("[package]\nname = \"{name}\"\nversion = \"0.0.0\"\nedition = \"2024\"\n");
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
    let function = Command::new(binary(&format!("questline-{name}")))
        .env("AWS_LAMBDA_RUNTIME_API", format!("http://127.0.0.1:{port}/.rt/{name}"))
        .env("AWS_LAMBDA_FUNCTION_NAME", name)
        .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256")
        .env("AWS_LAMBDA_FUNCTION_VERSION", "1")
        .env("QUESTLINE_LOG", format!("sqlite:{}", folder.join("log").display()))
        .env("QUESTLINE_WAREHOUSE", format!("duckdb:{}", folder.join("log").display()))
        .env("QUESTLINE_FEATURES", format!("file:{}", folder.display()))
        .env("QUESTLINE_METRICS_READY", format!("file:{}", folder.display()))
        .envs(variables)
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

/// In the log, as CloudWatch reads them, and not with every call.
fn metrics_are_told(folder: &Path) {
    let said = std::fs::read_to_string(folder.join("lambda.log")).unwrap();
    let mut lines = said.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let told = lines.find(|line| line["_aws"].is_object()).unwrap();
    assert_eq!(told["questline_ingest_events_total.stored"], 1.0, "{told}");
    assert_eq!(lines.find(|line| line["_aws"].is_object()), None);
}

#[tokio::test]
async fn ingest_answers_function_urls_and_api_gateway() {
    let folder = tempfile::tempdir().unwrap();
    let Some((running, api)) = start(folder.path(), "ingest") else { return };
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
    metrics_are_told(folder.path());

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
    let log = until("the log opens", Duration::from_secs(60), || {
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

/// Afterwards the platform may let the process sleep.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_has_sent_its_spans_when_it_is_answered() {
    let folder = tempfile::tempdir().unwrap();
    let (endpoint, spans) = collector().await;
    let keys = format!(r#"[{{"sha256":"{}","app":"game"}}]"#, questline_testing_sha256("secret"));
    let variables = [("QUESTLINE_KEYS", keys), ("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint)];
    let Some((_running, api)) = start_with(folder.path(), "ingest", variables) else { return };
    let traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let request = reqwest::Client::new().post(format!("{api}/lambda-url/ingest/v1/events"));
    let request = request.header("x-api-key", "secret").header("traceparent", traceparent);
    let answer = request.body(event("traced")).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    assert!(spans.lock().unwrap().iter().any(|span| span.name == "http.request"));
}

/// One invocation, and its answer.
async fn invoke(api: &str, name: &str, event: &Value) -> Value {
    let url = format!("{api}/2015-03-31/functions/{name}/invocations");
    let answer = reqwest::Client::new().post(url).json(event).send().await.unwrap();
    answer.json().await.unwrap()
}

/// The one row of a warehouse that nobody has open.
fn row(directory: &Path, sql: &str) -> Value {
    until("the warehouse opens", Duration::from_secs(60), || {
        let mut command = Command::new(binary("questline"));
        command.args(["query", "--format", "json", sql, "--data-dir"]).arg(directory);
        let output = command.output().unwrap();
        let rows: Value = serde_json::from_slice(&output.stdout).ok()?;
        Some(rows[0].clone())
    })
}

#[tokio::test]
async fn process_answers_kafka_events_and_reprocess_brings_their_letters_back() {
    let folder = tempfile::tempdir().unwrap();
    let Some((running, api)) = start(folder.path(), "process") else { return };
    let record = |offset: i64, value: &str| {
        json!({
            "topic": "game-events-raw", "partition": 0, "offset": offset,
            "timestamp": support::now_micros() / 1_000, "timestampType": "CREATE_TIME",
            "value": BASE64_STANDARD.encode(value),
            "headers": [{"app_id": "game".bytes().collect::<Vec<u8>>()}]
        })
    };
    let good = event("good");
    let records = [record(0, &good), record(1, &good.replace("level_id", "lvl")), record(2, "{")];
    let kafka = json!({"eventSource": "aws:kafka", "records": {"game-events-raw-0": records}});
    for _ in 0..2 {
        let answer = invoke(&api, "process", &kafka).await;
        assert_eq!(answer, json!({"batchItemFailures": []}));
    }
    drop(running);
    let numbers = "SELECT (SELECT count(*) FROM events_unique) AS events,
        (SELECT sum(events) FROM events_1min) AS minutes,
        (SELECT count(*) FROM letters) AS letters";
    let directory = folder.path().join("log");
    assert_eq!(row(&directory, numbers), json!({"events": 1, "minutes": 1, "letters": 2}));

    let (running, api) = start(folder.path(), "dlq-reprocess").unwrap();
    let fix = json!({"rename": {"parameters.lvl": "parameters.level_id"}, "dry_run": true});
    let report = invoke(&api, "dlq-reprocess", &fix).await;
    assert_eq!((&report["would_pass"], &report["unfixable"][0]["letters"]), (&json!(1), &json!(1)));
    let fix = json!({"reason": "invalid_parameters", "set": {"id": "other"}});
    let refused = invoke(&api, "dlq-reprocess", &fix).await;
    assert!(refused["errorMessage"].as_str().unwrap().contains("`id` cannot be changed"));
    let fix = json!({"rename": {"parameters.lvl": "parameters.level_id"}});
    let report = invoke(&api, "dlq-reprocess", &fix).await;
    assert_eq!(report["brought_back"], 1, "{report}");
    drop(running);
    let log = until("the log opens", Duration::from_secs(60), || SqliteLog::open(&directory).ok());
    let limits = PollLimits {
        records: 100,
        bytes: 1 << 20,
        wait: Duration::from_secs(1),
        linger: Duration::ZERO,
    };
    let records = log.join("test").unwrap().poll(limits).await.unwrap().records;
    let back = records.iter().find(|record| record.headers.get("letter").is_some()).unwrap();
    assert_eq!(back.headers.get("attempts"), Some(&b"1"[..]));
    assert_eq!(back.value.as_deref(), Some(good.as_bytes()));
}

#[tokio::test]
async fn the_daily_run_answers_a_schedule() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("log")).unwrap();
    let Some((running, api)) = start(folder.path(), "daily-aggregate") else { return };
    let schedule = json!({"version": "0", "id": "1", "detail-type": "Scheduled Event",
        "source": "aws.scheduler", "account": "1", "time": "2026-11-23T02:00:00Z",
        "region": "eu-north-1", "resources": [], "detail": {}});
    let reports = invoke(&api, "daily-aggregate", &schedule).await;
    let yesterday = questline_events::Day::of(support::now_micros()).plus(-1);
    let day = &reports["days"][0];
    assert_eq!(
        (&day["day"], &day["standing"]),
        (&json!(yesterday), &json!("unfinished")),
        "{reports}"
    );
    assert_eq!(day["why"], "no minute of the ledger is closed yet");
    let refused = invoke(&api, "daily-aggregate", &json!({"date": "2999-01-01"})).await;
    assert!(refused["errorMessage"].as_str().unwrap().contains("is not over"), "{refused}");
    drop(running);
    let kept = "SELECT step, state FROM pipeline_runs";
    let expected = json!({"step": "wait", "state": "waiting"});
    assert_eq!(row(&folder.path().join("log"), kept), expected);
}

/// A call to an AWS of the test's own; it asks for no right signature.
async fn secret(aws: &str, name: &str, text: &str) -> String {
    let request = json!({"Name": name, "SecretString": text, "ClientRequestToken": "0".repeat(32)});
    let answer = reqwest::Client::new()
        .post(aws)
        .header("x-amz-target", "secretsmanager.CreateSecret")
        .header("authorization", Aws::authorization("secretsmanager"))
        .json(&request);
    let created: Value = answer.send().await.unwrap().json().await.unwrap();
    created["ARN"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn variables_are_read_from_the_secrets_that_name_them() {
    let folder = tempfile::tempdir().unwrap();
    let Some(aws) = Aws::start(folder.path()) else {
        return skip("aws", "QUESTLINE_PYTHON names no moto_server");
    };
    let keys = format!(r#"[{{"sha256":"{}","app":"game"}}]"#, questline_testing_sha256("secret"));
    let arn = secret(&aws.url, "keys", &json!({"keys": keys, "number": 7}).to_string()).await;
    let keyed =
        |place: String| aws.variables().into_iter().chain([("QUESTLINE_KEYS_SECRET", place)]);
    let Some((_running, api)) = start_with(folder.path(), "ingest", keyed(format!("{arn}#keys")))
    else {
        return;
    };
    let url = format!("{api}/lambda-url/ingest/v1/events");
    let post = reqwest::Client::new().post(&url).header("x-api-key", "secret").body(event("a"));
    assert_eq!(post.send().await.unwrap().status(), 200);

    for (place, why) in [
        (arn.clone(), "QUESTLINE_KEYS: neither"),
        (format!("{arn}#number"), "no text named `number`"),
        ("another".to_owned(), "QUESTLINE_KEYS_SECRET"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let (mut running, _) = start_with(folder.path(), "ingest", keyed(place)).unwrap();
        let ended =
            until("ingest ends", Duration::from_secs(30), || running.0[1].try_wait().unwrap());
        let said = std::fs::read_to_string(folder.path().join("lambda.log")).unwrap();
        assert!(!ended.success() && said.contains(why), "{said}");
        assert!(!said.contains(questline_testing_sha256("secret")), "no secret is shown: {said}");
    }
}
