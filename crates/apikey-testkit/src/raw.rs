//! An HTTP/1.1 client that sends exactly the bytes it is given.
//!
//! Use it for requests that a well-behaved client does not make (repeated headers, bytes that are not UTF-8, half a
//! request), and for answers of which every byte matters. It follows no redirect, retries nothing, and keeps a
//! connection only if the test does. Every wait for the server ends after ten seconds with
//! [`io::ErrorKind::TimedOut`], so that no test hangs.
//!
//! ```no_run
//! # async fn example(address: std::net::SocketAddr) -> std::io::Result<()> {
//! use apikey_testkit::raw;
//!
//! let response = raw::exchange(address, &raw::get("/api/data", &[("Authorization", "bearer nonsense")])).await?;
//! assert_eq!(response.status, 401);
//! assert_eq!(response.json()["code"], "INVALID_KEY");
//! # Ok(())
//! # }
//! ```

use std::{
    fmt::{self, Write as _},
    future::Future,
    io,
    net::{IpAddr, SocketAddr},
    pin::pin,
    time::Duration,
};

use serde_json::Value;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
    time::timeout,
};

const TIMEOUT: Duration = Duration::from_secs(10);
const LARGEST_HEAD: usize = 1024 * 1024;
const LARGEST_BODY: usize = 64 * 1024 * 1024;

/// Sends a request on a new connection and reads exactly one response.
///
/// If the request line starts with `HEAD `, the response has no body. A response that the server sends before it has
/// read the whole request is read, too.
///
/// # Errors
///
/// [`io::ErrorKind::UnexpectedEof`] if the connection ends before or within the response,
/// [`io::ErrorKind::ConnectionReset`] if it is reset, [`io::ErrorKind::InvalidData`] if the response is not HTTP/1,
/// and [`io::ErrorKind::TimedOut`].
pub async fn exchange(address: SocketAddr, request: &[u8]) -> io::Result<RawResponse> {
    let Connection { mut incoming, mut outgoing } = Connection::connect(address).await?;
    within_timeout(async {
        let mut reading = pin!(incoming.read_response(request.starts_with(b"HEAD ")));
        // The read explains a failed write: there may be a response, or it gets the same error.
        tokio::select! {
            biased;
            response = &mut reading => return response,
            _ = outgoing.write_all(request) => {}
        }
        reading.await
    })
    .await
}

/// A connection for several requests, one after the other or pipelined.
pub struct Connection {
    incoming: Incoming,
    outgoing: Box<dyn AsyncWrite + Send + Unpin>,
}

impl fmt::Debug for Connection {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Connection")
            .field("unread", &self.incoming.buffer.len())
            .finish_non_exhaustive()
    }
}

impl Connection {
    /// Connects.
    pub async fn connect(address: SocketAddr) -> io::Result<Connection> {
        Connection::over_tcp(within_timeout(TcpStream::connect(address)).await?)
    }

    /// Connects from this address of the local host, so that the server sees another peer.
    pub async fn connect_from(source: IpAddr, address: SocketAddr) -> io::Result<Connection> {
        let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        socket.bind(SocketAddr::new(source, 0))?;
        Connection::over_tcp(within_timeout(socket.connect(address)).await?)
    }

    /// Uses a stream that is already connected, for example one with TLS.
    pub fn over(stream: impl AsyncRead + AsyncWrite + Send + 'static) -> Connection {
        let (reader, writer) = tokio::io::split(stream);
        Connection::over_halves(reader, writer)
    }

    fn over_tcp(stream: TcpStream) -> io::Result<Connection> {
        stream.set_nodelay(true)?;
        let (reader, writer) = stream.into_split();
        Ok(Connection::over_halves(reader, writer))
    }

    fn over_halves(
        reader: impl AsyncRead + Send + Unpin + 'static,
        writer: impl AsyncWrite + Send + Unpin + 'static,
    ) -> Connection {
        let incoming = Incoming { reader: Box::new(reader), buffer: Vec::new() };
        Connection { incoming, outgoing: Box::new(writer) }
    }

    /// Sends exactly these bytes.
    pub async fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        within_timeout(self.outgoing.write_all(bytes)).await
    }

    /// Reads the next response. `head` says that it answers a HEAD request, so it has no body. Skips interim
    /// responses such as `100 Continue`.
    ///
    /// # Errors
    ///
    /// Like [`exchange`].
    pub async fn read_response(&mut self, head: bool) -> io::Result<RawResponse> {
        within_timeout(self.incoming.read_response(head)).await
    }

    /// Reads everything that is still to come until the server closes the connection.
    pub async fn read_to_end(&mut self) -> io::Result<Vec<u8>> {
        within_timeout(async {
            while self.incoming.fill().await? {}
            Ok(std::mem::take(&mut self.incoming.buffer))
        })
        .await
    }
}

/// A response as the server sent it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RawResponse {
    /// The status.
    pub status: u16,
    /// Names in lower case and values without surrounding white space, in their order.
    pub headers: Vec<(String, Vec<u8>)>,
    /// The body. A chunked one is put together.
    pub body: Vec<u8>,
}

impl RawResponse {
    /// The first value of a header, if it is UTF-8. The case of the name does not matter.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.values(name).next().and_then(|value| std::str::from_utf8(value).ok())
    }

    /// All values of a header that are UTF-8.
    pub fn header_values(&self, name: &str) -> Vec<&str> {
        self.values(name).filter_map(|value| std::str::from_utf8(value).ok()).collect()
    }

    /// The body as text. Bytes that are not UTF-8 are replaced.
    pub fn body_text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    ///
    /// # Panics
    ///
    /// If it is not JSON. The message has the status and the body.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| {
            panic!("the body of this {} is not JSON ({error}): {:?}", self.status, self.body_text())
        })
    }

    fn values(&self, name: &str) -> impl Iterator<Item = &[u8]> {
        self.headers
            .iter()
            .filter(move |(other, _)| other.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_slice())
    }
}

/// Renders a GET request without a body.
pub fn get(path: &str, headers: &[(&str, &str)]) -> Vec<u8> {
    request("GET", path, headers, b"")
}

/// Renders a request.
///
/// Adds `Host: localhost`, and `Content-Length` if there is a body or the method is POST, PUT or PATCH. It adds
/// neither if `headers` has it already, and no `Content-Length` beside a `Transfer-Encoding`.
pub fn request(method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
    let given = |name: &str| headers.iter().any(|(other, _)| other.eq_ignore_ascii_case(name));
    let mut head = format!("{method} {path} HTTP/1.1\r\n");
    if !given("host") {
        head.push_str("Host: localhost\r\n");
    }
    for (name, value) in headers {
        let _ = write!(head, "{name}: {value}\r\n");
    }
    let has_body = !body.is_empty() || matches!(method, "POST" | "PUT" | "PATCH");
    if has_body && !given("content-length") && !given("transfer-encoding") {
        let _ = write!(head, "Content-Length: {}\r\n", body.len());
    }
    head.push_str("\r\n");
    [head.as_bytes(), body].concat()
}

async fn within_timeout<T>(work: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    timeout(TIMEOUT, work).await.unwrap_or_else(|_| {
        let message = format!("the server kept this client waiting for {} seconds", TIMEOUT.as_secs());
        Err(io::Error::new(io::ErrorKind::TimedOut, message))
    })
}

/// The receiving side: bytes that have arrived and are not read yet, and the source of more.
struct Incoming {
    reader: Box<dyn AsyncRead + Send + Unpin>,
    buffer: Vec<u8>,
}

impl Incoming {
    async fn read_response(&mut self, head: bool) -> io::Result<RawResponse> {
        loop {
            let mut response = self.read_head().await?;
            let interim = (100..200).contains(&response.status);
            if interim && response.status != 101 {
                continue;
            }
            if !head && !interim && response.status != 204 && response.status != 304 {
                response.body = self.read_body(&response).await?;
            }
            return Ok(response);
        }
    }

    async fn read_head(&mut self) -> io::Result<RawResponse> {
        let status_line = self.read_line().await?;
        let status = status_line
            .strip_prefix(b"HTTP/1.")
            .filter(|rest| rest.get(1) == Some(&b' '))
            .and_then(|rest| std::str::from_utf8(rest.get(2..5)?).ok())
            .and_then(|digits| digits.parse().ok())
            .ok_or_else(|| invalid(format!("no status line: {}", status_line.escape_ascii())))?;
        let mut response = RawResponse { status, headers: Vec::new(), body: Vec::new() };
        let mut size = 0;
        loop {
            let line = self.read_line().await?;
            if line.is_empty() {
                return Ok(response);
            }
            size += line.len();
            let colon = line.iter().position(|byte| *byte == b':');
            let Some(colon) = colon.filter(|_| size <= LARGEST_HEAD) else {
                return Err(invalid(format!("no header: {}", line.escape_ascii())));
            };
            let name = String::from_utf8_lossy(&line[..colon]).to_ascii_lowercase();
            response.headers.push((name, line[colon + 1..].trim_ascii().to_vec()));
        }
    }

    async fn read_body(&mut self, response: &RawResponse) -> io::Result<Vec<u8>> {
        let coding = response.header("transfer-encoding").unwrap_or_default();
        if coding.to_ascii_lowercase().ends_with("chunked") {
            return self.read_chunks().await;
        }
        let lengths = response.header_values("content-length");
        let Some(length) = lengths.first() else {
            while self.fill().await? {}
            return Ok(std::mem::take(&mut self.buffer));
        };
        if lengths.iter().any(|other| other != length) {
            return Err(invalid(format!("contradicting lengths: {lengths:?}")));
        }
        let length = length.parse().map_err(|_| invalid(format!("no length: {length:?}")))?;
        self.read_exactly(length).await
    }

    async fn read_chunks(&mut self) -> io::Result<Vec<u8>> {
        let mut body = Vec::new();
        loop {
            let line = self.read_line().await?;
            let digits = line.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
            let size = std::str::from_utf8(digits).ok().and_then(|text| usize::from_str_radix(text, 16).ok());
            let size = size.ok_or_else(|| invalid(format!("no chunk size: {}", line.escape_ascii())))?;
            if size == 0 {
                // Like headers, trailers end with an empty line.
                while !self.read_line().await?.is_empty() {}
                return Ok(body);
            }
            body.extend(self.read_exactly(size).await?);
            if body.len() > LARGEST_BODY || !self.read_line().await?.is_empty() {
                return Err(invalid("a chunk too large, or without its end".to_owned()));
            }
        }
    }

    /// Reads up to the next line end, without it.
    async fn read_line(&mut self) -> io::Result<Vec<u8>> {
        let mut searched = 0;
        loop {
            if let Some(position) = self.buffer[searched..].windows(2).position(|pair| pair == b"\r\n") {
                let mut line = self.take(searched + position + 2);
                line.truncate(searched + position);
                return Ok(line);
            }
            searched = self.buffer.len().saturating_sub(1);
            if searched > LARGEST_HEAD {
                return Err(invalid("a line too long".to_owned()));
            }
            self.fill_or_fail().await?;
        }
    }

    async fn read_exactly(&mut self, length: usize) -> io::Result<Vec<u8>> {
        if length > LARGEST_BODY {
            return Err(invalid(format!("a body too large: {length}")));
        }
        while self.buffer.len() < length {
            self.fill_or_fail().await?;
        }
        Ok(self.take(length))
    }

    fn take(&mut self, length: usize) -> Vec<u8> {
        self.buffer.drain(..length).collect()
    }

    async fn fill_or_fail(&mut self) -> io::Result<()> {
        if self.fill().await? {
            return Ok(());
        }
        let message = match self.buffer.len() {
            0 => "the server closed the connection where an answer, or more of it, was due".to_owned(),
            _ => format!(
                "the server closed the connection after {}",
                self.buffer[..self.buffer.len().min(200)].escape_ascii()
            ),
        };
        Err(io::Error::new(io::ErrorKind::UnexpectedEof, message))
    }

    /// Receives more bytes. Returns `false` if the server has closed the connection.
    async fn fill(&mut self) -> io::Result<bool> {
        if self.buffer.len() > LARGEST_BODY {
            return Err(invalid("an answer too large".to_owned()));
        }
        Ok(self.reader.read_buf(&mut self.buffer).await? > 0)
    }
}

fn invalid(message: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, message)
}
