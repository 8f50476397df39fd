//! A line of the log as JSON, with what Google Cloud and AWS each look for in it.

use std::fmt;

use serde_json::{Map, Value, json};
use tracing::{
    Event, Level, Subscriber,
    field::{Field, Visit},
};
use tracing_subscriber::{
    fmt::{
        FmtContext, FormatEvent, FormatFields,
        format::Writer,
        time::{FormatTime as _, SystemTime},
    },
    registry::LookupSpan,
};

use super::trace::Trace;

/// How a line is written.
pub(super) struct Json {
    /// The project in whose name Google Cloud knows traces.
    project: Option<String>,
}

impl Json {
    pub(super) fn of_process() -> Self {
        Self { project: std::env::var("GOOGLE_CLOUD_PROJECT").ok() }
    }

    fn trace(&self, line: &mut Map<String, Value>, trace: &Trace) {
        let Trace { id, span, sampled } = trace;
        line.insert("traceId".to_owned(), json!(id));
        line.insert("spanId".to_owned(), json!(span));
        if let Some(project) = &self.project {
            let google = |name: &str| format!("logging.googleapis.com/{name}");
            line.insert(google("trace"), json!(format!("projects/{project}/traces/{id}")));
            line.insert(google("spanId"), json!(span));
            line.insert(google("trace_sampled"), json!(sampled));
        }
    }
}

impl<S, N> FormatEvent<S, N> for Json
where
    S: Subscriber + for<'s> LookupSpan<'s>,
    N: for<'w> FormatFields<'w> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut time = String::new();
        SystemTime.format_time(&mut Writer::new(&mut time))?;
        let (level, target) = (*event.metadata().level(), event.metadata().target());
        let mut line = Map::new();
        event.record(&mut Fields(&mut line));
        for (name, value) in [
            ("timestamp", time.as_str()),
            ("severity", severity(level)),
            ("level", level.as_str()),
            ("target", target),
        ] {
            line.insert(name.to_owned(), json!(value));
        }
        let spans = context.event_scope().into_iter().flatten();
        for span in spans {
            if let Some(trace) = span.extensions().get::<Trace>() {
                self.trace(&mut line, trace);
                break;
            }
        }
        writeln!(writer, "{}", Value::Object(line))
    }
}

/// In the words of Google Cloud; AWS knows those of `tracing`.
fn severity(level: Level) -> &'static str {
    match level {
        Level::ERROR => "ERROR",
        Level::WARN => "WARNING",
        Level::INFO => "INFO",
        _ => "DEBUG",
    }
}

struct Fields<'a>(&'a mut Map<String, Value>);

impl Fields<'_> {
    fn put(&mut self, field: &Field, value: Value) {
        self.0.insert(field.name().to_owned(), value);
    }
}

impl Visit for Fields<'_> {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, json!(value));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, json!(value));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, json!(value));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, json!(value));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, json!(value));
    }

    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        // The whole chain: the outermost error alone says little.
        let chain = std::iter::successors(Some(value), |error| error.source());
        let chain: Vec<_> = chain.map(ToString::to_string).collect();
        self.put(field, json!(chain.join(": ")));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put(field, json!(format!("{value:?}")));
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io::Write,
        sync::{Arc, Mutex},
    };

    use tracing_subscriber::{fmt::layer, layer::SubscriberExt as _};

    use super::{super::trace::Traces, *};

    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl Write for Written {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    fn written(project: Option<&str>, log: impl FnOnce()) -> Vec<Value> {
        let out = Written::default();
        let json = Json { project: project.map(str::to_owned) };
        let lines = layer().event_format(json).with_writer({
            let out = out.clone();
            move || out.clone()
        });
        let subscriber = tracing_subscriber::registry().with(Traces).with(lines);
        tracing::subscriber::with_default(subscriber, log);
        let bytes = out.0.lock().unwrap().clone();
        let text = String::from_utf8(bytes).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    #[test]
    fn a_line_says_what_either_cloud_looks_for() {
        let traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        let lines = written(Some("a-project"), || {
            let outer = tracing::info_span!("request", traceparent);
            let _outer = outer.enter();
            let inner = tracing::info_span!("inside");
            let _inner = inner.enter();
            let error = std::io::Error::other("no disk");
            tracing::warn!(n = 3, error = &error as &dyn std::error::Error, "log.append");
        });
        let line = &lines[0];
        for (name, value) in [
            ("severity", "WARNING"),
            ("level", "WARN"),
            ("message", "log.append"),
            ("error", "no disk"),
            ("traceId", "0af7651916cd43dd8448eb211c80319c"),
            (
                "logging.googleapis.com/trace",
                "projects/a-project/traces/0af7651916cd43dd8448eb211c80319c",
            ),
            ("logging.googleapis.com/spanId", "b7ad6b7169203331"),
        ] {
            assert_eq!(line[name], value, "{name}");
        }
        assert_eq!(
            (&line["n"], &line["logging.googleapis.com/trace_sampled"]),
            (&json!(3), &json!(true))
        );
        assert!(line["timestamp"].as_str().unwrap().ends_with('Z'), "{line}");
    }

    #[test]
    fn without_a_trace_or_a_project_nothing_is_made_up() {
        let lines = written(None, || {
            tracing::info!("plain");
            let span = tracing::info_span!("request", traceparent = "nonsense");
            span.in_scope(|| tracing::error!("within"));
        });
        assert_eq!(
            (&lines[0]["severity"], &lines[1]["severity"]),
            (&json!("INFO"), &json!("ERROR"))
        );
        for line in lines {
            let names: Vec<_> = line.as_object().unwrap().keys().cloned().collect();
            assert_eq!(names, ["level", "message", "severity", "target", "timestamp"]);
        }
    }
}
