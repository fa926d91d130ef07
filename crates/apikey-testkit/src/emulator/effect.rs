//! The outcome of a call: an answer or the end of the connection, its delay, and the bytes on their way to the
//! socket.

use std::{
    convert::Infallible,
    future::{Future, pending},
    mem,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use hyper::{
    Response, StatusCode,
    body::{Body, Frame, SizeHint},
};
use tokio::{task::yield_now, time::sleep};

use super::{
    answer::{Ending, ScriptedAnswer},
    counters::InFlight,
    faults::{Fault, Gate},
    link::OpenCall,
};

/// Decides the outcome of a call with a fault, and its delay. Calls `normal` only if the fault shows the normal
/// answer.
pub(crate) fn decide(fault: Option<Fault>, normal: impl FnOnce() -> ScriptedAnswer) -> (Delay, Effect) {
    let answer = match fault {
        // The plan has resolved a flap already. Within another fault it is a normal answer.
        None | Some(Fault::Flap) => normal(),
        Some(Fault::Latency(latency)) => return (Delay::Latency(latency), Effect::Answer(normal())),
        Some(Fault::Hold(gate)) => return (Delay::Gate(gate), Effect::Answer(normal())),
        Some(Fault::Hang) => return (Delay::Forever, Effect::End(Ending::Close(Vec::new()))),
        Some(Fault::Reset) => return (Delay::None, Effect::End(Ending::Reset)),
        Some(Fault::Close) => return (Delay::None, Effect::End(Ending::Close(Vec::new()))),
        Some(Fault::RawGarbage) => return (Delay::None, Effect::End(Ending::Close(RAW_GARBAGE.to_vec()))),
        Some(Fault::RawAnswer(bytes)) => return (Delay::None, Effect::End(Ending::Close(bytes))),
        Some(Fault::HugeBody(size)) => return (Delay::None, Effect::Huge(size)),
        Some(Fault::SlowBody(pause)) => return (Delay::None, Effect::Dripped(normal(), pause)),
        Some(Fault::Status { status, body }) => ScriptedAnswer::json_text(status, body),
        Some(Fault::TooManyRequests { rate_limit_reset, retry_after }) => {
            let mut answer =
                ScriptedAnswer::error(429, "TOO_MANY_REQUESTS", "The request limit has been reached");
            for (name, seconds) in [("ratelimit-reset", rate_limit_reset), ("retry-after", retry_after)] {
                answer.headers.extend(seconds.map(|seconds| (name.to_owned(), seconds.to_string())));
            }
            answer
        }
        Some(Fault::Garbage) => ScriptedAnswer::json_text(200, GARBAGE),
        Some(Fault::Empty) => ScriptedAnswer::new(200, ""),
        Some(Fault::Redirect(location)) => ScriptedAnswer::new(302, "").header("location", location),
        Some(Fault::Answer(answer)) => answer,
        Some(Fault::StalledBody(answer)) => return (Delay::None, Effect::Stalled(answer)),
        Some(Fault::After(latency, fault)) => {
            let (delay, effect) = decide(Some(*fault), normal);
            return (Delay::Latency(latency).then(delay), effect);
        }
    };
    (Delay::None, Effect::Answer(answer))
}

const GARBAGE: &str = "<!doctype html><title>One moment</title>\u{0}{\"is_valid\": true";
const RAW_GARBAGE: &[u8] = b"\x16\x03\x01\x00\xc8\x01\x00\x00\xff\xfe220 this is no HTTP\r\n\r\n";

/// How long an effect is delayed.
pub(crate) enum Delay {
    None,
    Latency(Duration),
    Gate(Gate),
    Forever,
    Both(Box<Delay>, Box<Delay>),
}

impl Delay {
    pub(crate) fn then(self, second: Delay) -> Delay {
        Delay::Both(Box::new(self), Box::new(second))
    }

    pub(crate) async fn over(self) {
        match self {
            Delay::None => {}
            Delay::Latency(latency) => sleep(latency).await,
            Delay::Gate(gate) => gate.passed().await,
            Delay::Forever => pending().await,
            Delay::Both(first, second) => {
                Box::pin(first.over()).await;
                Box::pin(second.over()).await;
            }
        }
    }
}

/// What the emulator sends as an answer, or instead of one.
pub(crate) enum Effect {
    /// The answer, at once.
    Answer(ScriptedAnswer),
    /// The answer's headers at once, then its body byte by byte, with this pause between bytes.
    Dripped(ScriptedAnswer, Duration),
    /// The answer's headers and half of its body at once, and never the rest.
    Stalled(ScriptedAnswer),
    /// The start of a JSON body, continued for this many bytes.
    Huge(usize),
    /// No answer: the connection ends.
    End(Ending),
}

impl Effect {
    /// Turns the effect into a response for the HTTP server. `in_flight` ends with the last byte of the answer.
    pub(crate) fn into_response(self, in_flight: Option<InFlight>) -> Result<Response<AnswerBody>, Ending> {
        let (answer, content) = match self {
            Effect::End(ending) => return Err(ending),
            Effect::Answer(mut answer) => {
                let bytes = Bytes::from(mem::take(&mut answer.body));
                (answer, Content::Whole(bytes))
            }
            Effect::Dripped(mut answer, pause) => {
                let bytes = Bytes::from(mem::take(&mut answer.body));
                (answer, Content::Dripped { bytes, pause, timer: None })
            }
            Effect::Stalled(mut answer) => {
                let announced = answer.body.len() as u64;
                answer.body.truncate(answer.body.len() / 2);
                let bytes = Bytes::from(mem::take(&mut answer.body));
                (answer, Content::Stalled { bytes, announced })
            }
            Effect::Huge(remaining) => {
                (ScriptedAnswer::json_text(200, ""), Content::Huge { remaining, next: HUGE_START })
            }
        };
        let in_flight = in_flight.filter(|_| content.is_streamed());
        // The test chose this length, so it must not be compared with the length of the body.
        let length_is_scripted =
            answer.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-length"));
        let body = AnswerBody { content, in_flight, length_is_scripted, open_call: None };

        let mut response = Response::builder().status(answer.status);
        for (name, value) in &answer.headers {
            response = response.header(name, value);
        }
        Ok(response.body(body).unwrap_or_else(|error| {
            let message = format!("the scripted answer can't be sent, {error}: {answer:?}");
            let content = Content::Whole(Bytes::from(message));
            let body = AnswerBody { content, in_flight: None, length_is_scripted: false, open_call: None };
            let mut response = Response::new(body);
            *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
            response
        }))
    }
}

const HUGE_START: &[u8] = br#"{"code":"API_KEY_VERIFIED","is_valid":true,"status":"active","message":""#;
const HUGE_FILLER: &[u8] = &[b'a'; 16 * 1024];

/// The body of an answer.
pub(crate) struct AnswerBody {
    content: Content,
    in_flight: Option<InFlight>,
    length_is_scripted: bool,
    /// Ends when the HTTP server drops the body, after it has taken all of it.
    open_call: Option<OpenCall>,
}

impl AnswerBody {
    /// Keeps the call open until the body is dropped.
    pub(crate) fn belongs_to(&mut self, call: OpenCall) {
        self.open_call = Some(call);
    }
}

type Timer = Pin<Box<dyn Future<Output = ()> + Send>>;

enum Content {
    Whole(Bytes),
    Dripped {
        bytes: Bytes,
        pause: Duration,
        timer: Option<Timer>,
    },
    Huge {
        remaining: usize,
        next: &'static [u8],
    },
    /// These bytes, and never the rest of the announced length.
    Stalled {
        bytes: Bytes,
        announced: u64,
    },
}

impl Content {
    /// Whether the body is sent piece by piece after the headers.
    fn is_streamed(&self) -> bool {
        match self {
            Content::Whole(_) => false,
            Content::Dripped { bytes, .. } => !bytes.is_empty(),
            Content::Huge { remaining, .. } => *remaining > 0,
            Content::Stalled { .. } => true,
        }
    }

    fn poll_piece(&mut self, context: &mut Context<'_>) -> Poll<Option<Bytes>> {
        let piece = match self {
            Content::Whole(bytes) => mem::take(bytes),
            Content::Dripped { bytes, pause, timer } => {
                if let Some(timer) = timer {
                    ready!(timer.as_mut().poll(context));
                }
                // A sleep of 0 takes up to 1 ms. When the HTTP server must wait, it sends what it has.
                *timer = Some(if pause.is_zero() { Box::pin(yield_now()) } else { Box::pin(sleep(*pause)) });
                bytes.split_to(bytes.len().min(1))
            }
            Content::Huge { remaining, next } => {
                let piece = &next[..next.len().min(*remaining)];
                *remaining -= piece.len();
                *next = HUGE_FILLER;
                Bytes::from_static(piece)
            }
            // Nothing wakes the HTTP server for more.
            Content::Stalled { bytes, .. } if bytes.is_empty() => return Poll::Pending,
            Content::Stalled { bytes, .. } => mem::take(bytes),
        };
        Poll::Ready((!piece.is_empty()).then_some(piece))
    }
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.is_end_stream() {
            return Poll::Ready(None);
        }
        let piece = ready!(self.content.poll_piece(context));
        if self.is_end_stream() {
            self.in_flight = None;
        }
        Poll::Ready(piece.map(|piece| Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        match &self.content {
            Content::Whole(bytes) | Content::Dripped { bytes, .. } => bytes.is_empty(),
            Content::Huge { remaining, .. } => *remaining == 0,
            Content::Stalled { .. } => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.content {
            Content::Whole(bytes) | Content::Dripped { bytes, .. } if !self.length_is_scripted => {
                SizeHint::with_exact(bytes.len() as u64)
            }
            Content::Stalled { announced, .. } if *announced > 0 && !self.length_is_scripted => {
                SizeHint::with_exact(*announced)
            }
            // Without a length the body is sent in chunks, so that a client cannot reject it by its announced length.
            _ => SizeHint::default(),
        }
    }
}
