//! Finds a port to listen on.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::atomic::{AtomicU16, Ordering};

/// Systems give higher ports than these to outgoing connections.
const LASTING: std::ops::Range<u16> = 10_000..32_000;

/// The loopback address with this port, or with a free port if this one is in use.
pub fn prefer(port: u16) -> Result<SocketAddr, String> {
    let probe =
        |port| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).and_then(|listener| listener.local_addr());
    probe(port).or_else(|_| probe(0)).map_err(|error| format!("cannot listen on 127.0.0.1: {error}"))
}

/// A loopback address with a free port that no outgoing connection gets, so that it stays free while nobody listens. No two
/// calls of one process return the same.
pub fn lasting() -> Result<SocketAddr, String> {
    static TAKEN: AtomicU16 = AtomicU16::new(0);
    let length = LASTING.len() as u16;
    // Other processes begin elsewhere.
    let first = (std::process::id() % u32::from(length)) as u16;
    loop {
        let taken = TAKEN.fetch_add(1, Ordering::Relaxed);
        if taken >= length {
            return Err(format!(
                "no port of 127.0.0.1 from {} to {} is free",
                LASTING.start,
                LASTING.end - 1
            ));
        }
        let port = LASTING.start + (first + taken) % length;
        if let Ok(listener) = TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
            return listener.local_addr().map_err(|error| error.to_string());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lasting_port_is_given_to_one_caller() {
        let ports = [(); 20].map(|()| lasting().unwrap().port());
        assert!(ports.iter().all(|port| LASTING.contains(port)), "{ports:?}");
        assert!(ports.windows(2).all(|pair| pair[0] != pair[1]), "{ports:?}");
    }

    #[test]
    fn a_taken_port_is_given_up_for_a_free_one() {
        let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = taken.local_addr().unwrap().port();
        let other = prefer(port).unwrap();
        assert_ne!(other.port(), port);
        assert!(TcpListener::bind(other).is_ok());
    }
}
