//! Bodies that readers share: a snapshot is rendered once for each kind of body, however many ask.
//!
//! Readers of the listener are strangers. Rendering ten thousand targets takes tens of milliseconds
//! and megabytes, so neither may grow with the number of requests: one rendering at a time for each
//! kind, one body for all readers of the same snapshot, and a bound on the bodies that slow
//! readers keep alive.

use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use axum::body::Bytes;

use super::snapshot::Snapshot;

/// Maximum age of a body with the newest snapshot: it contains the time since the last
/// iteration of the event loop.
const MAX_AGE: Duration = Duration::from_secs(1);

/// Maximum number of replaced bodies of one kind that readers may still be fetching. While there are
/// as many, the newest body is served although a newer snapshot exists.
const MAX_REPLACED: usize = 2;

/// The part of a body's length that its buffer may have to spare: an eighth.
const SPARE: usize = 8;

/// The bodies of one kind.
#[derive(Debug, Default)]
pub(super) struct Rendering(Mutex<Bodies>);

#[derive(Debug, Default)]
struct Bodies {
    newest: Option<Rendered>,
    /// Bodies that were replaced while a reader was still fetching them.
    replaced: Vec<Bytes>,
}

#[derive(Debug)]
struct Rendered {
    snapshot: Weak<Snapshot>,
    at: Instant,
    body: Bytes,
}

impl Rendering {
    /// Returns the body of `snapshot`, made by `make` unless it was made before. `make` gets an empty
    /// buffer, with room for the last body if nobody reads that any more: new memory for megabytes costs
    /// as much as writing them. Blocks while another thread makes a body.
    pub(super) fn body(
        &self,
        snapshot: &Arc<Snapshot>,
        now: Instant,
        make: impl FnOnce(&Arc<Snapshot>, Vec<u8>) -> Vec<u8>,
    ) -> Bytes {
        // A panic in `make` leaves the bodies whole.
        let mut bodies = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        bodies.replaced.retain(|body| !body.is_unique());
        let full = bodies.replaced.len() >= MAX_REPLACED;
        if let Some(newest) = &bodies.newest
            && (newest.is_of(snapshot, now) || full && !newest.body.is_unique())
        {
            return newest.body.clone();
        }
        let mut buffer = Vec::new();
        if let Some(before) = bodies.newest.take() {
            match before.body.try_into_mut() {
                Ok(unread) => buffer = unread.into(),
                Err(read) => bodies.replaced.push(read),
            }
        }
        buffer.clear();
        let mut rendered = make(snapshot, buffer);
        if rendered.capacity() > rendered.len() + rendered.len() / SPARE {
            rendered.shrink_to_fit();
        }
        let body = Bytes::from(rendered);
        let snapshot = Arc::downgrade(snapshot);
        bodies.newest = Some(Rendered { snapshot, at: now, body: body.clone() });
        body
    }
}

impl Rendered {
    fn is_of(&self, snapshot: &Arc<Snapshot>, now: Instant) -> bool {
        std::ptr::eq(self.snapshot.as_ptr(), Arc::as_ptr(snapshot))
            && now.saturating_duration_since(self.at) < MAX_AGE
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;
    use crate::status::input::Setup;
    use crate::status::sample;
    use crate::status::time::ClockReading;

    /// One kind of body, and the number of times that one was made.
    struct CountedRendering {
        rendering: Rendering,
        made: Cell<u8>,
        began: Instant,
    }

    impl CountedRendering {
        #[expect(clippy::disallowed_methods, reason = "a moment to count from")]
        fn new() -> Self {
            let began = Instant::now();
            Self { rendering: Rendering::default(), made: Cell::new(0), began }
        }

        fn snapshot(&self) -> Arc<Snapshot> {
            let agent = sample::status().agent;
            let wall = std::time::SystemTime::UNIX_EPOCH;
            let now = ClockReading { clock: self.began, wall };
            Arc::new(Snapshot::empty(&Setup::single(agent, "cloudflare", vec![], vec![]), now))
        }

        fn ask(&self, snapshot: &Arc<Snapshot>, after_ms: u64) -> Bytes {
            let now = self.began + Duration::from_millis(after_ms);
            self.rendering.body(snapshot, now, |_, mut buffer| {
                assert!(buffer.is_empty());
                self.made.set(self.made.get() + 1);
                buffer.resize(100, self.made.get());
                buffer
            })
        }
    }

    #[test]
    fn a_snapshot_is_rendered_once_for_all_its_readers() {
        let counted = CountedRendering::new();
        let snapshot = counted.snapshot();
        let bodies: Vec<Bytes> = (0..256).map(|_| counted.ask(&snapshot, 10)).collect();
        assert_eq!(counted.made.get(), 1);
        assert!(bodies.iter().all(|body| body.as_ptr() == bodies[0].as_ptr()), "one body");
    }

    #[test]
    fn a_new_snapshot_is_rendered_anew_and_an_old_one_after_a_second() {
        let counted = CountedRendering::new();
        let first = counted.snapshot();
        assert_eq!(counted.ask(&first, 0)[0], 1);
        assert_eq!(counted.ask(&first, 999)[0], 1);
        assert_eq!(
            counted.ask(&first, 1_000)[0],
            2,
            "it contains the time since the last iteration"
        );
        assert_eq!(counted.ask(&counted.snapshot(), 1_001)[0], 3);
    }

    #[test]
    fn a_body_that_nobody_reads_any_more_is_the_buffer_of_the_next_one() {
        let counted = CountedRendering::new();
        let first = counted.ask(&counted.snapshot(), 0);
        let at = first.as_ptr();
        let second = counted.ask(&counted.snapshot(), 0);
        assert_ne!(second.as_ptr(), at, "it is still being read");
        let at = second.as_ptr();
        drop((first, second));
        let third = counted.ask(&counted.snapshot(), 0);
        assert_eq!((third.as_ptr(), third[0], third.len()), (at, 3, 100));
    }

    #[test]
    fn slow_readers_keep_few_bodies_alive_and_delay_nobody_forever() {
        let counted = CountedRendering::new();
        let mut kept: Vec<Bytes> = (0..50).map(|_| counted.ask(&counted.snapshot(), 0)).collect();
        let made = usize::from(counted.made.get());
        assert_eq!(made, MAX_REPLACED + 1, "the newest and those that were replaced");
        let (last, newest) = (kept.pop().unwrap(), counted.ask(&counted.snapshot(), 0));
        assert_eq!(last.as_ptr(), newest.as_ptr(), "a newer snapshot has to wait");
        kept.clear();
        drop((last, newest));
        assert_eq!(usize::from(counted.ask(&counted.snapshot(), 0)[0]), made + 1, "they are done");
    }
}
