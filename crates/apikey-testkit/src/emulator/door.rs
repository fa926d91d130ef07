//! The listening socket. It can be shut and opened again.

use std::{future::pending, io, mem, net::SocketAddr};

use tokio::{
    net::{TcpListener, TcpSocket, TcpStream},
    sync::{mpsc, oneshot},
};

/// The largest backlog that Linux allows by default.
const BACKLOG: u32 = 4096;

/// An order to the door, and the sender for its result.
pub(crate) struct DoorOrder {
    pub(crate) refuse: bool,
    pub(crate) done: oneshot::Sender<io::Result<()>>,
}

/// Sends an order and waits until it is done.
pub(crate) async fn turn(orders: &mpsc::UnboundedSender<DoorOrder>, refuse: bool) -> io::Result<()> {
    let (done, result) = oneshot::channel();
    let stopped = || io::Error::new(io::ErrorKind::NotConnected, "the emulator has stopped");
    orders.send(DoorOrder { refuse, done }).map_err(|_| stopped())?;
    result.await.unwrap_or_else(|_| Err(stopped()))
}

/// The socket that accepts connections.
pub(crate) struct Door {
    address: SocketAddr,
    socket: Socket,
}

enum Socket {
    Open(TcpListener),
    /// The socket is bound and does not listen: the kernel refuses connections, and no other program gets the port.
    Shut(TcpSocket),
    /// The port could not be bound again.
    Lost,
}

impl Door {
    pub(crate) fn new(address: SocketAddr, listener: TcpListener) -> Door {
        Door { address, socket: Socket::Open(listener) }
    }

    /// The next connection. None comes while the door is shut.
    pub(crate) async fn accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
        match &self.socket {
            Socket::Open(listener) => listener.accept().await,
            Socket::Shut(_) | Socket::Lost => pending().await,
        }
    }

    /// Refuses connections from now on. Returns the connections that were waiting: their clients believe that they
    /// are connected, and closing the listener would reset them.
    pub(crate) fn shut(&mut self) -> (Vec<(TcpStream, SocketAddr)>, io::Result<()>) {
        let listener = match mem::replace(&mut self.socket, Socket::Lost) {
            Socket::Open(listener) => listener,
            shut => {
                self.socket = shut;
                return (Vec::new(), Ok(()));
            }
        };
        // The standard library asks the kernel. Tokio would only return what the kernel has told it so far.
        let waiting = listener.into_std().map(|listener| {
            std::iter::from_fn(|| listener.accept().ok())
                .filter_map(|(stream, peer)| {
                    stream.set_nonblocking(true).ok()?;
                    Some((TcpStream::from_std(stream).ok()?, peer))
                })
                .collect()
        });
        // By now the listener is gone. A port on which it listened could not be bound.
        let bound = self.bound().map(|socket| self.socket = Socket::Shut(socket));
        (waiting.unwrap_or_default(), bound)
    }

    /// Accepts connections again.
    pub(crate) fn open(&mut self) -> io::Result<()> {
        self.socket = match mem::replace(&mut self.socket, Socket::Lost) {
            Socket::Open(listener) => Socket::Open(listener),
            Socket::Shut(socket) => Socket::Open(socket.listen(BACKLOG)?),
            Socket::Lost => Socket::Open(self.bound()?.listen(BACKLOG)?),
        };
        Ok(())
    }

    fn bound(&self) -> io::Result<TcpSocket> {
        let socket = if self.address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        // Earlier connections still use this port. On other systems the option would let two programs share it.
        #[cfg(unix)]
        socket.set_reuseaddr(true)?;
        socket.bind(self.address)?;
        Ok(socket)
    }
}
