//! Reads the URL that names the servers.

use std::fmt;

use apikey_core::ConfigError;
use percent_encoding::percent_decode_str;
use url::Url;
use zeroize::Zeroizing;

use crate::address::Address;
use crate::dial::Login;
use crate::sentinel::Sentinels;

/// The ports that servers and sentinels listen on if nobody says otherwise.
const PORT: u16 = 6379;
const SENTINEL_PORT: u16 = 26379;

/// What a URL says.
pub(crate) struct Parsed {
    pub(crate) is_tls: bool,
    pub(crate) login: Login,
    pub(crate) kind: Kind,
}

pub(crate) enum Kind {
    Standalone(Address),
    Sentinel(Sentinels),
    Cluster(Vec<Address>),
}

/// Reads a URL. No error repeats any of its parts, except its scheme and the names of its parameters: it may hold a
/// password.
pub(crate) fn parse(setting: &'static str, text: &str) -> Result<Parsed, ConfigError> {
    let wrong = |problem: String| ConfigError::new(setting, problem);
    let url = Url::parse(text.trim()).map_err(|error| {
        wrong(format!(
            "it is no URL ({error}). Write `redis://user:password@host:6379`, and encode what is special in \
                       the password, such as / as %2F"
        ))
    })?;
    let (is_tls, kind) = scheme(url.scheme()).ok_or_else(|| {
        let known = "redis, rediss, redis-sentinel, rediss-sentinel, redis-cluster and rediss-cluster";
        wrong(format!("the scheme '{}' is unknown. The schemes are {known}", url.scheme()))
    })?;
    let default_port = if kind == Scheme::Sentinel { SENTINEL_PORT } else { PORT };
    let host =
        url.host_str().filter(|host| !host.is_empty()).ok_or_else(|| wrong("it names no host".to_owned()))?;
    let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
    let mut nodes = vec![Address { host, port: url.port().unwrap_or(default_port) }];
    let (mut service, mut sentinel) = (None, Login::default());
    for (name, value) in url.query_pairs() {
        match &*name {
            "node" if kind != Scheme::Standalone => {
                let node = Address::parse(&value, default_port)
                    .filter(|node| !node.host.is_empty() && node.port != 0);
                nodes.push(node.ok_or_else(|| wrong("a `node` is not `host:port`".to_owned()))?);
            }
            "sentinelServiceName" if kind == Scheme::Sentinel => service = Some(value.into_owned()),
            "sentinelUsername" if kind == Scheme::Sentinel => sentinel.user = Some(value.into_owned()),
            "sentinelPassword" if kind == Scheme::Sentinel => {
                sentinel.password = Some(Zeroizing::new(value.into_owned()));
            }
            unknown => {
                return Err(wrong(format!("a `{}` URL has no parameter '{unknown}'", url.scheme())));
            }
        }
    }
    if sentinel.user.is_some() && sentinel.password.is_none() {
        return Err(wrong("it has `sentinelUsername`, but no `sentinelPassword`".to_owned()));
    }
    let login = login(&url).map_err(wrong)?;
    // It holds the password.
    drop(Zeroizing::new(String::from(url)));
    let kind = match kind {
        Scheme::Standalone => Kind::Standalone(nodes.remove(0)),
        Scheme::Sentinel => {
            let missing = || wrong("add the name of the primary: `?sentinelServiceName=mymaster`".to_owned());
            let service = service.filter(|service| !service.is_empty()).ok_or_else(missing)?;
            Kind::Sentinel(Sentinels { addresses: nodes, service, login: sentinel })
        }
        Scheme::Cluster if login.database != 0 => {
            return Err(wrong("a cluster has only database 0".to_owned()));
        }
        Scheme::Cluster => Kind::Cluster(nodes),
    };
    Ok(Parsed { is_tls, login, kind })
}

/// The servers, as an operator knows them.
impl fmt::Display for Kind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let listed =
            |addresses: &[Address]| addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        match self {
            Self::Standalone(address) => write!(formatter, "{address}"),
            Self::Sentinel(sentinels) => {
                let addresses = listed(&sentinels.addresses);
                write!(formatter, "the primary of '{}' by the sentinels {addresses}", sentinels.service)
            }
            Self::Cluster(seeds) => write!(formatter, "the cluster of {}", listed(seeds)),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scheme {
    Standalone,
    Sentinel,
    Cluster,
}

fn scheme(text: &str) -> Option<(bool, Scheme)> {
    let (start, kind) = match text.split_once('-') {
        None => (text, Scheme::Standalone),
        Some((start, "sentinel")) => (start, Scheme::Sentinel),
        Some((start, "cluster")) => (start, Scheme::Cluster),
        Some(_) => return None,
    };
    match start {
        "redis" | "valkey" => Some((false, kind)),
        "rediss" | "valkeys" => Some((true, kind)),
        _ => None,
    }
}

/// The user, the password and the database.
fn login(url: &Url) -> Result<Login, String> {
    let decoded = |text: &str| {
        let text = percent_decode_str(text).decode_utf8();
        text.map(std::borrow::Cow::into_owned).map_err(|_| "the user or the password is not UTF-8".to_owned())
    };
    let user = Some(decoded(url.username())?).filter(|user| !user.is_empty());
    let password = url.password().map(decoded).transpose()?.map(Zeroizing::new);
    if user.is_some() && password.is_none() {
        return Err(
            "it names a user, but no password. Write `user:password@`, or `:password@` without a user"
                .to_owned(),
        );
    }
    let path = url.path().trim_matches('/');
    let database = if path.is_empty() { Ok(0) } else { path.parse() };
    let database =
        database.map_err(|_| "after the host may only stand the number of a database".to_owned())?;
    Ok(Login { user, password, database })
}

#[cfg(test)]
mod tests;
