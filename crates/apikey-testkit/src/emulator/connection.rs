//! Accepts connections and serves them, and ends them in the ways that HTTP does not have.

use std::{
    convert::Infallible,
    future::{Future, pending},
    net::SocketAddr,
    pin::{Pin, pin},
    sync::Arc,
    time::Duration,
};

use hyper::{
    body::Incoming,
    server::conn::{http1, http2},
    service::{HttpService, service_fn},
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::{
    net::TcpStream,
    sync::{Notify, mpsc},
    task::JoinSet,
    time::sleep,
};

use super::{
    answer::Ending,
    door::{Door, DoorOrder},
    effect::AnswerBody,
    link::{Link, Order, Registration},
    routes,
    state::State,
    stream::{Stream, Transport},
    tls,
};

/// Serves until told to stop. This future owns all connections, so aborting it cuts them.
pub(crate) async fn accept(
    mut door: Door,
    mut orders: mpsc::UnboundedReceiver<DoorOrder>,
    state: Arc<State>,
    stopping: Arc<Notify>,
) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = door.accept() => match accepted {
                Ok((stream, peer)) => take_in(&mut connections, stream, peer, &state),
                // The process has no file descriptor left, or the client is gone. The next connection may succeed.
                Err(_) => sleep(Duration::from_millis(10)).await,
            },
            Some(_) = connections.join_next() => {}
            Some(DoorOrder { refuse, done }) = orders.recv() => {
                let result = if refuse {
                    let (waiting, result) = door.shut();
                    for (stream, peer) in waiting {
                        take_in(&mut connections, stream, peer, &state);
                    }
                    result
                } else {
                    door.open()
                };
                // The sender of the order may no longer wait.
                let _ = done.send(result);
            }
            () = stopping.notified() => break,
        }
    }
    drop(door);
    connections.shutdown().await;
}

fn take_in(connections: &mut JoinSet<()>, stream: TcpStream, peer: SocketAddr, state: &Arc<State>) {
    let registration = Registration::new(state.links.clone(), state.backends.choose());
    state.counters.connection_accepted();
    connections.spawn(serve(stream, peer, state.clone(), registration));
}

/// How serving a connection has ended.
enum Fate {
    /// The connection is over.
    Over,
    /// The connection stays open, and nobody reads or answers it.
    Silent,
    /// The connection must end in a way that HTTP does not have.
    Ended(Ending),
}

async fn serve(stream: TcpStream, peer: SocketAddr, state: Arc<State>, mut registration: Registration) {
    let _ = stream.set_nodelay(true);
    let (link, orders) = (registration.link.clone(), &mut registration.orders);
    if link.is_silent() {
        // Nobody reads the stream, and it stays open.
        return pending().await;
    }
    let Some((transport, is_http2)) = transport(stream, orders, &state).await else { return };
    let stream = Stream::new(transport, link.clone());
    let fate = {
        let (io, shared) = (TokioIo::new(stream.clone()), (state.clone(), link.clone()));
        let service =
            service_fn(move |request| routes::answer(shared.0.clone(), shared.1.clone(), peer, request));
        if is_http2 {
            let server = http2::Builder::new(TokioExecutor::new()).serve_connection(io, service);
            drive(server, orders, &state, &link).await
        } else {
            drive(http1::Builder::new().serve_connection(io, service), orders, &state, &link).await
        }
    };
    // The HTTP server is gone, and all its calls with it.
    match fate {
        Fate::Over => {}
        Fate::Silent => pending().await,
        // An error means that the client has closed the connection already.
        Fate::Ended(ending) => drop(stream.end(&ending).await),
    }
}

/// Does the TLS handshake if the emulator speaks TLS. The flag says whether both sides chose HTTP/2. `None`: it
/// failed.
async fn transport(
    stream: TcpStream,
    orders: &mut mpsc::UnboundedReceiver<Order>,
    state: &State,
) -> Option<(Box<dyn Transport>, bool)> {
    let Some(tls) = &state.tls else {
        return Some((Box::new(stream), false));
    };
    let mut handshake = pin!(tls.accept(stream, &state.counters));
    tokio::select! {
        biased;
        Some(order) = orders.recv() => match order {
            // The handshake owns the stream, so waiting keeps the connection open.
            Order::Silence => pending().await,
            Order::Cut | Order::Drain | Order::End(_) => None,
        },
        stream = &mut handshake => {
            let stream = stream.ok()?;
            let is_http2 = tls::speaks_http2(&stream);
            if is_http2 {
                state.counters.http2_agreed();
            }
            Some((Box::new(stream), is_http2))
        }
    }
}

/// An HTTP server on one connection.
trait Server: Future {
    /// Accepts no further request, and ends when the open calls are answered.
    fn drain(self: Pin<&mut Self>);
}

impl<S> Server for http1::Connection<TokioIo<Stream>, S>
where
    S: HttpService<Incoming, ResBody = AnswerBody, Error = Infallible>,
{
    fn drain(self: Pin<&mut Self>) {
        self.graceful_shutdown();
    }
}

impl<S> Server for http2::Connection<TokioIo<Stream>, S, TokioExecutor>
where
    S: HttpService<Incoming, ResBody = AnswerBody, Error = Infallible>,
    S::Future: Send + 'static,
{
    fn drain(self: Pin<&mut Self>) {
        self.graceful_shutdown();
    }
}

/// Serves until the connection is over, or an order ends it.
async fn drive(
    server: impl Server,
    orders: &mut mpsc::UnboundedReceiver<Order>,
    state: &State,
    link: &Link,
) -> Fate {
    let mut server = pin!(server);
    let mut draining = false;
    loop {
        tokio::select! {
            biased;
            Some(order) = orders.recv() => match order {
                Order::Cut => return Fate::Over,
                Order::Silence => return Fate::Silent,
                Order::End(ending) => return Fate::Ended(ending),
                Order::Drain => {
                    draining = true;
                    server.as_mut().drain();
                }
            },
            () = link.idle_too_long(state.links.close_when_idle()), if !draining => {
                draining = true;
                server.as_mut().drain();
            }
            // An error means that the client closed the connection or sent no HTTP.
            _ = &mut server => return Fate::Over,
        }
    }
}
