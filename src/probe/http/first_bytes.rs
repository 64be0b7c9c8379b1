//! A stream that records when the first bytes of the answer arrived, and which they were.
//!
//! It is read only once something was written. Some servers answer before they have read the request;
//! to the client of HTTP such an answer would belong to no request.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, Waker, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

use crate::probe::now;

/// The first bytes of an answer. Shared with the stream that receives them.
#[derive(Debug, Clone, Default)]
pub(super) struct FirstBytes(Arc<OnceLock<(Instant, [u8; 4])>>);

impl FirstBytes {
    /// Returns the time of their arrival.
    pub(super) fn at(&self) -> Option<Instant> {
        self.0.get().map(|(at, _)| *at)
    }

    /// Returns the protocol that they belong to, if it is known and not HTTP/1.
    pub(super) fn other_protocol(&self) -> Option<&'static str> {
        match self.0.get()?.1 {
            // The frame SETTINGS, with which an HTTP/2 server begins. Source: RFC 9113, 3.4 and 6.5.
            [0, 0, _, 4] => Some("HTTP/2"),
            // An alert or a handshake message. Source: RFC 8446, 5.1.
            [0x15 | 0x16, 3, ..] => Some("TLS"),
            [b'S', b'S', b'H', b'-'] => Some("SSH"),
            _ => None,
        }
    }

    fn record(&self, bytes: &[u8]) {
        self.0.get_or_init(|| {
            let mut first = [0; 4];
            for (to, from) in first.iter_mut().zip(bytes) {
                *to = *from;
            }
            (now(), first)
        });
    }
}

/// A stream with a record of its first bytes.
#[derive(Debug)]
pub(super) struct RecordingStream<S> {
    stream: S,
    first: FirstBytes,
    has_written: bool,
    /// The reader that waits for the first write.
    reader: Option<Waker>,
}

impl<S> RecordingStream<S> {
    /// Returns `stream` with this record.
    pub(super) const fn new(stream: S, first: FirstBytes) -> Self {
        Self { stream, first, has_written: false, reader: None }
    }

    fn wrote(&mut self) {
        self.has_written = true;
        if let Some(reader) = self.reader.take() {
            reader.wake();
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for RecordingStream<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if !self.has_written {
            self.reader = Some(context.waker().clone());
            return Poll::Pending;
        }
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(context, buffer))?;
        let received = &buffer.filled()[before..];
        if !received.is_empty() {
            self.first.record(received);
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for RecordingStream<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.stream).poll_write(context, bytes));
        self.wrote();
        Poll::Ready(match written {
            // An answer may have arrived before the end. If not, the reader finds that end, too.
            Err(error) if is_reset(&error) => Ok(bytes.len()),
            written => written,
        })
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

/// Whether the other side ended the connection, and not in order.
pub(super) fn is_reset(error: &io::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset};
    matches!(error.kind(), ConnectionReset | ConnectionAborted | BrokenPipe)
}
