//! The network between one instance and the store, which can fail.

use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep_until};

/// How many pieces of bytes may be under way in one direction.
const UNDER_WAY: usize = 1024;

/// How the network is.
#[derive(Debug, Clone, Default)]
pub(crate) struct Network {
    /// The server's port. `None`: every connection is reset.
    pub(crate) server: Option<u16>,
    /// How long bytes are under way, in each direction.
    pub(crate) latency: Duration,
    /// By how much longer at most.
    pub(crate) jitter: Duration,
    /// What the instance sends is held back until the network heals.
    pub(crate) holds_requests: bool,
    /// What the server sends is held back until the network heals.
    pub(crate) holds_replies: bool,
    /// One of this many pieces of replies is cut in its middle, and the connection is reset. 0: none.
    pub(crate) cuts_one_in: u32,
    /// Connections with a lower number are reset.
    reset_below: u64,
    /// Connections with a lower number are dead: the server is gone, and nobody has told the instance.
    dead_below: u64,
}

/// A proxy that listens on a port of its own.
pub(crate) struct Proxy {
    pub(crate) port: u16,
    network: watch::Sender<Network>,
    accepted: Arc<Mutex<u64>>,
    captured: Arc<Mutex<Option<Vec<u8>>>>,
    accepting: AbortHandle,
}

impl Proxy {
    pub(crate) async fn start(server: u16) -> Result<Self, String> {
        let listener =
            TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.map_err(|error| error.to_string())?;
        let port = listener.local_addr().map_err(|error| error.to_string())?.port();
        let network = watch::Sender::new(Network { server: Some(server), ..Network::default() });
        let accepted = Arc::<Mutex<u64>>::default();
        let captured = Arc::<Mutex<Option<Vec<u8>>>>::default();
        let accept = accept(listener, network.clone(), Arc::clone(&accepted), Arc::clone(&captured));
        let accepting = tokio::spawn(accept).abort_handle();
        Ok(Self { port, network, accepted, captured, accepting })
    }

    /// Changes the network.
    pub(crate) fn set(&self, change: impl FnOnce(&mut Network)) {
        self.network.send_modify(change);
    }

    /// Ends every fault. The server stays the same.
    pub(crate) fn heal(&self) {
        self.set(|network| {
            let Network { server, reset_below, dead_below, .. } = *network;
            *network = Network { server, reset_below, dead_below, ..Network::default() };
        });
    }

    /// Resets all connections.
    pub(crate) fn reset(&self) {
        let next = *lock(&self.accepted);
        self.set(|network| network.reset_below = next);
    }

    /// Lets the server's end of all connections vanish.
    pub(crate) fn vanish(&self) {
        let next = *lock(&self.accepted);
        self.set(|network| network.dead_below = next);
    }

    /// Leads to another server from now on.
    pub(crate) fn lead_to(&self, server: u16) {
        self.set(|network| network.server = Some(server));
        self.reset();
    }

    /// Keeps a copy of all bytes from now on, in both directions.
    pub(crate) fn capture(&self) {
        *lock(&self.captured) = Some(Vec::new());
    }

    /// The copy.
    pub(crate) fn captured(&self) -> Vec<u8> {
        lock(&self.captured).take().unwrap_or_default()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
        self.network.send_modify(|network| network.reset_below = u64::MAX);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn accept(
    listener: TcpListener,
    network: watch::Sender<Network>,
    accepted: Arc<Mutex<u64>>,
    captured: Arc<Mutex<Option<Vec<u8>>>>,
) {
    while let Ok((client, _)) = listener.accept().await {
        let number = {
            let mut accepted = lock(&accepted);
            *accepted += 1;
            *accepted - 1
        };
        let _ = client.set_nodelay(true);
        let (network, captured) = (network.subscribe(), Arc::clone(&captured));
        tokio::spawn(async move {
            let _ = client.set_zero_linger();
            let server = network.borrow().server;
            let Some(server) = server else { return };
            let Ok(server) = TcpStream::connect((Ipv4Addr::LOCALHOST, server)).await else { return };
            let _ = server.set_nodelay(true);
            let _ = server.set_zero_linger();
            Pipe { number, network, captured }.run(client, server).await;
        });
    }
}

/// One connection.
#[derive(Clone)]
struct Pipe {
    number: u64,
    network: watch::Receiver<Network>,
    captured: Arc<Mutex<Option<Vec<u8>>>>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Direction {
    Requests,
    Replies,
}

impl Pipe {
    /// Ends when a side has closed the connection, or it is reset. Then both sides are reset.
    async fn run(self, mut client: TcpStream, mut server: TcpStream) {
        let (from_client, to_client) = client.split();
        let (from_server, to_server) = server.split();
        let mut dying = self.clone();
        tokio::select! {
            () = self.clone().carry(Direction::Requests, from_client, to_server) => {}
            () = self.clone().carry(Direction::Replies, from_server, to_client) => {}
            () = dying.until(|network, number| number < network.reset_below) => {}
        }
    }

    async fn until(&mut self, is_so: impl Fn(&Network, u64) -> bool) {
        let number = self.number;
        let _ = self.network.wait_for(|network| is_so(network, number)).await;
    }

    async fn carry(self, direction: Direction, from: ReadHalf<'_>, to: WriteHalf<'_>) {
        let (pieces, arriving) = mpsc::channel(UNDER_WAY);
        let receive = async {
            self.clone().receive(direction, from, pieces).await;
            // What is under way still arrives.
            std::future::pending().await
        };
        tokio::select! {
            () = receive => {}
            () = self.clone().deliver(direction, to, arriving) => {}
        }
    }

    /// Reads what comes, and notes when it is due.
    async fn receive(
        self,
        direction: Direction,
        mut from: ReadHalf<'_>,
        pieces: mpsc::Sender<(Instant, Vec<u8>)>,
    ) {
        loop {
            let mut piece = vec![0; 16 * 1024];
            let length = match from.read(&mut piece).await {
                Ok(length) if length > 0 => length,
                // A dead connection does not tell the instance that it has ended.
                _ if self.is_dead() && direction == Direction::Replies => std::future::pending().await,
                _ => 0,
            };
            if length == 0 {
                return;
            }
            piece.truncate(length);
            if let Some(captured) = lock(&self.captured).as_mut() {
                captured.extend(&piece);
            }
            let latency = {
                let network = self.network.borrow();
                network.latency + network.jitter.mul_f64(fastrand::f64())
            };
            if pieces.send((Instant::now() + latency, piece)).await.is_err() {
                return;
            }
        }
    }

    async fn deliver(
        mut self,
        direction: Direction,
        mut to: WriteHalf<'_>,
        mut arriving: mpsc::Receiver<(Instant, Vec<u8>)>,
    ) {
        while let Some((due, piece)) = arriving.recv().await {
            sleep_until(due).await;
            self.until(|network, _| match direction {
                Direction::Requests => !network.holds_requests,
                Direction::Replies => !network.holds_replies,
            })
            .await;
            if self.is_dead() {
                continue;
            }
            let one_in = self.network.borrow().cuts_one_in;
            if direction == Direction::Replies && one_in > 0 && fastrand::u32(..one_in) == 0 {
                let _ = to.write_all(&piece[..piece.len() / 2]).await;
                return;
            }
            if to.write_all(&piece).await.is_err() {
                return;
            }
        }
    }

    fn is_dead(&self) -> bool {
        self.number < self.network.borrow().dead_below
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A server that answers each piece with itself.
    async fn echo() -> u16 {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let (mut from, mut to) = stream.split();
                    let _ = tokio::io::copy(&mut from, &mut to).await;
                });
            }
        });
        port
    }

    async fn exchange(stream: &mut TcpStream) -> Option<String> {
        stream.write_all(b"hello").await.ok()?;
        let mut reply = vec![0; 5];
        let read = tokio::time::timeout(Duration::from_millis(300), stream.read_exact(&mut reply));
        read.await.ok()?.ok()?;
        String::from_utf8(reply).ok()
    }

    #[tokio::test]
    async fn a_healthy_network_carries_everything() {
        let proxy = Proxy::start(echo().await).await.unwrap();
        proxy.capture();
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, proxy.port)).await.unwrap();
        assert_eq!(exchange(&mut stream).await.as_deref(), Some("hello"));
        assert_eq!(proxy.captured(), b"hellohello");
    }

    #[tokio::test]
    async fn what_is_held_back_arrives_when_the_network_heals() {
        let proxy = Proxy::start(echo().await).await.unwrap();
        for hold in [
            |network: &mut Network| network.holds_requests = true,
            |network: &mut Network| network.holds_replies = true,
        ] {
            let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, proxy.port)).await.unwrap();
            proxy.set(hold);
            assert_eq!(exchange(&mut stream).await, None);
            proxy.heal();
            let mut reply = vec![0; 5];
            stream.read_exact(&mut reply).await.unwrap();
            assert_eq!(reply, b"hello");
        }
    }

    #[tokio::test]
    async fn reset_and_cut_connections_end() {
        let proxy = Proxy::start(echo().await).await.unwrap();
        let connect = || TcpStream::connect((Ipv4Addr::LOCALHOST, proxy.port));
        let mut stream = connect().await.unwrap();
        assert!(exchange(&mut stream).await.is_some());
        proxy.reset();
        assert!(stream.read(&mut [0; 5]).await.is_err());
        let mut stream = connect().await.unwrap();
        proxy.set(|network| network.cuts_one_in = 1);
        stream.write_all(b"hello").await.unwrap();
        let mut reply = Vec::new();
        let _ = stream.read_to_end(&mut reply).await;
        assert!(reply.len() <= 2, "{reply:?}");
    }

    #[tokio::test]
    async fn a_dead_connection_is_silent_and_a_new_one_works() {
        let proxy = Proxy::start(echo().await).await.unwrap();
        let connect = || TcpStream::connect((Ipv4Addr::LOCALHOST, proxy.port));
        let mut old = connect().await.unwrap();
        assert!(exchange(&mut old).await.is_some());
        proxy.vanish();
        assert_eq!(exchange(&mut old).await, None);
        assert!(exchange(&mut connect().await.unwrap()).await.is_some());
    }
}
