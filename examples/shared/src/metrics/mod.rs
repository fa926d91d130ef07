//! The listener that Prometheus scrapes.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use apikey_core::{Authenticator, ConfigError, Statistics};
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{ALLOW, CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};

/// How many connections are open at once. Further ones wait in the system's queue.
const MOST_CONNECTIONS: usize = 16;
/// How long a connection may last. It serves one request.
const LONGEST_CONNECTION: Duration = Duration::from_secs(10);
/// How long to wait if the system can't accept a connection, for example because too many files are open.
const PAUSE: Duration = Duration::from_millis(100);

/// Answers `GET /metrics` at this address, on a thread of its own, so that no request waits for a scrape. Returns the address
/// with its port.
pub(crate) fn start(listen: SocketAddr, keys: Authenticator) -> Result<SocketAddr, ConfigError> {
    try_start(listen, keys)
        .map_err(|error| ConfigError::new("METRICS_LISTEN", format!("can't listen on {listen}: {error}")))
}

fn try_start(listen: SocketAddr, keys: Authenticator) -> io::Result<SocketAddr> {
    let listener = std::net::TcpListener::bind(listen)?;
    listener.set_nonblocking(true)?;
    let address = listener.local_addr()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let listener = {
        let _in_runtime = runtime.enter();
        TcpListener::from_std(listener)?
    };
    let serve = move || runtime.block_on(serve(listener, keys));
    std::thread::Builder::new().name("metrics".to_owned()).spawn(serve)?;
    tracing::info!("metrics on http://{address}/metrics");
    Ok(address)
}

async fn serve(listener: TcpListener, keys: Authenticator) {
    let places = Arc::new(Semaphore::new(MOST_CONNECTIONS));
    while let Ok(place) = Arc::clone(&places).acquire_owned().await {
        let Ok((stream, _)) = listener.accept().await else {
            sleep(PAUSE).await;
            continue;
        };
        let keys = keys.clone();
        tokio::spawn(async move {
            // A broken connection concerns only its client.
            let _ended = timeout(LONGEST_CONNECTION, serve_connection(stream, keys)).await;
            drop(place);
        });
    }
}

async fn serve_connection(stream: TcpStream, keys: Authenticator) -> hyper::Result<()> {
    let answer = service_fn(move |request: Request<Incoming>| {
        let response = respond(request.method(), request.uri().path(), &keys);
        async { Ok::<_, Infallible>(response) }
    });
    http1::Builder::new().keep_alive(false).serve_connection(TokioIo::new(stream), answer).await
}

fn respond(method: &Method, path: &str, keys: &Authenticator) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::default());
    if path != "/metrics" {
        *response.status_mut() = StatusCode::NOT_FOUND;
    } else if method != Method::GET {
        *response.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
        response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET"));
    } else {
        *response.body_mut() = keys.statistics().prometheus().into();
        let media_type = HeaderValue::from_static(Statistics::PROMETHEUS_MEDIA_TYPE);
        response.headers_mut().insert(CONTENT_TYPE, media_type);
    }
    response
}

#[cfg(test)]
mod tests;
