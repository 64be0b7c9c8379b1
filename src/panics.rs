//! Panics: a defect of this program or of a library that it uses.
//!
//! A panic in a part without which the agent is not whole ends the program, so that the supervisor
//! restarts it: nothing dies in silence. One in a request to somebody else, or in the answer to one,
//! is caught, counted and told, since the watching must go on.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::{Mutex, PoisonError};
use std::task::Poll;
use std::time::Duration;

thread_local! {
    /// Whether a panic on this thread is caught.
    static CAUGHT: Cell<bool> = const { Cell::new(false) };
    /// What the hook was told of the panic that is being caught.
    static TOLD: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// The parts that a panic is caught in.
pub const PARTS: [&str; 7] = [
    "a listener",
    "a notice",
    "a request handler",
    "notices",
    "the DNS provider",
    "the DNS worker",
    "the configuration",
];

/// The number of panics that were caught, by the part they happened in.
static COUNTS: Mutex<BTreeMap<&'static str, u64>> = Mutex::new(BTreeMap::new());

/// The first wait before a part that panicked is built anew, doubled with each panic in a row.
const FIRST: Duration = Duration::from_secs(1);

/// The longest such wait, and how long a part must have worked for the next panic to count as the
/// first again.
pub const LONGEST: Duration = Duration::from_mins(1);

/// A panic that was caught.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{part} panicked: {what}")]
pub struct Panicked {
    /// What panicked, in the operator's words.
    pub part: &'static str,
    /// What it said, and where in the source.
    pub what: String,
}

/// Has each panic that is not caught end the program with exit code 1 and its reason.
pub fn end_on_panic() {
    std::panic::set_hook(Box::new(|panic| {
        let told = panic.to_string().replace(['\n', '\r'], " ");
        if CAUGHT.get() {
            TOLD.set(Some(told));
            return;
        }
        tracing::error!("{told}");
        crate::log::last_words(&format!("stopped by a defect: {told}"));
        crate::log::finish();
        std::process::exit(1);
    }));
}

/// Runs `work` to its end, or to its panic.
///
/// # Errors
///
/// If it panics; it is gone then.
pub async fn caught<T>(part: &'static str, work: impl Future<Output = T>) -> Result<T, Panicked> {
    let mut work = pin!(work);
    poll_fn(|context| match caught_in(part, || work.as_mut().poll(context)) {
        Ok(Poll::Pending) => Poll::Pending,
        Ok(Poll::Ready(done)) => Poll::Ready(Ok(done)),
        Err(panicked) => Poll::Ready(Err(panicked)),
    })
    .await
}

/// As [`caught`], for what does not wait.
///
/// # Errors
///
/// If it panics.
pub fn caught_in<T>(part: &'static str, work: impl FnOnce() -> T) -> Result<T, Panicked> {
    let outer = CAUGHT.replace(true);
    let done = catch_unwind(AssertUnwindSafe(work));
    CAUGHT.set(outer);
    done.map_err(|payload| {
        *COUNTS.lock().unwrap_or_else(PoisonError::into_inner).entry(part).or_default() += 1;
        let what = TOLD.take().unwrap_or_else(|| message(payload.as_ref()));
        Panicked { part, what }
    })
}

/// The number of panics that were caught so far, by part.
pub fn counts() -> BTreeMap<&'static str, u64> {
    COUNTS.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

fn message(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| payload.downcast_ref::<&str>().copied()).unwrap_or("no reason given").into()
}

/// How long to wait before a part that panicked is built anew.
#[derive(Debug, Default)]
pub struct Rest {
    panics: u32,
}

impl Rest {
    /// The wait after one more panic; `worked` is how long the part had worked until then.
    pub fn after(&mut self, worked: Duration) -> Duration {
        if worked >= LONGEST {
            self.panics = 0;
        }
        let wait = FIRST.saturating_mul(2_u32.saturating_pow(self.panics)).min(LONGEST);
        self.panics = self.panics.saturating_add(1);
        wait
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
        let told = panicked.unwrap_err().to_string();
        assert!(told.starts_with("a test panicked: ") && told.contains("no key 7"), "{told}");
        assert_eq!(counts()["a test"], before + 1);
        assert_eq!(caught("a test", async { 3 }).await.unwrap(), 3);
    }

    #[test]
    fn waits_double_up_to_a_minute_and_begin_again_after_a_minute_of_work() {
        let mut rest = Rest::default();
        for seconds in [1, 2, 4, 8, 16, 32, 60, 60] {
            assert_eq!(rest.after(Duration::ZERO).as_secs(), seconds);
        }
        assert_eq!(rest.after(LONGEST).as_secs(), 1);
    }
}
