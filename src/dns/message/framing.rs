//! Messages over TCP: each follows its length in two bytes. Source: RFC 1035, 4.2.2.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// A message that does not fit into its length of two bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the message has {0} bytes, and at most 65535 can be sent")]
pub(crate) struct TooLong(pub(crate) usize);

/// Returns a message after its length, as it is sent.
///
/// # Errors
///
/// Fails if the message is longer than 65535 bytes.
pub(crate) fn framed(message: &[u8]) -> Result<Vec<u8>, TooLong> {
    let length = u16::try_from(message.len()).map_err(|_| TooLong(message.len()))?;
    Ok([&length.to_be_bytes(), message].concat())
}

/// Sends a message with its length, in one piece: some servers read no other.
///
/// # Errors
///
/// Fails if the message is too long, or as the stream does.
pub(crate) async fn write_message(
    stream: &mut (impl AsyncWrite + Unpin),
    message: &[u8],
) -> io::Result<()> {
    let framed = framed(message).map_err(io::Error::other)?;
    stream.write_all(&framed).await
}

/// Receives the next message.
///
/// # Errors
///
/// Fails as the stream does, with [`io::ErrorKind::UnexpectedEof`] at its end.
pub(crate) async fn read_message(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Vec<u8>> {
    let length = stream.read_u16().await?;
    let mut message = vec![0; length.into()];
    stream.read_exact(&mut message).await?;
    Ok(message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn messages_pass_in_their_order_and_whole() {
        let (mut one, mut other) = tokio::io::duplex(7);
        let messages = [vec![], vec![1], vec![2; 1000], vec![3; u16::MAX.into()]];
        let sent = messages.clone();
        let sending = tokio::spawn(async move {
            for message in &sent {
                write_message(&mut one, message).await.unwrap();
            }
        });
        for message in messages {
            assert_eq!(read_message(&mut other).await.unwrap(), message);
        }
        sending.await.unwrap();
        let end = read_message(&mut other).await.unwrap_err();
        assert_eq!(end.kind(), io::ErrorKind::UnexpectedEof);
    }

    #[tokio::test]
    async fn a_message_that_is_too_long_is_not_sent() {
        let (mut one, mut other) = tokio::io::duplex(100);
        let error = write_message(&mut one, &vec![0; 65_536]).await.unwrap_err();
        assert_eq!(error.to_string(), "the message has 65536 bytes, and at most 65535 can be sent");
        drop(one);
        assert_eq!(other.read(&mut [0]).await.unwrap(), 0);
    }

    #[tokio::test]
    async fn a_message_that_breaks_off_is_an_error() {
        for bytes in [&[][..], &[0], &[0, 3], &[0, 3, 1, 2]] {
            let end = read_message(&mut &bytes[..]).await.unwrap_err();
            assert_eq!(end.kind(), io::ErrorKind::UnexpectedEof, "{bytes:?}");
        }
    }
}
