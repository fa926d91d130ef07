//! TLS for the emulator.

mod identity;

use std::{io, sync::Arc};

use rustls::{
    ServerConfig,
    crypto::CryptoProvider,
    server::{Acceptor, ClientHello},
};
use tokio::net::TcpStream;
use tokio_rustls::{LazyConfigAcceptor, server::TlsStream};

pub use identity::TlsIdentity;

use super::counters::CounterBoard;

/// Which protocols the server accepts in ALPN, the TLS extension by which both sides choose a protocol.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Alpn {
    /// The server does not know ALPN and speaks HTTP/1.1.
    None,
    /// `http/1.1`.
    #[default]
    Http1,
    /// `h2`, and `http/1.1` for clients that do not offer `h2`. The server speaks what was chosen.
    Http2,
}

const HTTP_2: &[u8] = b"h2";

/// Turns connections into TLS streams.
pub(crate) struct Tls {
    config: Arc<ServerConfig>,
}

impl Tls {
    pub(crate) fn new(identity: &TlsIdentity, alpn: Alpn) -> io::Result<Tls> {
        let (chain, key) = identity.chain_and_key();
        let mut config = ServerConfig::builder_with_provider(Arc::new(provider()))
            .with_safe_default_protocol_versions()
            .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, key))
            .map_err(io::Error::other)?;
        config.alpn_protocols = match alpn {
            Alpn::None => Vec::new(),
            Alpn::Http1 => vec![b"http/1.1".to_vec()],
            Alpn::Http2 => vec![HTTP_2.to_vec(), b"http/1.1".to_vec()],
        };
        Ok(Tls { config: Arc::new(config) })
    }

    /// Does the handshake and counts its result.
    pub(crate) async fn accept(
        &self,
        stream: TcpStream,
        counters: &CounterBoard,
    ) -> io::Result<TlsStream<TcpStream>> {
        let shaken = async {
            let start = LazyConfigAcceptor::new(Acceptor::default(), stream).await?;
            counters.alpn_offered(offer(&start.client_hello()));
            start.into_stream(self.config.clone()).await
        };
        let shaken = shaken.await;
        counters.handshake_ended(match &shaken {
            Ok(stream) => stream.get_ref().1.handshake_kind(),
            Err(_) => None,
        });
        shaken
    }
}

/// The provider of the emulator. The default of the process belongs to the program under test.
#[cfg(feature = "aws-lc-rs")]
fn provider() -> CryptoProvider {
    rustls::crypto::aws_lc_rs::default_provider()
}

#[cfg(all(feature = "ring", not(feature = "aws-lc-rs")))]
fn provider() -> CryptoProvider {
    rustls::crypto::ring::default_provider()
}

#[cfg(not(any(feature = "aws-lc-rs", feature = "ring")))]
fn provider() -> CryptoProvider {
    compile_error!("apikey-testkit needs a provider of TLS: turn on its feature `aws-lc-rs` or `ring`")
}

/// Whether both sides chose HTTP/2.
pub(crate) fn speaks_http2(stream: &TlsStream<TcpStream>) -> bool {
    stream.get_ref().1.alpn_protocol() == Some(HTTP_2)
}

/// The protocols that a client offers, in its order.
fn offer(hello: &ClientHello<'_>) -> String {
    let names: Vec<_> =
        hello.alpn().into_iter().flatten().map(|name| String::from_utf8_lossy(name).into_owned()).collect();
    names.join(", ")
}
