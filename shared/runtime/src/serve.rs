//! Serving: HTTP on a port, or the Lambda runtime API.

use std::{
    convert::Infallible,
    net::SocketAddr,
    sync::Arc,
    time::{Duration, SystemTime},
};

use axum::{
    Router,
    body::Body,
    extract::ConnectInfo,
    http::{Request, StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse as _, Response},
};
use hyper::{body::Incoming, server::conn::http1};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::GracefulShutdown,
};
use lambda_http::{RequestExt as _, request::RequestContext};
use lambda_runtime::LambdaEvent;
use serde::Serialize;
use serde_json::{Value, json};
use tokio::{
    net::TcpListener,
    signal::unix::{Signal, SignalKind, signal},
    sync::Semaphore,
};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;
use tracing::{Instrument as _, Span, instrument::Instrumented};

use crate::{
    cloudwatch::Embedded,
    metrics::Metrics,
    problem::Problem,
    release::release,
    telemetry::{self, TRACEPARENT},
};

/// What a server allows.
#[derive(Debug, Clone, Copy)]
pub struct ServeLimits {
    /// A request's head must be complete after this long.
    pub head_timeout: Duration,
    /// Connections at a time; more wait to be accepted.
    pub connections: usize,
    /// What is under way at the end may take this long.
    pub drain: Duration,
}

/// `true` where this process is a Lambda function.
#[must_use]
pub fn is_lambda() -> bool {
    std::env::var_os("AWS_LAMBDA_RUNTIME_API").is_some()
}

/// Answers Lambda's invocations, whatever their events are, until the platform ends the process. The
/// answer is made from the event and the time that is left for it; after it, what `metrics` count is
/// told in the log. Who rolls out a release asks it with `{"questline":"version"}`, which no event
/// source sends.
///
/// # Errors
/// If the runtime API cannot be spoken to.
pub async fn lambda_events<A, F>(
    metrics: Arc<Metrics>,
    answer: impl Fn(Value, Duration) -> F + Clone + Send + 'static,
) -> anyhow::Result<()>
where
    A: Serialize + Send + 'static,
    F: Future<Output = anyhow::Result<A>> + Send,
{
    let embedded = Arc::new(Embedded::of(metrics));
    let handler = lambda_runtime::service_fn(move |event: LambdaEvent<Value>| {
        let (answer, embedded) = (answer.clone(), embedded.clone());
        async move {
            if event.payload == json!({"questline": "version"}) {
                return Ok(json!(release()));
            }
            let left = event.context.deadline().duration_since(SystemTime::now());
            let answered = answer(event.payload, left.unwrap_or_default()).await;
            embedded.tell();
            telemetry::flush().await;
            let answer = answered.map_err(|error| format!("{error:#}"))?;
            Ok::<_, lambda_runtime::Error>(serde_json::to_value(answer)?)
        }
    });
    lambda_runtime::run(handler).await.map_err(|error| anyhow::anyhow!(error))
}

/// Answers Lambda's events (function URL and API Gateway v2) until the platform ends the process.
/// After each, what `metrics` count is told in the log.
///
/// # Errors
/// If the runtime API cannot be spoken to.
pub async fn lambda(app: Router, metrics: Arc<Metrics>) -> anyhow::Result<()> {
    lambda_http::run(traced(app, metrics)).await.map_err(|error| anyhow::anyhow!(error))
}

/// As [`lambda`] without metrics, and what an answer has is sent as it comes: the function's URL has
/// to stream.
///
/// # Errors
/// If the runtime API cannot be spoken to.
pub async fn lambda_streams(app: Router) -> anyhow::Result<()> {
    let streaming = lambda_http::run_with_streaming_response(traced(app, Arc::default()));
    streaming.await.map_err(|error| anyhow::anyhow!(error))
}

/// The app as Lambda calls it, each request within the trace that it belongs to.
fn traced(
    app: Router,
    metrics: Arc<Metrics>,
) -> impl tower::Service<
    lambda_http::Request,
    Response = Response,
    Error = Infallible,
    Future = impl Future<Output = Result<Response, Infallible>> + Send,
> + Clone
+ Send
+ 'static {
    let (app, embedded) = (talkative(app), Arc::new(Embedded::of(metrics)));
    tower::service_fn(move |request: lambda_http::Request| {
        let embedded = embedded.clone();
        let span = span_of(&request);
        let answer = app.clone().oneshot(from_lambda(request)).instrument(span);
        async move {
            let answered = answer.await;
            embedded.tell();
            telemetry::flush().await;
            answered
        }
    })
}

/// The app, which has a word for whoever asks for what it does not have.
fn talkative(app: Router) -> Router {
    Router::new().fallback_service(app).layer(middleware::from_fn(explained))
}

/// Where there is no route, or one that takes another method, nobody has said anything yet.
async fn explained(request: Request<Body>, next: Next) -> Response {
    let (method, uri) = (request.method().clone(), request.uri().clone());
    let (mut head, body) = next.run(request).await.into_parts();
    if head.headers.contains_key(header::CONTENT_TYPE) {
        return Response::from_parts(head, body);
    }
    let (name, detail) = match head.status {
        StatusCode::NOT_FOUND => {
            let path = uri.path();
            ("route", format!("there is no {path} here; every function has /healthz and /version"))
        }
        StatusCode::METHOD_NOT_ALLOWED => {
            let allowed = head.headers.get(header::ALLOW).and_then(|allow| allow.to_str().ok());
            let allowed = allowed.unwrap_or("other methods");
            ("method", format!("{} takes {allowed}, not {method}", uri.path()))
        }
        _ => return Response::from_parts(head, body),
    };
    let mut response = Problem::new(head.status, name, detail).into_response();
    // That of the body that was none.
    head.headers.remove(header::CONTENT_LENGTH);
    response.headers_mut().extend(head.headers);
    response
}

fn from_lambda(mut request: lambda_http::Request) -> Request<Body> {
    if let Some(peer) = source(&request) {
        request.extensions_mut().insert(ConnectInfo(peer));
    }
    request.map(Body::new)
}

/// The address that Lambda says the request came from.
fn source(request: &lambda_http::Request) -> Option<SocketAddr> {
    let RequestContext::ApiGatewayV2(context) = request.request_context_ref()? else { return None };
    let address = context.http.source_ip.as_deref()?.parse().ok()?;
    Some(SocketAddr::new(address, 0))
}

/// Answers HTTP/1.1 until `stop`, then lets what is under way end.
pub async fn http(
    listener: TcpListener,
    app: Router,
    limits: ServeLimits,
    stop: CancellationToken,
) {
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(limits.head_timeout);
    let graceful = GracefulShutdown::new();
    let room = Arc::new(Semaphore::new(limits.connections));
    let app = talkative(app);
    loop {
        let accepted = async {
            let place = room.clone().acquire_owned().await;
            (listener.accept().await, place)
        };
        let (accepted, place) = tokio::select! {
            accepted = accepted => accepted,
            () = stop.cancelled() => break,
        };
        match accepted {
            Ok((stream, peer)) => {
                // Answers are small: waiting to fill a packet only delays them.
                _ = stream.set_nodelay(true);
                let service = Service { app: app.clone(), peer };
                let connection = builder.serve_connection(TokioIo::new(stream), service);
                let connection = graceful.watch(connection);
                tokio::spawn(async move {
                    // A client that goes away in the middle is its own affair.
                    _ = connection.await;
                    drop(place);
                });
            }
            Err(error) => {
                // Out of file descriptors, say: the next moment may be better.
                tracing::warn!(error = &error as &dyn std::error::Error, "http.accept");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
    drop(listener);
    if tokio::time::timeout(limits.drain, graceful.shutdown()).await.is_err() {
        tracing::warn!("http.drain: some requests were cut");
    }
}

/// The app, knowing who is at the other end.
struct Service {
    app: Router,
    peer: SocketAddr,
}

impl hyper::service::Service<Request<Incoming>> for Service {
    type Response = Response;
    type Error = Infallible;
    type Future = Instrumented<tower::util::Oneshot<Router, Request<Body>>>;

    fn call(&self, mut request: Request<Incoming>) -> Self::Future {
        request.extensions_mut().insert(ConnectInfo(self.peer));
        let span = span_of(&request);
        self.app.clone().oneshot(request.map(Body::new)).instrument(span)
    }
}

/// A request that belongs to a trace goes on with it. Its query string is nobody's business.
fn span_of<B>(request: &Request<B>) -> Span {
    let header = request.headers().get(TRACEPARENT).and_then(|value| value.to_str().ok());
    header.filter(|header| telemetry::is_context(header)).map_or_else(Span::none, |traceparent| {
        let (method, path) = (request.method().as_str(), request.uri().path());
        telemetry::span(tracing::info_span!("http.request", traceparent, method, path), traceparent)
    })
}

/// Lets work run until somebody asks for the end, then stops it and waits for it. Work that ends by
/// itself ends the process: it can never go on.
///
/// # Errors
/// The work's.
pub async fn until_asked(
    signals: &mut Signals,
    stop: &CancellationToken,
    work: Option<impl Future<Output = anyhow::Result<()>> + Send + 'static>,
) -> anyhow::Result<()> {
    let mut working = work.map(tokio::spawn);
    let ended = match &mut working {
        Some(working) => tokio::select! {
            () = signals.asked() => None,
            ended = working => Some(ended),
        },
        None => {
            signals.asked().await;
            None
        }
    };
    stop.cancel();
    match (ended, working) {
        (Some(ended), _) => ended?,
        (None, Some(working)) => working.await?,
        (None, None) => Ok(()),
    }
}

/// The platform or a person asks the process to end: SIGTERM or Ctrl-C.
#[derive(Debug)]
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// Listens from now on: a signal that comes before anybody waits is not missed.
    ///
    /// # Errors
    /// If signals cannot be listened to.
    pub fn listen() -> std::io::Result<Self> {
        let (terminate, interrupt) = (SignalKind::terminate(), SignalKind::interrupt());
        Ok(Self { terminate: signal(terminate)?, interrupt: signal(interrupt)? })
    }

    /// Ends when the process is asked to.
    pub async fn asked(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::{
        body::to_bytes,
        http::HeaderName,
        routing::{get, post},
    };

    use super::*;

    #[tokio::test]
    async fn who_asks_for_what_is_not_there_is_told_so() {
        let own = || async { (StatusCode::NOT_FOUND, "of its own") };
        let app = Router::new().route("/own", get(own)).route("/run", post(|| async { "ran" }));
        let app = talkative(app);
        for (method, path, status, allowed, said) in [
            ("POST", "/run", 200, None, "ran"),
            ("GET", "/own", 404, None, "of its own"),
            ("GET", "/", 404, None, "there is no / here"),
            ("POST", "/v2/run", 404, None, "there is no /v2/run here; every function has /healthz"),
            ("GET", "/run", 405, Some("POST"), "/run takes POST, not GET"),
        ] {
            let request = Request::builder().method(method).uri(path).body(Body::empty()).unwrap();
            let (head, body) = app.clone().oneshot(request).await.unwrap().into_parts();
            assert_eq!(head.status.as_u16(), status, "{method} {path}");
            let told = |name: HeaderName| head.headers.get(name).map(|it| it.to_str().unwrap());
            assert_eq!(told(header::ALLOW), allowed, "{method} {path}");
            let body = String::from_utf8(to_bytes(body, 1 << 16).await.unwrap().to_vec()).unwrap();
            // Where none is told, hyper tells the body's own.
            let length = told(header::CONTENT_LENGTH);
            assert!(length.is_none_or(|length| length == body.len().to_string()), "{length:?}");
            assert!(body.contains(said), "{method} {path}: {body}");
        }
    }
}
