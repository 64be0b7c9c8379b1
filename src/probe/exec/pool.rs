//! The places of commands: of each check, so many run at once.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use super::settings::ExecPool;
use crate::engine::types::Answer;

/// The places of all checks.
#[derive(Debug, Default)]
pub(super) struct Pools(Mutex<HashMap<ExecPool, Arc<PoolPlaces>>>);

/// The places of one check.
#[derive(Debug)]
struct PoolPlaces {
    free: Arc<Semaphore>,
    most: u32,
    /// The number of places of commands that are being started, or were killed and have not ended.
    /// Neither takes long, unless a file system hangs.
    stuck: AtomicU32,
}

/// The place of a command. It is free again when this is dropped.
#[derive(Debug)]
pub(super) struct PoolPlace {
    places: Arc<PoolPlaces>,
    is_stuck: bool,
    _permit: OwnedSemaphorePermit,
}

impl PoolPlace {
    /// Counts the command among those that are being started or killed, or not any more.
    pub(super) fn set_stuck(&mut self, is_stuck: bool) {
        match (std::mem::replace(&mut self.is_stuck, is_stuck), is_stuck) {
            (false, true) => _ = self.places.stuck.fetch_add(1, Ordering::Relaxed),
            (true, false) => _ = self.places.stuck.fetch_sub(1, Ordering::Relaxed),
            _ => {}
        }
    }
}

impl Drop for PoolPlace {
    fn drop(&mut self) {
        self.set_stuck(false);
    }
}

impl Pools {
    /// Waits for a place. The longest wait ends first.
    ///
    /// # Errors
    ///
    /// Returns the answer of the probe if no place is free within `limit`: a fault if all of them are
    /// held by commands that can be neither started nor ended, and otherwise that it was not begun.
    pub(super) async fn place(
        &self,
        pool: &ExecPool,
        limit: Duration,
    ) -> Result<PoolPlace, Answer> {
        let places = self.places_of(pool);
        match timeout(limit, Arc::clone(&places.free).acquire_owned()).await {
            Ok(Ok(permit)) => Ok(PoolPlace { places, is_stuck: false, _permit: permit }),
            Ok(Err(_)) | Err(_) if places.stuck.load(Ordering::Relaxed) < places.most => {
                Err(Answer::Unsent)
            }
            Ok(Err(_)) | Err(_) => Err(Answer::Fault(format!(
                "max_running ({}) commands neither start nor end; does a file system hang?",
                places.most
            ))),
        }
    }

    fn places_of(&self, pool: &ExecPool) -> Arc<PoolPlaces> {
        let mut pools = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(places) = pools.get(pool) {
            return Arc::clone(places);
        }
        // A pool that nobody uses is as good as new.
        pools.retain(|_, places| Arc::strong_count(places) > 1);
        let most = pool.max_running().get();
        let free = usize::try_from(most).unwrap_or(Semaphore::MAX_PERMITS);
        let free = Arc::new(Semaphore::new(free.min(Semaphore::MAX_PERMITS)));
        let places = Arc::new(PoolPlaces { free, most, stuck: AtomicU32::new(0) });
        pools.insert(pool.clone(), Arc::clone(&places));
        places
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use super::*;
    use crate::probe::exec::settings::{ExecSettings, Replaced};

    const SHORT: Duration = Duration::from_millis(20);

    fn pool(program: &str, most: u32) -> ExecPool {
        let (command, most) = (vec![program.to_owned()], NonZeroU32::new(most).unwrap());
        ExecSettings::new(command, Replaced::default(), None, most).pool()
    }

    #[tokio::test]
    async fn each_check_has_its_places() {
        let (pools, one, other) = (Pools::default(), pool("/bin/x", 2), pool("/bin/y", 1));
        let first = pools.place(&one, SHORT).await.unwrap();
        let second = pools.place(&one, SHORT).await.unwrap();
        assert_eq!(pools.place(&one, SHORT).await.unwrap_err(), Answer::Unsent);
        pools.place(&other, SHORT).await.expect("it has places of its own");
        drop(first);
        let third = pools.place(&one, SHORT).await.expect("one is free again");
        drop((second, third));
    }

    #[tokio::test]
    async fn places_of_commands_that_hang_are_a_fault_once_no_other_is_left() {
        let (pools, one) = (Pools::default(), pool("/bin/x", 2));
        let mut first = pools.place(&one, SHORT).await.unwrap();
        let mut second = pools.place(&one, SHORT).await.unwrap();
        first.set_stuck(true);
        first.set_stuck(true);
        assert_eq!(pools.place(&one, SHORT).await.unwrap_err(), Answer::Unsent, "one may end");
        second.set_stuck(true);
        let answer = pools.place(&one, SHORT).await.unwrap_err();
        assert!(
            matches!(&answer, Answer::Fault(why) if why.contains("max_running (2)")),
            "{answer:?}"
        );
        drop((first, second));
        pools.place(&one, SHORT).await.expect("they have ended");
    }
}
