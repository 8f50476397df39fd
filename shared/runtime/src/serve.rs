//! Serving: HTTP on a port, or the Lambda runtime API.

use std::{convert::Infallible, net::SocketAddr, sync::Arc, time::Duration};

use axum::{Router, body::Body, extract::ConnectInfo, http::Request};
use hyper::body::Incoming;
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::{conn::auto::Builder, graceful::GracefulShutdown},
};
use lambda_http::{RequestExt as _, request::RequestContext};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

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

/// Answers Lambda's events (function URL and API Gateway v2) until the platform ends the process.
///
/// # Errors
/// If the runtime API cannot be spoken to.
pub async fn lambda(app: Router) -> anyhow::Result<()> {
    let app = app.map_request(|mut request: lambda_http::Request| {
        if let Some(peer) = source(&request) {
            request.extensions_mut().insert(ConnectInfo(peer));
        }
        request.map(Body::new)
    });
    lambda_http::run(app).await.map_err(|error| anyhow::anyhow!(error))
}

/// The address that Lambda says the request came from.
fn source(request: &lambda_http::Request) -> Option<SocketAddr> {
    let RequestContext::ApiGatewayV2(context) = request.request_context_ref()? else { return None };
    let address = context.http.source_ip.as_deref()?.parse().ok()?;
    Some(SocketAddr::new(address, 0))
}

/// Answers HTTP until `stop`, then lets what is under way end.
pub async fn http(
    listener: TcpListener,
    app: Router,
    limits: ServeLimits,
    stop: CancellationToken,
) {
    let mut builder = Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(limits.head_timeout);
    builder.http2().timer(TokioTimer::new()).keep_alive_interval(limits.head_timeout);
    let graceful = GracefulShutdown::new();
    let room = Arc::new(Semaphore::new(limits.connections));
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
                let connection = connection(&builder, stream, peer, app.clone());
                let connection = graceful.watch(connection.into_owned());
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

fn connection<'b>(
    builder: &'b Builder<TokioExecutor>,
    stream: TcpStream,
    peer: SocketAddr,
    app: Router,
) -> hyper_util::server::conn::auto::Connection<
    'b,
    TokioIo<TcpStream>,
    impl hyper::service::Service<
        Request<Incoming>,
        Response = axum::response::Response,
        Error = Infallible,
        Future: Send + 'static,
    > + use<>,
    TokioExecutor,
> {
    // Answers are small: waiting to fill a packet only delays them.
    _ = stream.set_nodelay(true);
    let service = hyper::service::service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(ConnectInfo(peer));
        app.clone().oneshot(request.map(Body::new))
    });
    builder.serve_connection(TokioIo::new(stream), service)
}

/// Ends when the platform or a person asks the process to: SIGTERM or Ctrl-C.
///
/// # Errors
/// If signals cannot be listened to.
pub async fn asked_to_stop() -> std::io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(())
}
