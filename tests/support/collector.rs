//! Who collects spans, on loopback.

use std::sync::{Arc, Mutex};

use opentelemetry_proto::tonic::{
    collector::trace::v1::ExportTraceServiceRequest, trace::v1::Span,
};
use prost::Message as _;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};

/// A collector: where it listens, and the spans that came.
pub(crate) async fn collector() -> (String, Arc<Mutex<Vec<Span>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let spans = Arc::new(Mutex::new(Vec::new()));
    let came = spans.clone();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let came = came.clone();
            tokio::spawn(async move {
                let mut bytes = Vec::new();
                while stream.read_buf(&mut bytes).await.unwrap_or(0) > 0 {
                    let Some(body) = body(&bytes) else { continue };
                    let request = ExportTraceServiceRequest::decode(body).unwrap();
                    let scopes = request.resource_spans.into_iter().flat_map(|r| r.scope_spans);
                    came.lock().unwrap().extend(scopes.flat_map(|scope| scope.spans));
                    bytes.clear();
                    let answer = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
                    stream.write_all(answer.as_bytes()).await.unwrap();
                }
            });
        }
    });
    (url, spans)
}

/// The body of a request to the path of traces, once all of it is there.
fn body(bytes: &[u8]) -> Option<&[u8]> {
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
    let head = std::str::from_utf8(&bytes[..end]).unwrap().to_lowercase();
    assert!(head.starts_with("post /v1/traces ") && head.contains("application/x-protobuf"));
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
    bytes.get(end..end + length.trim().parse::<usize>().unwrap())
}
