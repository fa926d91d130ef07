//! Why something failed, before it becomes a [`StoreError`].

use apikey_core::fleet::StoreError;

use crate::address::Address;

/// How many letters of what a server says are repeated.
const LONGEST_TEXT: usize = 200;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fault {
    /// No answer, or not now.
    Unavailable(String),
    /// The connection is of no more use.
    Lost(String),
    /// The server is not the primary, or no longer.
    NotPrimary(String),
    /// The server wants a password first.
    LoggedOut,
    /// Another server of the cluster has this key.
    Moved(Address),
    /// The server does not know the script.
    UnknownScript,
    Full(String),
    /// A permission is missing.
    Forbidden(String),
    Misconfigured(String),
}

impl Fault {
    /// Classes an error that a server returned: its code, such as `NOAUTH`, and its text.
    pub(crate) fn of_server(code: &str, text: &str) -> Self {
        let said = || format!("{} {}", printable(code), printable(text)).trim_end().to_owned();
        match code {
            "NOSCRIPT" => Self::UnknownScript,
            "MOVED" => match text.split_once(' ').and_then(|(_, address)| Address::parse(address, 0)) {
                Some(address) => Self::Moved(address),
                None => Self::Unavailable(said()),
            },
            "READONLY" => Self::NotPrimary(said()),
            "OOM" => Self::Full(format!("{}: raise its `maxmemory`, or evict with `allkeys-lru`", said())),
            "NOAUTH" => Self::LoggedOut,
            "NOPERM" => Self::Forbidden(said()),
            "WRONGPASS" | "NOPROTO" | "MISCONF" | "WRONGTYPE" | "CROSSSLOT" => Self::Misconfigured(said()),
            // Redis 7 says this of a script.
            "ERR" if text.contains("ACL failure") || text.contains("user executing the script") => {
                Self::Forbidden(said())
            }
            // Most of these are about the set-up. The code is the same.
            "ERR" if text.contains("max number of clients") => Self::Unavailable(said()),
            "ERR" if text.contains("ompiling script") => {
                Self::Misconfigured(format!("Redis 7 or Valkey, or newer, is needed: {}", said()))
            }
            "ERR" => Self::Misconfigured(said()),
            _ => Self::Unavailable(said()),
        }
    }

    /// A reply that no supported server sends.
    pub(crate) fn unexpected(what: &str) -> Self {
        Self::Misconfigured(format!("the server's reply is not what Redis or Valkey would say: {what}"))
    }

    pub(crate) fn late(limit: std::time::Duration) -> Self {
        Self::Unavailable(format!("no answer in {} ms", limit.as_millis()))
    }
}

impl From<Fault> for StoreError {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Unavailable(text) | Fault::Lost(text) | Fault::NotPrimary(text) => Self::Unavailable(text),
            Fault::Moved(address) => Self::Unavailable(format!("the key has moved to {address}")),
            Fault::LoggedOut => {
                Self::Misconfigured("the server asks for a password: put it into the URL".to_owned())
            }
            Fault::UnknownScript => Self::Unavailable("the server forgets scripts at once".to_owned()),
            Fault::Full(text) => Self::Full(text),
            Fault::Forbidden(text) => Self::Misconfigured(format!("the user lacks an ACL rule: {text}")),
            Fault::Misconfigured(text) => Self::Misconfigured(text),
        }
    }
}

/// What a server says goes to a log, so it may neither begin new lines there nor fill it.
pub(crate) fn printable(text: &str) -> String {
    let letters = text.chars().take(LONGEST_TEXT);
    letters.map(|letter| if letter.is_ascii_graphic() || letter == ' ' { letter } else { '?' }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_servers_text_stays_on_one_short_line() {
        let Fault::Misconfigured(text) = Fault::of_server("ERR", &"a\r\nb\u{1b}[31m".repeat(100)) else {
            panic!("an ERR is about the set-up");
        };
        assert!(text.starts_with("ERR a??b?[31m") && text.len() < 210, "{text}");
    }

    #[test]
    fn errors_of_servers_are_classed() {
        let class = |code, text| StoreError::from(Fault::of_server(code, text));
        for code in
            ["LOADING", "MASTERDOWN", "NOREPLICAS", "READONLY", "CLUSTERDOWN", "TRYAGAIN", "ASK", "BUSY"]
        {
            assert!(matches!(class(code, "x"), StoreError::Unavailable(_)), "{code}");
        }
        for code in ["NOPERM", "NOAUTH", "WRONGPASS", "ERR", "MISCONF"] {
            assert!(matches!(class(code, "x"), StoreError::Misconfigured(_)), "{code}");
        }
        assert!(matches!(class("OOM", "x"), StoreError::Full(_)));
        assert!(matches!(class("ERR", "max number of clients reached"), StoreError::Unavailable(_)));
    }

    #[test]
    fn a_moved_key_names_its_server() {
        let moved = Fault::of_server("MOVED", "3999 127.0.0.1:6381");
        assert_eq!(moved, Fault::Moved(Address { host: "127.0.0.1".to_owned(), port: 6381 }));
        assert!(matches!(Fault::of_server("MOVED", "3999"), Fault::Unavailable(_)));
    }
}
