//! One step on the way to Kinde, and what to do if it fails.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::time::Duration;

use apikey_core::{FailureClass, Health, KindeInspection, VerifierError};
use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;

/// How long it may take to resolve the host name.
const LONGEST_LOOK_UP: Duration = Duration::from_secs(5);
/// How long it may take to connect to one address.
const LONGEST_CONNECT: Duration = Duration::from_secs(2);
/// How many addresses are tried.
const MOST_ADDRESSES: usize = 4;

const THROUGH_PROXY: &str = "not needed: calls go through a proxy";

#[derive(Clone, Copy)]
pub(super) enum Step {
    Address,
    Connection,
    Tls,
    Token,
    Scope,
    Verify,
    Api,
}

pub(super) enum Outcome {
    Passed(String),
    /// The step found neither that all is well nor what is wrong.
    Open(&'static str),
    NotNeeded(&'static str),
    NotTried,
    Failed {
        problem: String,
        /// `None`: the problem says what to change.
        fix: Option<String>,
    },
}

fn passed(text: &str) -> Outcome {
    Outcome::Passed(text.to_owned())
}

fn failed(problem: impl Into<String>, fix: impl Into<String>) -> Outcome {
    Outcome::Failed { problem: problem.into(), fix: Some(fix.into()) }
}

impl Step {
    pub(super) const ALL: [Self; 7] =
        [Self::Address, Self::Connection, Self::Tls, Self::Token, Self::Scope, Self::Verify, Self::Api];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Address => "address",
            Self::Connection => "connection",
            Self::Tls => "TLS",
            Self::Token => "token",
            Self::Scope => "scope",
            Self::Verify => "verify",
            Self::Api => "API",
        }
    }

    /// Tries the step. `addresses` is what the first step found.
    pub(super) async fn run(self, kinde: &KindeInspection, addresses: &mut Vec<SocketAddr>) -> Outcome {
        match self {
            Self::Address => address(kinde, addresses).await,
            Self::Connection => connection(kinde, addresses).await,
            Self::Tls => tls(kinde).await,
            Self::Token => token(kinde).await,
            Self::Scope => scope(kinde).await,
            Self::Verify => verify(kinde).await,
            Self::Api => api(kinde).await,
        }
    }
}

/// The host, if it can't be a secret that somebody wrote into the wrong variable: a secret has no dot.
pub(super) fn host(kinde: &KindeInspection) -> &str {
    let host = kinde.host();
    if host.contains(['.', ':']) || host == "localhost" { host } else { "a host without a dot" }
}

async fn address(kinde: &KindeInspection, addresses: &mut Vec<SocketAddr>) -> Outcome {
    if kinde.uses_proxy() {
        return Outcome::NotNeeded(THROUGH_PROXY);
    }
    let found = timeout(LONGEST_LOOK_UP, lookup_host((kinde.host(), kinde.port()))).await;
    addresses.extend(found.into_iter().flatten().flatten().take(MOST_ADDRESSES));
    if addresses.is_empty() {
        return failed(
            format!("DNS knows no address of {}", host(kinde)),
            format!(
                "check {}: it is the host of your Kinde business, for example example.kinde.com. If it is right, this \
                 machine's DNS is at fault, or the machine needs a proxy: then set HTTPS_PROXY",
                kinde.domain_setting()
            ),
        );
    }
    let texts: Vec<String> = addresses.iter().map(|address| address.ip().to_string()).collect();
    Outcome::Passed(texts.join(", "))
}

async fn connection(kinde: &KindeInspection, addresses: &[SocketAddr]) -> Outcome {
    if kinde.uses_proxy() {
        return Outcome::NotNeeded(THROUGH_PROXY);
    }
    let port = kinde.port();
    let mut is_refused = false;
    for address in addresses {
        match timeout(LONGEST_CONNECT, TcpStream::connect(address)).await {
            Ok(Ok(_stream)) => return Outcome::Passed(format!("port {port} of {} answers", address.ip())),
            Ok(Err(error)) => is_refused |= error.kind() == ErrorKind::ConnectionRefused,
            Err(_elapsed) => {}
        }
    }
    let domain = kinde.domain_setting();
    if is_refused {
        return failed(
            format!("nothing listens at port {port} of {}", host(kinde)),
            format!(
                "check the host and the port in {domain}; Kinde's own port is 443, and need not be written"
            ),
        );
    }
    failed(
        format!("port {port} of {} does not answer within {} s", host(kinde), LONGEST_CONNECT.as_secs()),
        format!(
            "check {domain}, and let this machine open connections to port {port}: a firewall may drop them. If the machine \
             needs a proxy, set HTTPS_PROXY"
        ),
    )
}

async fn tls(kinde: &KindeInspection) -> Outcome {
    if !kinde.uses_tls() && !kinde.uses_proxy() {
        return Outcome::NotNeeded("not needed: plain HTTP to a loopback address");
    }
    match kinde.connect().await {
        // A connection that fails later is a matter of the next steps.
        Err(error) if error.is_without_connection() => {
            let proxy = if kinde.uses_proxy() { "HTTPS_PROXY and " } else { "" };
            failed(
                error.reason(),
                format!(
                    "check {proxy}{}. If a proxy or a firewall of your network decrypts TLS, trust its authority: add it to this \
                     machine's CA certificates (on Linux, SSL_CERT_FILE may name a file that has all of them), or call \
                     KindeSettings::root_certificate in your program",
                    kinde.domain_setting()
                ),
            )
        }
        _ if kinde.uses_proxy() => passed("the proxy connects to Kinde, whose certificate is trusted"),
        _ => passed("the certificate is trusted"),
    }
}

async fn token(kinde: &KindeInspection) -> Outcome {
    if !kinde.uses_token() {
        return Outcome::NotNeeded("not needed: APIKEY_AUTH is none");
    }
    match kinde.token().await {
        Ok(()) => passed("Kinde grants a token"),
        Err(error) => of_error(kinde, &error),
    }
}

async fn scope(kinde: &KindeInspection) -> Outcome {
    if !kinde.uses_token() {
        return Outcome::NotNeeded("not needed: APIKEY_AUTH is none");
    }
    match kinde.scope().await {
        Ok(true) => passed("the token may verify keys"),
        Err(error) if error.class() == FailureClass::ServiceRefused => failed(
            error.reason(),
            "change that first. If Kinde answers every unknown key like this, it may be right already: ask about a good key \
             with `apikey-check key`",
        ),
        Err(error) if error.class() == FailureClass::SetUp => of_error(kinde, &error),
        Ok(false) | Err(_) => Outcome::Open("Kinde says nothing about read:api_keys"),
    }
}

async fn verify(kinde: &KindeInspection) -> Outcome {
    match kinde.health().await {
        Health::Up => passed("Kinde judges a made-up key"),
        Health::Overload(error) | Health::Down(error) | Health::Refused(error) => of_error(kinde, &error),
        _ => failed(
            "something refuses the call, but not in Kinde's words",
            format!(
                "check {}, and whether a firewall or a proxy between this machine and Kinde refuses it",
                kinde.domain_setting()
            ),
        ),
    }
}

/// Kinde tells only of a key for which APIs it is, so the id itself can't be checked here.
async fn api(kinde: &KindeInspection) -> Outcome {
    if !kinde.is_bound() {
        return Outcome::NotNeeded(
            "not needed: KINDE_API_ID is not set, so keys of your other APIs may open this one",
        );
    }
    match kinde.binding().await {
        Ok(true) => passed(
            "Kinde tells for which APIs a key is. Whether KINDE_API_ID is right, `apikey-check key` shows with a key of this API",
        ),
        Ok(false) => Outcome::Open("Kinde does not say whether it tells for which APIs a key is"),
        Err(error) => of_error(kinde, &error),
    }
}

/// Errors of the classes `SetUp` and `ServiceRefused` say themselves what to change.
fn of_error(kinde: &KindeInspection, error: &VerifierError) -> Outcome {
    let domain = kinde.domain_setting();
    let fix = match error.class() {
        FailureClass::ServiceRefused if !kinde.uses_token() => Some("and unset APIKEY_AUTH".to_owned()),
        FailureClass::SetUp | FailureClass::ServiceRefused => None,
        FailureClass::Overload => Some("wait a minute and start again: Kinde asks for time".to_owned()),
        _ => Some(format!(
            "check {domain}: it must be Kinde's host, and not your own API or web page. If it is right, Kinde or the network \
             has an outage: start again later"
        )),
    };
    Outcome::Failed { problem: error.reason().to_owned(), fix }
}
