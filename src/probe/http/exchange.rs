//! One request and its answer over a stream (RFC 9112).

use std::future::{Future as _, poll_fn};
use std::pin::{Pin, pin};
use std::task::Poll;

use http_body_util::Empty;
use hyper::body::Bytes;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::Instant;

use super::failure::{AnswerPart, ExchangeEnd, of_http};
use super::first_bytes::RecordingStream;
use super::judge::judge;
use super::prepared::{BodylessRequest, Prepared};
use super::progress::Progress;

/// Maximum size of the head of an answer in bytes.
const LARGEST_HEAD: usize = 32 * 1024;

/// Sends a request over a stream and judges the answer.
pub(super) async fn exchange(
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    question: BodylessRequest,
    prepared: &Prepared,
    progress: &mut Progress,
    until: Instant,
) -> ExchangeEnd {
    let first = progress.first.clone();
    let io = TokioIo::new(RecordingStream::new(stream, first.clone()));
    let (mut sender, mut connection) = match client().handshake(io).await {
        Ok(parts) => parts,
        Err(error) => return of_http(&error, AnswerPart::Head, &first),
    };
    let mut is_open = true;
    let end = {
        let mut asking = pin!(ask(&mut sender, question, prepared, (progress, until)));
        poll_fn(|context| {
            if is_open {
                // Its error is the answer's, too.
                is_open = Pin::new(&mut connection).poll(context).is_pending();
            }
            asking.as_mut().poll(context)
        })
        .await
    };
    if is_open {
        let mut io = connection.into_parts().io;
        // Closed in order as far as that needs no waiting.
        poll_fn(|context| {
            let _ = hyper::rt::Write::poll_shutdown(Pin::new(&mut io), context);
            Poll::Ready(())
        })
        .await;
    }
    end
}

async fn ask(
    sender: &mut SendRequest<Empty<Bytes>>,
    question: BodylessRequest,
    prepared: &Prepared,
    (progress, until): (&mut Progress, Instant),
) -> ExchangeEnd {
    match sender.send_request(question).await {
        Ok(response) => judge(response, prepared, progress, until).await,
        Err(error) => of_http(&error, AnswerPart::Head, &progress.first),
    }
}

/// Returns a client that accepts the answers that browsers accept.
fn client() -> http1::Builder {
    let mut client = http1::Builder::new();
    client
        .max_buf_size(LARGEST_HEAD)
        .ignore_invalid_headers_in_responses(true)
        .allow_spaces_after_header_name_in_responses(true)
        .allow_obsolete_multiline_headers_in_responses(true);
    client
}
