//! Finds a port to listen on.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};

/// The loopback address with this port, or with a free port if this one is in use.
pub fn prefer(port: u16) -> Result<SocketAddr, String> {
    let probe =
        |port| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).and_then(|listener| listener.local_addr());
    probe(port).or_else(|_| probe(0)).map_err(|error| format!("cannot listen on 127.0.0.1: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_taken_port_is_given_up_for_a_free_one() {
        let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = taken.local_addr().unwrap().port();
        let other = prefer(port).unwrap();
        assert_ne!(other.port(), port);
        assert!(TcpListener::bind(other).is_ok());
    }
}
