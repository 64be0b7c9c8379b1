//! Keeps a DNS worker at work: one that panics is replaced by a new one, with a provider built anew.

use std::future::Future;
use std::time::Duration;

use tokio::sync::{mpsc, watch};

use crate::dns::DnsProvider;
use crate::dns::worker::{Desk, Estate, Remember, Worker, now};
use crate::engine::event::{DnsProblem, DnsProblemKind, DnsReport};
use crate::panics::{Rest, caught};

/// How long building a provider may take: it reads files, which may be on a disk that hangs.
pub(super) const BUILD_MAY_TAKE: Duration = Duration::from_secs(15);

/// Has `worker`, or one that `build` makes, work until it is told to stop. After a panic, and while
/// none can be built, it tries again with backoff. The order in hand is still on the desk then, and
/// what was withdrawn is remembered outside of the worker: a new one begins with both.
///
/// Returns `None` if it was told to stop while there was no worker.
pub(super) async fn supervise<P, R, F>(
    mut worker: Option<Worker<P, R>>,
    build: impl Fn() -> F,
    mut desk: watch::Receiver<Desk>,
    reports: mpsc::Sender<DnsReport>,
) -> Option<Estate<P>>
where
    P: DnsProvider,
    R: Remember,
    F: Future<Output = Result<Worker<P, R>, String>>,
{
    let mut rest = Rest::default();
    loop {
        let began = now();
        let what = match worker.take() {
            Some(worker) => match caught("the DNS worker", worker.run()).await {
                Ok(estate) => return Some(estate),
                Err(panicked) => panicked.to_string(),
            },
            None => match caught("the DNS provider", build()).await {
                Ok(Ok(built)) => {
                    worker = Some(built);
                    continue;
                }
                Ok(Err(why)) => why,
                Err(panicked) => panicked.to_string(),
            },
        };
        let wait = rest.after(began.elapsed());
        let kind = DnsProblemKind::Defect;
        let problem = DnsProblem { kind, what, retry_in: Some(wait) };
        if reports.send(DnsReport::Failing(problem)).await.is_err() {
            return None;
        }
        // An error means that the driver is gone, and then there is nothing to do either.
        let stopped = desk.wait_for(|desk| desk.stop);
        if tokio::time::timeout(wait, stopped).await.is_ok() {
            return None;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::net::IpAddr;
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::sync::{Arc, Mutex};

    use super::*;
    use crate::dns::memory::Memory;
    use crate::dns::worker::Known;
    use crate::dns::{Attributes, Changes, Extra, Listing, ProviderError, Record};
    use crate::engine::event::Order;
    use crate::engine::plan::{Family, SetKey, Wish};

    const NAME: &str = "www.example.com";
    const ADDRESS: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));

    fn key() -> SetKey {
        SetKey { name: NAME.into(), family: Family::A }
    }

    /// A zone whose provider panics a few times: at the calls with these numbers.
    struct Shaky {
        calls: Arc<AtomicU32>,
        panics: &'static [u32],
        zone: Arc<Mutex<Listing>>,
    }

    impl Shaky {
        fn call(&self) {
            let call = self.calls.fetch_add(1, Ordering::SeqCst);
            assert!(!self.panics.contains(&call), "call {call} is a defect");
        }
    }

    impl DnsProvider for Shaky {
        fn name(&self) -> &'static str {
            "Shaky"
        }

        async fn list(&self) -> Result<Listing, ProviderError> {
            self.call();
            Ok(self.zone.lock().unwrap().clone())
        }

        async fn apply(&self, _: &Listing, changes: &Changes) -> Result<(), ProviderError> {
            self.call();
            let mut zone = self.zone.lock().unwrap();
            let records = zone.sets.entry(key()).or_default();
            for (_, gone) in &changes.delete {
                records.retain(|record| record.address != gone.address);
            }
            for new in &changes.create {
                let attributes = new.attributes.clone().expect("it is remembered");
                records.push(Record { address: new.address, id: String::new(), attributes });
            }
            Ok(())
        }
    }

    /// The memory as the state store keeps it.
    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Memory>>);

    impl Remember for Kept {
        async fn remember(&mut self, memory: &Memory) {
            self.0.lock().unwrap().clone_from(memory);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_provider_that_panics_is_told_and_what_it_was_to_do_is_done_with_all_that_is_remembered()
     {
        let attributes = Attributes { ttl: 17, extra: Extra::None };
        let record = Record { address: ADDRESS, id: String::new(), attributes };
        let listing = Listing { sets: [(key(), vec![record])].into(), ..Listing::default() };
        let (zone, kept) = (Arc::new(Mutex::new(listing)), Kept::default());
        let calls = Arc::new(AtomicU32::new(0));
        let (desk, orders) = watch::channel(Desk::default());
        let (reports, mut reported) = mpsc::channel(64);
        let build = {
            let (zone, kept, orders) = (Arc::clone(&zone), kept.clone(), orders.clone());
            let reports = reports.clone();
            move || {
                // The first reading, the write, and the reading of the way back.
                let (calls, zone) = (Arc::clone(&calls), Arc::clone(&zone));
                let provider = Shaky { calls, panics: &[0, 2, 5], zone };
                let worker = Worker {
                    provider,
                    names: vec![NAME.into()],
                    desk: orders.clone(),
                    reports: reports.clone(),
                    memory: kept.0.lock().unwrap().clone(),
                    remember: kept.clone(),
                    known: Known::default(),
                };
                async { Ok(worker) }
            }
        };
        let mut driver = tokio::spawn(supervise(None, build, orders, reports));
        let mut defects = 0;
        for (number, wish, left) in [(1, Wish::Withdraw, 0), (2, Wish::Serve, 1)] {
            let wishes = BTreeMap::from([(ADDRESS, wish)]);
            desk.send_modify(|desk| {
                desk.place(Order { number, wishes, read_again: true, ..Order::default() });
            });
            loop {
                match reported.recv().await.expect("the worker goes on") {
                    DnsReport::Settled { number: done, .. } if done == number => break,
                    DnsReport::Failing(problem) => {
                        assert_eq!(problem.kind, DnsProblemKind::Defect);
                        assert!(problem.what.contains("is a defect"), "{}", problem.what);
                        defects += 1;
                    }
                    _ => {}
                }
            }
            assert_eq!(zone.lock().unwrap().sets[&key()].len(), left);
        }
        assert!(defects >= 2, "{defects}");
        let ttl = zone.lock().unwrap().sets[&key()][0].attributes.ttl;
        assert_eq!(ttl, 17, "what was withdrawn comes back as it was");
        desk.send_modify(|desk| desk.stop = true);
        assert!((&mut driver).await.unwrap().is_some());
    }
}
