//! Accepting connections, serving them, and the ends that are no HTTP.

use std::{error::Error as _, net::SocketAddr, sync::Arc, time::Duration};

use hyper::{server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{
    io::AsyncWriteExt,
    net::{TcpListener, TcpStream},
    sync::Notify,
    task::JoinSet,
    time::sleep,
};

use super::{answer::Ending, routes, state::State};

/// Serves until told to stop. Aborting this future cuts all connections, for they belong to it.
pub(crate) async fn accept(listener: TcpListener, state: Arc<State>, stopping: Arc<Notify>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => {
                    state.counters.connection_accepted();
                    connections.spawn(serve(stream, peer, state.clone()));
                }
                // Out of file descriptors, or a client that is gone already: the next one may fare better.
                Err(_) => sleep(Duration::from_millis(10)).await,
            },
            Some(_) = connections.join_next() => {}
            () = state.cutting.notified() => connections.shutdown().await,
            () = stopping.notified() => break,
        }
    }
    drop(listener);
    connections.shutdown().await;
}

async fn serve(stream: TcpStream, peer: SocketAddr, state: Arc<State>) {
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |request| routes::answer(state.clone(), peer, request));
    let mut connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    let Err(error) = (&mut connection).await else { return };
    // Anything else is a client that went away or sent no HTTP.
    let Some(ending) = error.source().and_then(|source| source.downcast_ref::<Ending>()) else { return };
    let stream = connection.into_parts().io.into_inner();
    let _ = end(stream, ending).await;
}

async fn end(mut stream: TcpStream, ending: &Ending) -> std::io::Result<()> {
    match ending {
        Ending::Reset => stream.set_zero_linger(),
        Ending::Close(bytes) => {
            stream.write_all(bytes).await?;
            stream.shutdown().await
        }
    }
}
