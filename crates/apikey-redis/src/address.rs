//! The address of a server.

use std::fmt;

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Address {
    /// Without brackets. If a cluster names none, this is empty: then it is the host that was asked.
    pub(crate) host: String,
    pub(crate) port: u16,
}

impl Address {
    /// Reads `host:port`, `[host]:port`, or a host alone.
    pub(crate) fn parse(text: &str, default_port: u16) -> Option<Self> {
        let (host, port) = match text.rsplit_once(':') {
            Some((host, port)) if !host.contains(':') || host.starts_with('[') && host.ends_with(']') => {
                (host, port.parse().ok()?)
            }
            // An IPv6 address that ends with a port, as servers of a cluster write it.
            Some((host, port)) if default_port == 0 => (host, port.parse().ok()?),
            _ => (text, default_port),
        };
        let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        Some(Self { host: host.to_owned(), port })
    }

    /// This address. If it has no host, that of the server which named it.
    pub(crate) fn or_host_of(&self, other: &Self) -> Self {
        let host = if self.host.is_empty() { &other.host } else { &self.host };
        Self { host: host.clone(), port: self.port }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(formatter, "[{}]:{}", self.host, self.port)
        } else {
            write!(formatter, "{}:{}", self.host, self.port)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_in_all_their_forms() {
        let read = |text, port| Address::parse(text, port).map(|address| address.to_string());
        assert_eq!(read("redis.internal:7000", 6379).as_deref(), Some("redis.internal:7000"));
        assert_eq!(read("redis.internal", 6379).as_deref(), Some("redis.internal:6379"));
        assert_eq!(read("[::1]:7000", 6379).as_deref(), Some("[::1]:7000"));
        assert_eq!(read("[::1]", 6379).as_deref(), Some("[::1]:6379"));
        assert_eq!(read("fd00::1:7000", 0).as_deref(), Some("[fd00::1]:7000"));
        assert_eq!(read("redis.internal:many", 6379), None);
    }
}
