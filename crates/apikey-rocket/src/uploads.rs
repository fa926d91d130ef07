//! Reads what a refused request still sends, so that its client gets the answer.

use std::io::{self, SeekFrom};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use rocket::data::{ByteUnit, Data};
use rocket::http::Status;
use rocket::outcome::Outcome;
use rocket::response::Body;
use rocket::tokio::io::{AsyncRead, AsyncReadExt as _, AsyncSeek, ReadBuf};
use rocket::tokio::select;
use rocket::tokio::sync::mpsc;
use rocket::{Request, route};

use crate::catchers::catcher_for;
use crate::memo;

/// Refuses a request, and reads its body if that helps its client.
///
/// Rocket gives a catcher no body, and drops the one that it has. So here the catcher that Rocket would ask is asked
/// before that, and its response holds the body.
pub(crate) async fn refuse<'r>(
    request: &'r Request<'_>,
    data: Data<'r>,
    status: Status,
) -> route::Outcome<'r> {
    // Rocket names no version of HTTP. A request over HTTP/2 has no `Host`, and needs no reading.
    let upload = memo::refused_upload(request).filter(|_| request.headers().contains("host"));
    let (Some(upload), Some(catcher)) = (upload, catcher_for(status, request)) else {
        return Outcome::Error(status);
    };
    let Ok(mut response) = catcher.handler.handle(status, request).await else {
        return Outcome::Error(Status::InternalServerError); // which Rocket makes of it, too
    };
    // Without a length, the answer would end only when the reading does.
    if let Some(size) = response.body_mut().size().await {
        let (lengths, mut received) = mpsc::channel(1);
        upload.read(move |context| received.poll_recv(context));
        let answer = response.body_mut().take();
        let reading = Some(Box::pin(read(data, lengths)) as Reading<'r>);
        response.set_sized_body(size, AnswerThenRead { answer, reading });
    }
    Outcome::Success(response)
}

/// Reads the body until its end, or until nobody wants to know the lengths of its pieces.
async fn read(data: Data<'_>, lengths: mpsc::Sender<usize>) {
    let mut body = data.open(ByteUnit::max_value());
    let mut piece = [0; 8192];
    let all = async {
        while let Ok(length @ 1..) = body.read(&mut piece).await {
            if lengths.send(length).await.is_err() {
                break;
            }
        }
    };
    select! {
        () = all => {}
        () = lengths.closed() => {}
    }
}

type Reading<'r> = Pin<Box<dyn Future<Output = ()> + Send + 'r>>;

/// The body of an answer that ends only when the request's body has been read. Its length is known, so the client has the
/// whole answer before that.
struct AnswerThenRead<'r> {
    answer: Body<'r>,
    reading: Option<Reading<'r>>,
}

impl AsyncRead for AnswerThenRead<'_> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.answer).poll_read(context, buffer))?;
        if buffer.filled().len() == before
            && let Some(reading) = &mut self.reading
        {
            ready!(reading.as_mut().poll(context));
            self.reading = None;
        }
        Poll::Ready(Ok(()))
    }
}

/// Rocket seeks only in a body whose length it does not know.
impl AsyncSeek for AnswerThenRead<'_> {
    fn start_seek(self: Pin<&mut Self>, _: SeekFrom) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn poll_complete(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<u64>> {
        Poll::Ready(Err(io::ErrorKind::Unsupported.into()))
    }
}
