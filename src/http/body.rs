//! The whole body of an answer, limited in its length.

use reqwest::Response;

use super::SendError;

/// Maximum length of a body. A page of 5,000 records at Cloudflare is about 3 MiB.
pub(crate) const LONGEST_BODY: usize = 32 * 1024 * 1024;

/// The reason why there is no whole body.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BodyError {
    /// The connection ended before the body did.
    #[error("the answer was lost")]
    Lost(#[from] SendError),
    /// The body is longer than [`LONGEST_BODY`].
    #[error("a body of more than {} MiB", LONGEST_BODY / 1024 / 1024)]
    TooLong,
}

/// Returns the body if it is complete and not longer than [`LONGEST_BODY`].
pub(crate) async fn whole(mut response: Response) -> Result<Vec<u8>, BodyError> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(SendError::from)? {
        if body.len() + chunk.len() > LONGEST_BODY {
            return Err(BodyError::TooLong);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}
