//! Where the document and the server are.

use std::fs::File;
use std::io::Read as _;
use std::net::SocketAddr;
use std::path::PathBuf;

use apikey_testkit::raw;
use serde_json::Value;
use tokio::net::lookup_host;

/// The largest document that is read, in bytes. Kinde imports none that is larger.
const LARGEST: u64 = 20 * 1024 * 1024;

/// The address of a server, as `http://host:port` and as socket addresses.
#[derive(Debug)]
pub(super) struct Server {
    pub(super) origin: String,
    authority: String,
    addresses: Vec<SocketAddr>,
}

/// Where the document is.
#[derive(Debug)]
pub(super) enum Source {
    /// On the server, at this path.
    Path(String),
    File(PathBuf),
}

/// Finds the document and the server.
///
/// # Errors
/// Says what is wrong with them. The server must have loopback addresses only.
pub(super) async fn find(document: &str, server: Option<&str>) -> Result<(Source, Server), String> {
    let is_url = document.contains("://");
    let (source, url) = match (is_url, server) {
        (true, Some(_)) => {
            return Err("give --server only with a file: the server is the one of the URL".to_owned());
        }
        (true, None) => (Source::Path(split(document)?.1.to_owned()), document),
        (false, Some(server)) => (Source::File(document.into()), server),
        (false, None) => {
            return Err("a file needs --server http://host:port; or give the URL of the document".to_owned());
        }
    };
    let (authority, path) = split(url)?;
    if !is_url && !matches!(path, "" | "/") {
        return Err("--server is the scheme, the host and the port: the document says the path".to_owned());
    }
    Ok((source, Server::find(authority).await?))
}

/// The authority of a URL, and its path.
fn split(url: &str) -> Result<(&str, &str), String> {
    let rest = url
        .strip_prefix("http://")
        .ok_or("expected a URL with http://: the probe speaks no TLS, so give it the address behind it")?;
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let is_odd = |text: &str| text.contains(|character: char| !character.is_ascii_graphic());
    if authority.is_empty() || authority.contains(['@', '?', '#']) || is_odd(url) {
        return Err("expected a URL such as http://127.0.0.1:3000/openapi.json".to_owned());
    }
    Ok((authority, path))
}

impl Server {
    async fn find(authority: &str) -> Result<Self, String> {
        let after_address = authority.rfind(']').map_or(0, |end| end + 1);
        let has_port = authority[after_address..].contains(':');
        let with_port = if has_port { authority.to_owned() } else { format!("{authority}:80") };
        let found = lookup_host(&with_port).await;
        let addresses: Vec<SocketAddr> =
            found.map_err(|error| format!("the server's host can't be resolved: {error}"))?.collect();
        if addresses.is_empty() || !addresses.iter().all(|address| address.ip().is_loopback()) {
            return Err("the server must have a loopback address, such as 127.0.0.1. The probe calls every operation with keys that may \
                        do everything, so it must not meet data that somebody needs. And the emulator answers this machine only"
                .to_owned());
        }
        Ok(Self { origin: format!("http://{authority}"), authority: authority.to_owned(), addresses })
    }

    /// Whether something listens.
    pub(super) async fn answers(&self) -> bool {
        for address in &self.addresses {
            if tokio::net::TcpStream::connect(address).await.is_ok() {
                return true;
            }
        }
        false
    }

    async fn fetch(&self, path: &str) -> Result<Vec<u8>, String> {
        let headers =
            [("host", self.authority.as_str()), ("accept", "application/json"), ("connection", "close")];
        let path = if path.is_empty() { "/" } else { path };
        let request = raw::request("GET", path, &headers, b"");
        let mut answer = Err("it has no address".to_owned());
        for address in &self.addresses {
            answer = raw::exchange(*address, &request).await.map_err(|error| error.to_string());
            if answer.is_ok() {
                break;
            }
        }
        match answer {
            Ok(response) if response.status == 200 => Ok(response.body),
            Ok(response) => Err(format!("the server answers {} for the document", response.status)),
            Err(error) => Err(format!("the server gives no document: {error}")),
        }
    }
}

impl Source {
    /// Reads the document.
    ///
    /// # Errors
    /// Says why there is none.
    pub(super) async fn read(&self, server: &Server) -> Result<Value, String> {
        let bytes = match self {
            Self::Path(path) => server.fetch(path).await?,
            Self::File(path) => {
                let mut bytes = Vec::new();
                let read = File::open(path).and_then(|file| file.take(LARGEST + 1).read_to_end(&mut bytes));
                read.map_err(|error| format!("the document can't be read: {error}"))?;
                bytes
            }
        };
        if bytes.len() as u64 > LARGEST {
            return Err(
                "the document is larger than 20 MB: Kinde does not import it, and the probe does not read it"
                    .to_owned(),
            );
        }
        serde_json::from_slice(&bytes)
            .map_err(|error| format!("the document is not JSON, or not well-formed: {error}"))
    }
}
