//! HTTP/1.1 with keep-alive over one blocking connection, and the line with which a server announces its address. The
//! upstream and the single requests of a run need only whole messages with a `Content-Length`.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// Longer than any wait here.
const PATIENCE: Duration = Duration::from_secs(30);

/// One end of a connection.
pub(crate) struct Connection {
    stream: TcpStream,
    received: Vec<u8>,
}

/// A request or a response.
pub(crate) struct Message {
    /// The request line or the status line.
    pub(crate) first_line: String,
    pub(crate) body: Vec<u8>,
}

impl Message {
    /// The status of a response.
    pub(crate) fn status(&self) -> Option<u16> {
        self.first_line.split(' ').nth(1)?.parse().ok()
    }
}

impl Connection {
    pub(crate) fn connect(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Self::accepted(stream)
    }

    pub(crate) fn accepted(stream: TcpStream) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        Ok(Self { stream, received: Vec::with_capacity(4096) })
    }

    pub(crate) fn send(&mut self, message: &[u8]) -> io::Result<()> {
        self.stream.write_all(message)
    }

    /// The next message. `None`: the other end has closed the connection after the last one.
    pub(crate) fn receive(&mut self) -> io::Result<Option<Message>> {
        loop {
            if let Some((message, length)) = parse(&self.received)? {
                self.received.drain(..length);
                return Ok(Some(message));
            }
            let mut piece = [0; 4096];
            match self.stream.read(&mut piece)? {
                0 if self.received.is_empty() => return Ok(None),
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                length => self.received.extend_from_slice(&piece[..length]),
            }
        }
    }

    /// Sends a request and reads its answer.
    pub(crate) fn exchange(&mut self, request: &[u8]) -> io::Result<Message> {
        self.send(request)?;
        self.receive()?.ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
    }
}

/// The first whole message in these bytes, and its length.
fn parse(bytes: &[u8]) -> io::Result<Option<(Message, usize)>> {
    const END: &[u8] = b"\r\n\r\n";
    let Some(head_length) = bytes.windows(END.len()).position(|window| window == END) else {
        return Ok(None);
    };
    let head = std::str::from_utf8(&bytes[..head_length]).map_err(io::Error::other)?;
    let mut lines = head.split("\r\n");
    let first_line = lines.next().unwrap_or_default().to_owned();
    let mut body_length = 0;
    for (name, value) in lines.filter_map(|line| line.split_once(':')) {
        if name.eq_ignore_ascii_case("content-length") {
            body_length = value.trim().parse().map_err(io::Error::other)?;
        } else if name.eq_ignore_ascii_case("transfer-encoding") {
            return Err(io::Error::other("a message of unknown length"));
        }
    }
    let start = head_length + END.len();
    let body = bytes.get(start..start + body_length).map(<[u8]>::to_vec);
    Ok(body.map(|body| (Message { first_line, body }, start + body_length)))
}

/// Tells the run where this server listens, and that it is ready.
pub(crate) fn announce(address: io::Result<SocketAddr>) {
    match address {
        Ok(address) => {
            println!("{address}");
            let _ = io::stdout().flush();
        }
        Err(error) => eprintln!("apikey-bench: {error}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_whole_once_its_body_is() {
        let bytes = b"HTTP/1.1 200 OK\r\nContent-length: 3\r\n\r\nabcHTTP/1.1 4";
        for length in 0..bytes.len() - 10 {
            assert!(parse(&bytes[..length]).unwrap().is_none(), "{length}");
        }
        let (message, length) = parse(bytes).unwrap().unwrap();
        assert_eq!((message.status(), &*message.body), (Some(200), &b"abc"[..]));
        assert_eq!(&bytes[length..], b"HTTP/1.1 4");
    }

    #[test]
    fn a_message_of_unknown_length_is_refused() {
        assert!(parse(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").is_err());
        assert!(parse(b"HTTP/1.1 200 OK\r\ncontent-length: some\r\n\r\n").is_err());
    }
}
