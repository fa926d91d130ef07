//! Faults of single connections and of the listening socket.

use std::{io, time::Duration};

use super::{Emulator, door};

/// Faults of connections.
///
/// A connection is *open* once the emulator has accepted it. A client that has an answer can be sure of that. Faults
/// of a connection do not hit requests to the control plane, and do not count them as uses. A returned number is the
/// number of connections that the method changed.
impl Emulator {
    /// Cuts all connections, also those with a call in flight, and keeps listening: a caller sees a Kinde that
    /// restarts. Returns at once; the cut follows. Over TLS there is no `close_notify`. Silent connections stay.
    pub fn cut_connections(&self) -> usize {
        self.state.links.cut(None)
    }

    /// Closes each connection at its `nth` request. The emulator answers the earlier requests as usual. When it has
    /// received the whole `nth` request, it closes the connection with a FIN and without an answer. The call counts,
    /// and uses up no step of a script. `None` ends this.
    ///
    /// Every request since the start of the connection counts, whatever its answer was. A connection that has already
    /// had more than `nth` requests is closed at its next one.
    ///
    /// # Panics
    ///
    /// If `nth` is 0: the first request is number 1.
    pub fn close_connections_at_use(&self, nth: Option<u64>) {
        assert_ne!(nth, Some(0), "the first use of a connection is number 1");
        self.state.links.set_close_at_use(nth);
    }

    /// Closes each connection that has been idle for this long after an answer, as servers do. The answer does not
    /// announce it. A connection without an answer so far stays open. `None` ends this.
    ///
    /// HTTP/1.1 connections end with a FIN, over TLS after a `close_notify`. HTTP/2 connections send a GOAWAY first.
    pub fn close_idle_connections(&self, pause: Option<Duration>) {
        self.state.links.close_when_idle().send_replace(pause);
    }

    /// Ends all open connections gracefully, like a server that shuts down: idle ones now, the others after their
    /// answer.
    ///
    /// An HTTP/1.1 answer that has not started yet says `Connection: close`. HTTP/2 connections send a GOAWAY.
    pub fn drain_connections(&self) -> usize {
        self.state.links.drain(None)
    }

    /// Makes all open connections silent, as if a NAT or a load balancer had lost its memory: the emulator reads and
    /// answers nothing on them, and does not close them. New connections are served.
    ///
    /// Their open calls no longer count as in flight. Only the end of the emulator ends these connections.
    pub fn silence_connections(&self) -> usize {
        self.state.links.silence(None)
    }

    /// Resets all open connections at their next request. The emulator receives and counts the whole request, then
    /// sends a TCP RST. New connections are served. Open calls are answered.
    pub fn reset_connections_once(&self) -> usize {
        self.state.links.reset_once(None)
    }

    /// While `true`, the emulator refuses connections, because the listener is closed. Open connections stay open.
    /// The emulator keeps the port, so that it can listen again after `false`. Returns when the change is done.
    ///
    /// # Errors
    ///
    /// If the port cannot be bound again because another program took it. That can happen only in the moment between
    /// closing the listener and taking the port without listening.
    pub async fn refuse_connections(&self, refuse: bool) -> io::Result<()> {
        door::turn(&self.state.door, refuse).await
    }

    /// While `true`, the emulator accepts new connections and never sends a byte on them. They stay silent after this
    /// ends.
    pub fn hang_new_connections(&self, hang: bool) {
        self.state.links.hang_new(hang);
    }
}
