//! The byte stream below HTTP. It outlives the HTTP server that uses it.

use std::{
    io,
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf},
    net::TcpStream,
};
use tokio_rustls::server::TlsStream;

use super::{answer::Ending, link::Link, lock::locked};

/// A TCP or TLS stream.
pub(crate) trait Transport: AsyncRead + AsyncWrite + Send + Unpin {
    fn tcp(&self) -> &TcpStream;
}

impl Transport for TcpStream {
    fn tcp(&self) -> &TcpStream {
        self
    }
}

impl Transport for TlsStream<TcpStream> {
    fn tcp(&self) -> &TcpStream {
        self.get_ref().0
    }
}

/// A stream that the HTTP server borrows. When the server is gone, the emulator still has the stream: it can end it
/// in ways that no HTTP server has, or hold it open in silence.
#[derive(Clone)]
pub(crate) struct Stream {
    transport: Arc<Mutex<Box<dyn Transport>>>,
    link: Arc<Link>,
}

impl Stream {
    pub(crate) fn new(transport: Box<dyn Transport>, link: Arc<Link>) -> Stream {
        Stream { transport: Arc::new(Mutex::new(transport)), link }
    }

    /// Ends the connection without an HTTP answer. The socket closes when the last handle is dropped.
    pub(crate) async fn end(mut self, ending: &Ending) -> io::Result<()> {
        match ending {
            Ending::Reset => locked(&self.transport).tcp().set_zero_linger(),
            Ending::Close(bytes) => {
                self.write_all(bytes).await?;
                self.shutdown().await
            }
        }
    }

    /// One step of the stream. A silent connection makes no more steps.
    fn poll<T>(&self, step: impl FnOnce(Pin<&mut dyn Transport>) -> Poll<T>) -> Poll<T> {
        let mut transport = locked(&self.transport);
        if self.link.is_silent() {
            return Poll::Pending;
        }
        step(Pin::new(&mut **transport))
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.poll(|transport| transport.poll_read(context, buffer))
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.poll(|transport| transport.poll_write(context, bytes))
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll(|transport| transport.poll_flush(context))
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll(|transport| transport.poll_shutdown(context))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffers: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.poll(|transport| transport.poll_write_vectored(context, buffers))
    }

    fn is_write_vectored(&self) -> bool {
        locked(&self.transport).is_write_vectored()
    }
}
