//! Structured logs, and traces where somebody collects them.
//!
//! Lines are JSON that Google Cloud and AWS both read: `severity` and `logging.googleapis.com/…` for
//! the one, `level`, `timestamp` and `traceId` for the other. Spans go out by OTLP (HTTP, protobuf)
//! where `OTEL_EXPORTER_OTLP_ENDPOINT` says where to, and nowhere otherwise; the SDK's other variables
//! hold too, such as `OTEL_TRACES_SAMPLER`.

mod json;
mod trace;

use std::io::IsTerminal as _;

use once_cell::sync::OnceCell;
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig as _};
use opentelemetry_sdk::{Resource, error::OTelSdkResult, trace::SdkTracerProvider};
pub use trace::{TRACEPARENT, is_context, is_sampled, onward, span};
use tracing_subscriber::{
    EnvFilter, Layer as _, filter::LevelFilter, fmt, layer::SubscriberExt as _,
    util::SubscriberInitExt as _,
};

use crate::release::release;

static STARTED: OnceCell<Option<SdkTracerProvider>> = OnceCell::new();

/// Kept as long as the process has something to tell: however it ends, what was not sent yet is sent.
#[must_use = "what was not sent yet is sent when this goes"]
#[derive(Debug)]
pub struct Telemetry(());

impl Drop for Telemetry {
    fn drop(&mut self) {
        if let Some(Some(spans)) = STARTED.get() {
            told(spans.shutdown());
        }
    }
}

/// Starts logging on standard error: lines for a person at a terminal, JSON for a machine. A
/// second call does nothing.
///
/// Never logged: query strings, write keys, addresses of players, bodies.
pub fn start(default_level: LevelFilter) -> Telemetry {
    STARTED.get_or_init(|| {
        let filter = EnvFilter::builder().with_default_directive(default_level.into());
        let filter = filter.from_env_lossy();
        let lines = if std::io::stderr().is_terminal() {
            fmt::layer().compact().with_writer(std::io::stderr).boxed()
        } else {
            fmt::layer().event_format(json::Json::of_process()).with_writer(std::io::stderr).boxed()
        };
        let (spans, failed) = match exporter() {
            Ok(spans) => (spans, None),
            Err(error) => (None, Some(error)),
        };
        let tracer = spans.as_ref().map(|spans| spans.tracer("questline"));
        let tracing = tracer.map(|tracer| tracing_opentelemetry::layer().with_tracer(tracer));
        let registry = tracing_subscriber::registry().with(filter).with(trace::Traces);
        // Somebody else's subscriber, in a test, may be there first.
        _ = registry.with(tracing).with(lines).try_init();
        if let Some(error) = failed {
            tracing::error!(error = &error as &dyn std::error::Error, "telemetry.otlp");
        }
        spans
    });
    Telemetry(())
}

/// Whether spans go anywhere.
#[must_use]
pub fn exports() -> bool {
    STARTED.get().is_some_and(Option::is_some)
}

/// Sends what was not sent yet, before a platform lets the process sleep: it may never wake.
pub(crate) async fn flush() {
    if let Some(Some(spans)) = STARTED.get() {
        let flushing = tokio::task::spawn_blocking(move || spans.force_flush());
        if let Ok(flushed) = flushing.await {
            told(flushed);
        }
    }
}

fn told(sent: OTelSdkResult) {
    if let Err(error) = sent {
        tracing::warn!(error = &error as &dyn std::error::Error, "telemetry.otlp");
    }
}

/// A thread of its own sends spans in batches.
fn exporter() -> Result<Option<SdkTracerProvider>, opentelemetry_otlp::ExporterBuildError> {
    let set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    if !set("OTEL_EXPORTER_OTLP_ENDPOINT") && !set("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") {
        return Ok(None);
    }
    let exporter =
        SpanExporter::builder().with_http().with_protocol(Protocol::HttpBinary).build()?;
    let program = std::env::args_os().next().unwrap_or_default();
    let name = std::path::Path::new(&program).file_name().unwrap_or_default().to_owned();
    let service = std::env::var("OTEL_SERVICE_NAME");
    let service = service.unwrap_or_else(|_| name.to_string_lossy().into_owned());
    let version = opentelemetry::KeyValue::new("service.version", release());
    let resource = Resource::builder().with_service_name(service).with_attribute(version).build();
    let provider = SdkTracerProvider::builder().with_resource(resource);
    Ok(Some(provider.with_batch_exporter(exporter).build()))
}
