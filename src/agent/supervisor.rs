//! Keeps a DNS worker at work: one that panics is replaced by a new one, with a provider built anew.

use std::future::Future;
use std::time::Duration;

use tokio::sync::{mpsc, watch};

use crate::dns::DnsProvider;
use crate::dns::worker::{Desk, Estate, Remember, Worker, now};
use crate::engine::event::{DnsProblem, DnsProblemKind, DnsReport};
use crate::panics::{RestartBackoff, caught};

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
    let mut rest = RestartBackoff::default();
    loop {
        let began = now();
        let what = match worker.take() {
            Some(worker) => match caught("the DNS worker", worker.run()).await {
                Ok(estate) => return Some(estate),
                Err(panicked) => panicked.to_string(),
            },
            None => match caught("the DNS provider", build()).await {
                Ok(Ok(another)) => {
                    worker = Some(another);
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
    use crate::dns::{Attributes, Changes, Extra, Listing, Permit, ProviderError, Record};
    use crate::engine::event::Order;
    use crate::engine::plan::{Family, SetKey, Wish};

    const NAME: &str = "www.example.com";
    const ADDRESS: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));

    fn key() -> SetKey {
        SetKey { name: NAME.into(), family: Family::A }
    }

    /// A zone whose provider panics at the calls with these numbers.
    #[derive(Clone)]
    struct Shaky {
        calls: Arc<AtomicU32>,
        panics: &'static [u32],
        /// Only once the call has done all that it was to do.
        late: bool,
        zone: Arc<Mutex<Listing>>,
    }

    impl Shaky {
        /// A zone that holds the address.
        fn new(panics: &'static [u32], late: bool) -> Self {
            let attributes = Attributes { ttl: 17, extra: Extra::None };
            let record = Record { address: ADDRESS, id: String::new(), attributes };
            let listing = Listing { sets: [(key(), vec![record])].into(), ..Listing::default() };
            Self { calls: Arc::default(), panics, late, zone: Arc::new(Mutex::new(listing)) }
        }

        /// Does one call's work.
        fn call<T>(&self, work: impl FnOnce(&mut Listing) -> T) -> T {
            let call = self.calls.fetch_add(1, Ordering::SeqCst);
            let is_defect = self.panics.contains(&call);
            assert!(self.late || !is_defect, "call {call} is a defect");
            let done = work(&mut self.zone.lock().unwrap());
            assert!(!is_defect, "call {call} is a defect");
            done
        }

        /// The TTLs of what the zone holds.
        fn ttls(&self) -> Vec<u32> {
            let zone = self.zone.lock().unwrap();
            zone.sets[&key()].iter().map(|record| record.attributes.ttl).collect()
        }
    }

    impl DnsProvider for Shaky {
        fn name(&self) -> &'static str {
            "Shaky"
        }

        async fn list(&self) -> Result<Listing, ProviderError> {
            Ok(self.call(|zone| zone.clone()))
        }

        async fn apply_while(
            &self,
            _: &Listing,
            changes: &Changes,
            _: Permit<'_>,
        ) -> Result<(), ProviderError> {
            self.call(|zone| {
                let records = zone.sets.entry(key()).or_default();
                for (_, gone) in &changes.delete {
                    records.retain(|record| record.address != gone.address);
                }
                for new in &changes.create {
                    let attributes = new.attributes.clone().expect("it is remembered");
                    records.push(Record { address: new.address, id: String::new(), attributes });
                }
            });
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

    /// The supervised worker as the driver has it.
    struct Supervised {
        desk: watch::Sender<Desk>,
        reported: mpsc::Receiver<DnsReport>,
        work: tokio::task::JoinHandle<Option<Estate<Shaky>>>,
        orders: u64,
    }

    impl Supervised {
        fn start(provider: Shaky) -> Self {
            let kept = Kept::default();
            let (desk, orders) = watch::channel(Desk::default());
            let (reports, reported) = mpsc::channel(64);
            let build = {
                let (orders, reports) = (orders.clone(), reports.clone());
                move || {
                    let worker = Worker {
                        provider: provider.clone(),
                        names: vec![NAME.into()],
                        desk: orders.clone(),
                        reports: reports.clone(),
                        memory: kept.0.lock().unwrap().clone(),
                        remember: kept.clone(),
                        known: Known::default(),
                        shared: false,
                    };
                    async { Ok(worker) }
                }
            };
            let work = tokio::spawn(supervise(None, build, orders, reports));
            Self { desk, reported, work, orders: 0 }
        }

        /// Has it carry out an order; all that it says until it is done.
        async fn carry_out(&mut self, wish: Wish) -> Vec<DnsReport> {
            self.orders += 1;
            let (number, wishes) = (self.orders, BTreeMap::from([(ADDRESS, wish)]));
            self.desk.send_modify(|desk| {
                desk.place(Order { number, wishes, read_again: true, ..Order::default() });
            });
            let mut said = Vec::new();
            let is_done = |report: &DnsReport| matches!(report, DnsReport::Settled { number: n, .. } if *n == number);
            while !said.last().is_some_and(is_done) {
                said.push(self.reported.recv().await.expect("the worker goes on"));
            }
            said
        }
    }

    /// The number of defects among the reports.
    fn defects(said: &[DnsReport]) -> usize {
        let problems = said.iter().filter_map(|report| match report {
            DnsReport::Failing(problem) => Some(problem),
            _ => None,
        });
        let is_defect = |problem: &&DnsProblem| problem.kind == DnsProblemKind::Defect;
        problems.filter(is_defect).filter(|problem| problem.what.contains("is a defect")).count()
    }

    #[tokio::test(start_paused = true)]
    async fn a_provider_that_panics_is_told_and_what_it_was_to_do_is_done_with_all_that_is_remembered()
     {
        // The first reading, the write, and a reading of the way back.
        let provider = Shaky::new(&[0, 2, 5], false);
        let mut supervised = Supervised::start(provider.clone());
        let mut told = defects(&supervised.carry_out(Wish::Withdraw).await);
        assert!(provider.ttls().is_empty());
        told += defects(&supervised.carry_out(Wish::Serve).await);
        assert!(told >= 2, "{told}");
        assert_eq!(provider.ttls(), [17], "what was withdrawn comes back as it was");
        supervised.desk.send_modify(Desk::end);
        assert!(supervised.work.await.unwrap().is_some());
    }

    /// Nobody hears of the change from the worker that made it, so the zone is read for it.
    #[tokio::test(start_paused = true)]
    async fn a_change_that_was_made_before_the_panic_shows_in_the_next_reading() {
        let provider = Shaky::new(&[1], true);
        let mut supervised = Supervised::start(provider.clone());
        let said = supervised.carry_out(Wish::Withdraw).await;
        assert_eq!(defects(&said), 1, "{said:?}");
        assert!(provider.ttls().is_empty());
        let shown = said.iter().rev().find_map(|report| match report {
            DnsReport::Listed(observed) => Some(observed),
            _ => None,
        });
        let shown = shown.expect("the zone was read");
        assert!(shown.sets.get(&key()).is_none_or(|set| !set.contains(&ADDRESS)), "{said:?}");
        supervised.carry_out(Wish::Serve).await;
        assert_eq!(provider.ttls(), [17], "and it is remembered as it was");
    }
}
