//! What is told about the system: traces from the request to the record, and Grafana's page.
#![allow(clippy::unwrap_used, reason = "test helpers")]

mod support;

use std::{
    collections::BTreeSet,
    process::{Command, Stdio},
    time::Duration,
};

use questline_testing::{free_port, until};
use serde_json::Value;
use support::{Stack, binary, collector::collector, event, said};

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_trace_goes_from_the_request_through_the_log_to_the_record() {
    const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
    const CLIENT: &str = "b7ad6b7169203331";
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let (endpoint, spans) = collector().await;
    let mut command = Command::new(binary("questline-stack"));
    command.args(["--no-players", "--port", "0", "--data-dir"]).arg(&data);
    command.env("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint).env("GOOGLE_CLOUD_PROJECT", "a-project");
    command.env("RUST_LOG", "info,questline_process=debug");
    let stack = Stack::spawn(command, &data);
    let post = |trace: &'static str, body: String| {
        let url = format!("{}/v1/events", stack.url);
        let request = reqwest::Client::new().post(url).header("x-api-key", "local").body(body);
        request.header("traceparent", format!("00-{trace}-{CLIENT}-01")).send()
    };
    post(TRACE, format!("[{},{{\"id\":\"bad\"}}]", event("good"))).await.unwrap();
    post("not-a-trace", event("untold")).await.unwrap();
    stack.settle().await;
    assert!(stack.terminate().success());

    let spans = spans.lock().unwrap().clone();
    let named = |name: &str| spans.iter().filter(|span| span.name == name).collect::<Vec<_>>();
    let request = named("http.request")[0];
    assert_eq!(
        (hex(&request.trace_id).as_str(), hex(&request.parent_span_id).as_str()),
        (TRACE, CLIENT)
    );
    let records = named("process.record");
    assert_eq!(records.len(), 2, "{spans:?}");
    for record in records {
        assert_eq!(hex(&record.trace_id), TRACE);
        assert_eq!(record.parent_span_id, request.span_id, "through the log's header");
    }

    let lines: Vec<Value> =
        said(&data).lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let told: Vec<_> = lines.iter().filter(|line| line["message"] == "process.record").collect();
    let outcomes: BTreeSet<_> = told.iter().map(|line| line["outcome"].as_str().unwrap()).collect();
    assert_eq!(outcomes, BTreeSet::from(["accepted", "missing_field"]));
    for line in told {
        assert_eq!(line["traceId"], TRACE);
        let google = format!("projects/a-project/traces/{TRACE}");
        assert_eq!(line["logging.googleapis.com/trace"], google);
        assert_eq!((&line["severity"], &line["level"]), (&"DEBUG".into(), &"DEBUG".into()));
    }
}

/// Before the batches of spans that are sent by themselves: those wait for 5 seconds.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_function_that_ends_has_sent_its_spans() {
    let folder = tempfile::tempdir().unwrap();
    let (endpoint, spans) = collector().await;
    let (port, place) = (free_port(), |kind| format!("{kind}:{}", folder.path().display()));
    let mut function = Command::new(binary("questline-daily-aggregate"))
        .env("QUESTLINE_WAREHOUSE", place("duckdb"))
        .env("QUESTLINE_FEATURES", place("file"))
        .env("QUESTLINE_METRICS_READY", place("file"))
        .env("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint)
        .env("PORT", port.to_string())
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    until("it listens", Duration::from_secs(20), || {
        std::net::TcpStream::connect(("127.0.0.1", port)).ok()
    });
    let request = reqwest::Client::new().get(format!("http://127.0.0.1:{port}/healthz"));
    let traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    request.header("traceparent", traceparent).send().await.unwrap();
    let signal = ["-TERM".to_owned(), function.id().to_string()];
    assert!(Command::new("kill").args(signal).status().unwrap().success());
    assert!(function.wait().unwrap().success());
    assert!(spans.lock().unwrap().iter().any(|span| span.name == "http.request"));
}

/// Names without their suffixes, as the list of metrics in `/metrics` has them.
fn names(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    let ours = words.filter(|word| word.starts_with("questline_"));
    let plain = |word: &str| word.trim_end_matches("_bucket").trim_end_matches("_total").to_owned();
    ours.map(plain).collect()
}

#[tokio::test]
async fn every_query_of_the_page_reads_what_the_running_stack_exports() {
    let folder = tempfile::tempdir().unwrap();
    let stack = Stack::start(&folder.path().join("data"));
    // A label is exported once it has been told something: what is good, bad and odd.
    let odd = event("odd").replace("\"user_id\"", "\"platform\":7,\"user_id\"");
    let body = format!("[{},{odd},{{\"id\":\"bad\"}}]", event("good"));
    stack.ingest().post(body.as_bytes(), None).await.unwrap();
    stack.settle().await;
    let page = include_str!("../terraform/grafana/health.json");
    let page: Value = serde_json::from_str(page).unwrap();
    let queries = page["panels"].as_array().unwrap().iter().flat_map(|panel| {
        let targets = panel["targets"].as_array().unwrap().iter();
        targets.map(|target| target["expr"].as_str().unwrap()).collect::<Vec<_>>()
    });
    let read: BTreeSet<_> = queries.flat_map(names).collect();
    assert!(read.len() > 8, "{read:?}");
    let exported = until("all of it is there", Duration::from_secs(10), || {
        let metrics =
            Command::new("curl").arg("-sS").arg(format!("{}/metrics", stack.url)).output();
        let metrics = String::from_utf8(metrics.unwrap().stdout).unwrap();
        let types = metrics.lines().filter_map(|line| line.strip_prefix("# TYPE "));
        let exported = types.filter_map(|line| line.split(' ').next()).map(str::to_owned);
        // Of a batch, the last to be told.
        let oddities = "questline_process_oddities";
        Some(exported.collect::<BTreeSet<_>>()).filter(|exported| exported.contains(oddities))
    });
    // Those of a pulled brake and of a closed minute are waited for in tests/runbooks.rs.
    let seen_there = ["questline_process_brake", "questline_ledger_residue"].map(str::to_owned);
    let exported: BTreeSet<_> = exported.into_iter().chain(seen_there).collect();
    let unknown: Vec<_> = read.difference(&exported).collect();
    assert!(unknown.is_empty(), "nobody exports {unknown:?}, but {exported:?}");
}
