//! Handling of panics, which are defects of this program or of a library.
//!
//! A panic in a part that the agent cannot do without ends the program, so that the supervisor
//! restarts it: nothing dies silently. A panic in a request to another service, or in an answer to
//! one, is caught, counted and logged, because monitoring must continue.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::{Mutex, PoisonError};
use std::task::Poll;
use std::time::Duration;

use crate::backoff::Backoff;

thread_local! {
    /// Whether a panic on this thread is caught.
    static CAUGHT: Cell<bool> = const { Cell::new(false) };
    /// The message passed to the hook for the panic being caught.
    static MESSAGE: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// The parts in which panics are caught.
pub const PARTS: [&str; 7] = [
    "a listener",
    "a notice",
    "a request handler",
    "notices",
    "the DNS provider",
    "the DNS worker",
    "the configuration",
];

/// The number of caught panics, by part.
static COUNTS: Mutex<BTreeMap<&'static str, u64>> = Mutex::new(BTreeMap::new());

/// Wait before a part that panicked is rebuilt for the first time. It doubles with each consecutive
/// panic.
const FIRST_WAIT: Duration = Duration::from_secs(1);

/// Maximum wait. A panic after a part has worked for this long counts as the first again.
pub(crate) const LONGEST_WAIT: Duration = Duration::from_mins(1);

/// A caught panic.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{part} panicked: {what}")]
pub(crate) struct Panicked {
    /// The part that panicked, in the operator's words.
    pub part: &'static str,
    /// The message, with its place in the source.
    pub what: String,
}

/// Installs a hook that ends the program with exit code 1 and the reason at every panic that is not
/// caught.
pub(crate) fn end_on_panic() {
    std::panic::set_hook(Box::new(|panic| {
        let message = crate::text::without_line_breaks(&panic.to_string());
        if CAUGHT.get() {
            MESSAGE.set(Some(message));
            return;
        }
        tracing::error!("{message}");
        crate::log::write_final_message(&format!("stopped by a defect: {message}"));
        crate::log::finish();
        std::process::exit(1);
    }));
}

/// Runs `work` to its end or to its panic.
///
/// # Errors
///
/// Fails if `work` panics; it is dropped then.
pub(crate) async fn caught<T>(
    part: &'static str,
    work: impl Future<Output = T>,
) -> Result<T, Panicked> {
    let mut work = pin!(work);
    poll_fn(|context| match caught_in(part, || work.as_mut().poll(context)) {
        Ok(Poll::Pending) => Poll::Pending,
        Ok(Poll::Ready(done)) => Poll::Ready(Ok(done)),
        Err(panicked) => Poll::Ready(Err(panicked)),
    })
    .await
}

/// Like [`caught`], for work that is not asynchronous.
///
/// # Errors
///
/// Fails if `work` panics.
pub(crate) fn caught_in<T>(part: &'static str, work: impl FnOnce() -> T) -> Result<T, Panicked> {
    let outer = CAUGHT.replace(true);
    let done = catch_unwind(AssertUnwindSafe(work));
    CAUGHT.set(outer);
    done.map_err(|payload| {
        *COUNTS.lock().unwrap_or_else(PoisonError::into_inner).entry(part).or_default() += 1;
        let what = MESSAGE.take().unwrap_or_else(|| message(payload.as_ref()));
        Panicked { part, what }
    })
}

/// Returns the number of panics caught so far, by part.
pub fn counts() -> BTreeMap<&'static str, u64> {
    COUNTS.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

fn message(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| payload.downcast_ref::<&str>().copied()).unwrap_or("no reason given").into()
}

/// Backoff before a part that panicked is rebuilt.
#[derive(Debug)]
pub(crate) struct RestartBackoff(Backoff);

impl Default for RestartBackoff {
    fn default() -> Self {
        Self(Backoff::new(FIRST_WAIT, LONGEST_WAIT))
    }
}

impl RestartBackoff {
    /// Returns the wait after a further panic. `worked` is the time for which the part had worked
    /// before it.
    pub(crate) fn after(&mut self, worked: Duration) -> Duration {
        if worked >= LONGEST_WAIT {
            self.0.reset();
        }
        self.0.next_wait()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_is_caught_counted_and_told_with_what_panicked() {
        let before = counts().get("a test").copied().unwrap_or_default();
        let panicked = caught("a test", async {
            tokio::task::yield_now().await;
            panic!("no key {}", 7);
        });
        let panicked: Result<(), _> = panicked.await;
        let message = panicked.unwrap_err().to_string();
        assert!(
            message.starts_with("a test panicked: ") && message.contains("no key 7"),
            "{message}"
        );
        assert_eq!(counts()["a test"], before + 1);
        assert_eq!(caught("a test", async { 3 }).await.unwrap(), 3);
    }

    #[test]
    fn waits_double_up_to_a_minute_and_begin_again_after_a_minute_of_work() {
        let mut rest = RestartBackoff::default();
        for seconds in [1, 2, 4, 8, 16, 32, 60, 60] {
            assert_eq!(rest.after(Duration::ZERO).as_secs(), seconds);
        }
        assert_eq!(rest.after(LONGEST_WAIT).as_secs(), 1);
    }
}
