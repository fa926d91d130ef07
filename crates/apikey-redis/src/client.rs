//! All that this crate uses of redis-rs: commands, replies, and the multiplexing of calls on one connection.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Pipeline, RedisConnectionInfo, RedisError, Value};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::AbortHandle;
use tokio::time::Instant;

use crate::fault::{Fault, printable};

/// A connection on which calls wait for this long without a single reply is of no more use.
const LONGEST_SILENCE: Duration = Duration::from_secs(1);

/// A stream of bytes to a server.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

/// A command with its arguments.
#[derive(Clone)]
pub(crate) struct Command(redis::Cmd);

impl Command {
    pub(crate) fn new(name: &str) -> Self {
        Self(redis::cmd(name))
    }

    pub(crate) fn arg(mut self, argument: impl AsRef<[u8]>) -> Self {
        self.0.arg(argument.as_ref());
        self
    }

    /// The bytes that go over the wire.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        self.0.get_packed_command()
    }
}

/// A script, which a server knows by its hash when it has seen it once.
pub(crate) struct Script {
    code: &'static str,
    hash: String,
}

impl Script {
    pub(crate) fn new(code: &'static str) -> Self {
        Self { code, hash: redis::Script::new(code).get_hash().to_owned() }
    }

    /// The command that runs it. The whole code is sent if the server does not know it.
    pub(crate) fn call(&self, is_known: bool, keys: &[&[u8]], arguments: &[&[u8]]) -> Command {
        let command = if is_known {
            Command::new("EVALSHA").arg(&self.hash)
        } else {
            Command::new("EVAL").arg(self.code)
        };
        let command = command.arg(keys.len().to_string());
        keys.iter().chain(arguments).fold(command, Command::arg)
    }
}

/// What a server answers to a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Reply {
    Nothing,
    Number(i64),
    Bytes(Vec<u8>),
    List(Vec<Reply>),
    Refused(Fault),
}

impl Reply {
    fn of(value: Value) -> Self {
        match value {
            Value::Nil => Self::Nothing,
            Value::Int(number) => Self::Number(number),
            Value::BulkString(bytes) => Self::Bytes(bytes),
            Value::SimpleString(text) => Self::Bytes(text.into_bytes()),
            Value::Okay => Self::Bytes(b"OK".to_vec()),
            Value::Array(values) => Self::List(values.into_iter().map(Self::of).collect()),
            Value::ServerError(error) => {
                Self::Refused(Fault::of_server(error.code(), error.details().unwrap_or_default()))
            }
            // With RESP2 there are no others.
            _ => Self::Refused(Fault::unexpected("a type of RESP3")),
        }
    }

    /// The reply, unless the server refused.
    pub(crate) fn accepted(self) -> Result<Self, Fault> {
        match self {
            Self::Refused(fault) => Err(fault),
            reply => Ok(reply),
        }
    }

    pub(crate) fn into_bytes(self) -> Option<Vec<u8>> {
        if let Self::Bytes(bytes) = self { Some(bytes) } else { None }
    }

    pub(crate) fn into_list(self) -> Option<Vec<Self>> {
        if let Self::List(list) = self { Some(list) } else { None }
    }

    /// A list of exactly so many.
    pub(crate) fn into_array<const N: usize>(self) -> Option<[Self; N]> {
        self.into_list()?.try_into().ok()
    }

    pub(crate) fn into_text(self) -> Option<String> {
        String::from_utf8(self.into_bytes()?).ok()
    }

    /// A number, also if it comes as text.
    pub(crate) fn into_number(self) -> Option<u64> {
        match self {
            Self::Number(number) => number.try_into().ok(),
            reply => reply.into_text()?.parse().ok(),
        }
    }
}

/// A connection for any number of calls at the same time. It ends when its last clone is dropped.
#[derive(Clone)]
pub(crate) struct Connection(Arc<Shared>);

struct Shared {
    number: u64,
    multiplexed: MultiplexedConnection,
    driver: AbortHandle,
    /// When the first and when the latest of the calls was sent that have had no reply. Nobody sees the reply to a call
    /// whose caller went away, so after a pause this begins anew.
    unanswered: Mutex<Option<(Instant, Instant)>>,
}

impl Connection {
    /// Needs a Tokio runtime. The connection is dead when that runtime ends.
    pub(crate) async fn over(stream: impl Stream + 'static) -> Result<Self, Fault> {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        // Logging in is not its task, because it hides why a server refuses. Time limits are not, either, because it knows
        // none for a caller that went away.
        let info = RedisConnectionInfo::default().set_skip_set_lib_name();
        let config = AsyncConnectionConfig::new().set_response_timeout(None).set_connection_timeout(None);
        let connected = MultiplexedConnection::new_with_config(&info, stream, config).await;
        let (multiplexed, driver) = connected.map_err(|error| fault(&error))?;
        let driver = tokio::spawn(driver).abort_handle();
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        Ok(Self(Arc::new(Shared { number, multiplexed, driver, unanswered: Mutex::new(None) })))
    }

    /// No two connections of this process have the same.
    pub(crate) fn number(&self) -> u64 {
        self.0.number
    }

    /// Whether calls have waited for too long.
    pub(crate) fn is_silent(&self) -> bool {
        let unanswered = *self.0.unanswered.lock();
        unanswered.is_some_and(|(first, latest)| {
            first.elapsed() > LONGEST_SILENCE && latest.elapsed() <= LONGEST_SILENCE
        })
    }

    /// Sends commands at once and waits for all replies. If this is dropped before, the replies are thrown away when they
    /// come.
    pub(crate) async fn send(&self, commands: Vec<Command>) -> Result<Vec<Reply>, Fault> {
        let count = commands.len();
        let mut pipeline = Pipeline::with_capacity(count);
        for Command(command) in commands {
            pipeline.add_command(command);
        }
        self.0.note_call();
        let sent = self.0.multiplexed.clone().send_packed_commands(&pipeline, 0, count).await;
        *self.0.unanswered.lock() = None;
        let replies: Vec<Reply> = sent.map_err(|error| fault(&error))?.into_iter().map(Reply::of).collect();
        if replies.len() == count { Ok(replies) } else { Err(Fault::unexpected("too few replies")) }
    }
}

impl Shared {
    fn note_call(&self) {
        let now = Instant::now();
        let mut unanswered = self.unanswered.lock();
        let earlier = unanswered.filter(|(_, latest)| now - *latest <= LONGEST_SILENCE);
        *unanswered = Some((earlier.map_or(now, |(first, _)| first), now));
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        // It would wait for the replies that are still to come.
        self.driver.abort();
    }
}

fn fault(error: &RedisError) -> Fault {
    match error.code() {
        Some(code) => Fault::of_server(code, error.detail().unwrap_or_default()),
        None => Fault::Lost(format!("the connection broke: {}", printable(&error.to_string()))),
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt as _;
    use tokio::time::{advance, sleep, timeout};

    use super::*;

    async fn ask(connection: &Connection) -> Option<Vec<Reply>> {
        let asked = connection.send(vec![Command::new("PING")]);
        timeout(Duration::from_millis(50), asked).await.ok()?.ok()
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_is_silent_if_nobody_gets_a_reply() {
        let (stream, mut server) = tokio::io::duplex(1024);
        let connection = Connection::over(stream).await.unwrap();
        for _ in 0..4 {
            assert!(!connection.is_silent());
            assert_eq!(ask(&connection).await, None);
            advance(Duration::from_millis(250)).await;
        }
        assert!(connection.is_silent());
        let answer = async {
            sleep(Duration::from_millis(10)).await;
            server.write_all(&b"+PONG\r\n".repeat(5)).await.unwrap();
        };
        let (replies, ()) = tokio::join!(ask(&connection), answer);
        assert_eq!(replies, Some(vec![Reply::Bytes(b"PONG".to_vec())]));
        assert!(!connection.is_silent());
    }

    /// Nobody sees the reply to a call that was given up.
    #[tokio::test(start_paused = true)]
    async fn a_connection_that_nobody_uses_is_not_silent() {
        let (stream, _server) = tokio::io::duplex(1024);
        let connection = Connection::over(stream).await.unwrap();
        for _ in 0..3 {
            assert_eq!(ask(&connection).await, None);
            advance(Duration::from_secs(5)).await;
            assert!(!connection.is_silent());
        }
    }
}
