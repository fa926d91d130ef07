//! Faults of single connections, and of the way in.

use std::{io, time::Duration};

use super::{Emulator, door};

/// Faults of connections.
///
/// An *open* connection is one that the emulator has accepted, which is certain once it has answered on it. Requests to
/// the control plane are never hit by a connection's fault and are not counted as uses of it. Where a number comes
/// back, it is the number of connections concerned.
impl Emulator {
    /// Cuts all connections, those with a call in flight, too, and goes on listening: what a caller sees of a Kinde that
    /// is restarted. Returns at once; the cut follows, over TLS without a `close_notify`. Silenced connections are not
    /// cut.
    pub fn cut_connections(&self) -> usize {
        self.state.links.cut(None)
    }

    /// Closes each connection at its `nth` request: the earlier ones are answered as ever; when the `nth` has been
    /// received whole, the connection is closed with a FIN and without an answer. The call is counted, and no script
    /// moves on. `None` ends this.
    ///
    /// Requests are counted from the start of a connection, whatever became of them. A connection that has had more
    /// requests than `nth` when this is set is closed at its next one.
    ///
    /// # Panics
    ///
    /// When `nth` is 0: the first request is number 1.
    pub fn close_connections_at_use(&self, nth: Option<u64>) {
        assert_ne!(nth, Some(0), "the first use of a connection is number 1");
        self.state.links.set_close_at_use(nth);
    }

    /// Closes each connection that has been idle for this long after an answer, as servers do: the answer does not
    /// announce it. A connection that has not been used yet is left alone. `None` ends this.
    ///
    /// HTTP/1.1 ends with a FIN, over TLS after a `close_notify`; HTTP/2 with a GOAWAY before them.
    pub fn close_idle_connections(&self, pause: Option<Duration>) {
        self.state.links.close_when_idle().send_replace(pause);
    }

    /// Ends all open connections gracefully, as a server that shuts down: idle ones now, the others after their answer.
    ///
    /// An HTTP/1.1 answer that is not under way yet says `Connection: close`. HTTP/2 connections send a GOAWAY.
    pub fn drain_connections(&self) -> usize {
        self.state.links.drain(None)
    }

    /// Lets all open connections go dead in silence, as when a NAT or a load balancer has lost its memory: nothing more
    /// is read or answered on them, and they are not closed. New connections are served.
    ///
    /// Calls under way on them stop being counted as in flight. Only the end of the emulator ends these connections.
    pub fn silence_connections(&self) -> usize {
        self.state.links.silence(None)
    }

    /// Resets all open connections at their next request: it is received whole and counted, and draws a TCP RST. New
    /// connections are served. Calls under way are answered.
    pub fn reset_connections_once(&self) -> usize {
        self.state.links.reset_once(None)
    }

    /// While `true`, connections are refused: the listener is closed. Open connections stay open. The port stays taken,
    /// so that it is there when `false` opens it again. Returns when it is done.
    ///
    /// # Errors
    ///
    /// When the port can't be bound again: another program has taken it, which can happen only in the moment between
    /// closing the listener and taking the port without listening.
    pub async fn refuse_connections(&self, refuse: bool) -> io::Result<()> {
        door::turn(&self.state.door, refuse).await
    }

    /// While `true`, new connections are accepted and never answered a byte: they are silent from the start, and stay
    /// so when this has ended.
    pub fn hang_new_connections(&self, hang: bool) {
        self.state.links.hang_new(hang);
    }
}
