//! Searches of bodies for an expression.

use std::sync::Arc;

use regex_lite::Regex;
use tokio::sync::{Semaphore, oneshot};

/// Length of a body in bytes from which on it is searched on a thread of its own: other probes do not
/// wait for it.
const LARGE: usize = 4096;

/// Maximum number of threads that search for one check. A search cannot be interrupted, so its thread
/// runs on when the probe has been given up.
const MOST_THREADS: usize = 4;

/// The expression of a check, ready to search bodies for.
#[derive(Debug)]
pub(super) struct BodySearch {
    regex: Arc<Regex>,
    threads: Arc<Semaphore>,
}

impl BodySearch {
    /// Returns the search for an expression.
    pub(super) fn new(regex: Regex) -> Self {
        Self { regex: Arc::new(regex), threads: Arc::new(Semaphore::new(MOST_THREADS)) }
    }

    /// Whether the expression matches somewhere in a body. A large one waits for a thread.
    ///
    /// # Errors
    ///
    /// Fails in words if no thread can be started.
    pub(super) async fn finds(&self, text: &str) -> Result<bool, String> {
        if text.len() < LARGE {
            return Ok(self.regex.is_match(text));
        }
        // Never closed, so always acquired.
        let permit = Arc::clone(&self.threads).acquire_owned().await;
        let (answer, answered) = oneshot::channel();
        let (regex, text) = (Arc::clone(&self.regex), text.to_owned());
        let search = std::thread::Builder::new().name("body".into()).spawn(move || {
            // Given back after everything else, so that the memory of all searches is bounded too.
            let _permit = permit;
            let (regex, text) = (regex, text);
            // The probe may have been given up.
            let _ = answer.send(regex.is_match(&text));
        });
        search.map_err(|error| format!("cannot start a thread to search a body: {error}"))?;
        answered.await.map_err(|_| "the search of a body did not end".to_owned())
    }

    /// Takes all threads, so that no search begins until they are given back.
    #[cfg(test)]
    pub(super) async fn hold(&self) -> tokio::sync::OwnedSemaphorePermit {
        let all = u32::try_from(MOST_THREADS).unwrap();
        Arc::clone(&self.threads).acquire_many_owned(all).await.unwrap()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn searches_that_were_given_up_do_not_pile_up() {
        // Slow: hundreds of states are tried at each character.
        let search = BodySearch::new(Regex::new("[a-y]{300}z").unwrap());
        let text = "a".repeat(4 * LARGE);
        let mut most = 0;
        for _ in 0..4 * MOST_THREADS {
            let _ = tokio::time::timeout(Duration::from_millis(1), search.finds(&text)).await;
            // Each thread has the expression of this search, and no other one has.
            most = most.max(Arc::strong_count(&search.regex) - 1);
        }
        assert!((1..=MOST_THREADS).contains(&most), "{most} threads");
    }

    #[tokio::test]
    async fn a_large_body_is_searched_like_a_small_one() {
        let search = BodySearch::new(Regex::new("pool: [1-9]").unwrap());
        for padding in [0, 2 * LARGE] {
            for (end, want) in [("pool: 3", true), ("pool: 0", false)] {
                let text = format!("{}{end}", " ".repeat(padding));
                assert_eq!(search.finds(&text).await, Ok(want), "{end} after {padding}");
            }
        }
    }
}
