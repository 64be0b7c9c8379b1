//! Supervision of the reconciler: one that panics is replaced, with a provider built anew.

use std::future::Future;

use tokio::sync::{mpsc, watch};

use super::{Handover, Mailbox, Reconciler};
use crate::dns::clock::now;
use crate::engine::event::{DnsProblem, DnsProblemKind, DnsReport};
use crate::panics::{RestartBackoff, caught};

/// Runs `reconciler`, or one that `build` returns, until it is told to stop. After a panic, and while
/// none can be built, it retries with backoff. The new reconciler finds the order in the mailbox, and
/// the withdrawn records in their store.
///
/// Returns `None` if it was told to stop while there was no reconciler.
pub(super) async fn supervise<F>(
    mut reconciler: Option<Reconciler>,
    build: impl Fn() -> F,
    mut mailbox: watch::Receiver<Mailbox>,
    reports: mpsc::Sender<DnsReport>,
) -> Option<Handover>
where
    F: Future<Output = Result<Reconciler, String>>,
{
    let mut backoff = RestartBackoff::default();
    loop {
        let began = now();
        let what = match reconciler.take() {
            Some(reconciler) => match caught("the DNS worker", reconciler.run()).await {
                Ok(handover) => return Some(handover),
                Err(panicked) => panicked.to_string(),
            },
            None => match caught("the DNS provider", build()).await {
                Ok(Ok(new)) => {
                    reconciler = Some(new);
                    continue;
                }
                Ok(Err(why)) => why,
                Err(panicked) => panicked.to_string(),
            },
        };
        let wait = backoff.after(began.elapsed());
        let kind = DnsProblemKind::Defect;
        let problem = DnsProblem { kind, what, retry_in: Some(wait) };
        if reports.send(DnsReport::Failing(problem)).await.is_err() {
            return None;
        }
        // An error means that the event loop is gone, and then nothing is left to do either.
        let stopped = mailbox.wait_for(Mailbox::is_ending);
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

    use super::super::record_memory::RecordMemory;
    use super::super::{ReconcilerSetup, RecordStore, ZoneKnowledge};
    use super::*;
    use crate::dns::confirm::change::EffectSender;
    use crate::dns::{
        Attributes, Call, ChangeRequest, DnsProvider, Extra, Listing, Record, RecordChanges,
    };
    use crate::engine::event::Order;
    use crate::engine::ids::{OrderNumber, ServiceId};
    use crate::engine::plan::{Desired, Family, SetKey};

    const NAME: &str = "www.example.com";
    const ADDRESS: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));

    fn key() -> SetKey {
        SetKey { name: NAME.into(), family: Family::A }
    }

    /// A zone with a provider that panics at the calls with these numbers.
    #[derive(Debug, Clone)]
    struct Shaky {
        calls: Arc<AtomicU32>,
        panics: &'static [u32],
        /// Whether it panics after the work of the call, not before it.
        late: bool,
        zone: Arc<Mutex<Listing>>,
    }

    impl Shaky {
        /// Creates a zone with the address.
        fn new(panics: &'static [u32], late: bool) -> Self {
            let attributes = Attributes { ttl: 17, extra: Extra::None };
            let record = Record { address: ADDRESS, id: String::new(), attributes };
            let listing = Listing { sets: [(key(), vec![record])].into(), ..Listing::default() };
            Self { calls: Arc::default(), panics, late, zone: Arc::new(Mutex::new(listing)) }
        }

        /// Does the work of one call.
        fn call<T>(&self, work: impl FnOnce(&mut Listing) -> T) -> T {
            let call = self.calls.fetch_add(1, Ordering::SeqCst);
            let is_defect = self.panics.contains(&call);
            assert!(self.late || !is_defect, "call {call} is a defect");
            let done = work(&mut self.zone.lock().unwrap());
            assert!(!is_defect, "call {call} is a defect");
            done
        }

        /// Returns the TTLs of the records in the zone.
        fn ttls(&self) -> Vec<u32> {
            let zone = self.zone.lock().unwrap();
            zone.sets[&key()].iter().map(|record| record.attributes.ttl).collect()
        }
    }

    impl DnsProvider for Shaky {
        fn name(&self) -> &'static str {
            "Shaky"
        }

        fn list(&self) -> Call<'_, Listing> {
            Box::pin(async { Ok(self.call(|zone| zone.clone())) })
        }

        fn apply<'a>(&'a self, request: ChangeRequest<'a>) -> Call<'a, ()> {
            Box::pin(async move {
                self.change(request.changes);
                Ok(())
            })
        }

        fn inherit_from(&mut self, _: Box<dyn DnsProvider>) -> bool {
            false
        }
    }

    impl Shaky {
        fn change(&self, changes: &RecordChanges) {
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
        }
    }

    /// A store in memory.
    #[derive(Debug, Default)]
    struct Stored(Mutex<RecordMemory>);

    impl RecordStore for Stored {
        fn load(&self) -> RecordMemory {
            self.0.lock().unwrap().clone()
        }

        fn save<'a>(
            &'a self,
            memory: &'a RecordMemory,
        ) -> std::pin::Pin<Box<dyn Future<Output = ()> + Send + 'a>> {
            Box::pin(async { self.0.lock().unwrap().clone_from(memory) })
        }
    }

    /// A supervised reconciler as the event loop sees it.
    struct Supervised {
        mailbox: watch::Sender<Mailbox>,
        reported: mpsc::Receiver<DnsReport>,
        work: tokio::task::JoinHandle<Option<Handover>>,
        orders: OrderNumber,
    }

    impl Supervised {
        fn start(provider: Shaky) -> Self {
            let store = Arc::new(Stored::default());
            let (mailbox, orders) = watch::channel(Mailbox::default());
            let (reports, reported) = mpsc::channel(64);
            let build = {
                let (orders, reports) = (orders.clone(), reports.clone());
                move || {
                    let reconciler = Reconciler::new(ReconcilerSetup {
                        provider: Box::new(provider.clone()),
                        names: [(ServiceId::DEFAULT, vec![NAME.into()])].into(),
                        mailbox: orders.clone(),
                        reports: reports.clone(),
                        memory: store.load(),
                        store: Some(Arc::clone(&store) as Arc<dyn RecordStore>),
                        knowledge: ZoneKnowledge::default(),
                        shared: false,
                        effects: EffectSender::default(),
                    });
                    async { Ok(reconciler) }
                }
            };
            let work = tokio::spawn(supervise(None, build, orders, reports));
            Self { mailbox, reported, work, orders: OrderNumber::default() }
        }

        /// Places an order. Returns the reports until it is carried out.
        async fn carry_out(&mut self, state: Desired) -> Vec<DnsReport> {
            self.orders = self.orders.next();
            let (number, desired) = (self.orders, BTreeMap::from([(ADDRESS, state)]));
            self.mailbox.send_modify(|mailbox| {
                mailbox.place(Order { number, desired, read_again: true, ..Order::default() });
            });
            let mut reports = Vec::new();
            loop {
                let report = self.reported.recv().await.expect("the reconciler runs");
                let done = match &report {
                    DnsReport::Confirmed { number, .. } => Some(*number),
                    _ => None,
                };
                reports.push(report);
                if done == Some(number) {
                    return reports;
                }
            }
        }
    }

    /// Returns the number of defects among the reports.
    fn defects(reports: &[DnsReport]) -> usize {
        let mut defects = 0;
        for report in reports {
            if let DnsReport::Failing(DnsProblem { kind: DnsProblemKind::Defect, what, .. }) =
                report
            {
                defects += usize::from(what.contains("is a defect"));
            }
        }
        defects
    }

    #[tokio::test(start_paused = true)]
    async fn a_panic_of_the_provider_is_reported_and_its_work_is_done_with_the_saved_records() {
        // The first listing, the write, and a listing of the restore.
        let provider = Shaky::new(&[0, 2, 5], false);
        let mut supervised = Supervised::start(provider.clone());
        let mut reported = defects(&supervised.carry_out(Desired::Withdraw).await);
        assert!(provider.ttls().is_empty());
        reported += defects(&supervised.carry_out(Desired::Serve).await);
        assert!(reported >= 2, "{reported}");
        assert_eq!(provider.ttls(), [17], "the record is restored as it was");
        supervised.mailbox.send_modify(Mailbox::end);
        assert!(supervised.work.await.unwrap().is_some());
    }

    /// The reconciler that made the change did not report it, so the zone is listed.
    #[tokio::test(start_paused = true)]
    async fn a_change_that_was_made_before_a_panic_appears_in_the_next_listing() {
        let provider = Shaky::new(&[1], true);
        let mut supervised = Supervised::start(provider.clone());
        let reports = supervised.carry_out(Desired::Withdraw).await;
        assert_eq!(defects(&reports), 1, "{reports:?}");
        assert!(provider.ttls().is_empty());
        let shown = reports.iter().rev().find_map(|report| match report {
            DnsReport::Listed(observed) => Some(observed),
            _ => None,
        });
        let shown = shown.expect("the zone was listed");
        assert!(shown.sets.get(&key()).is_none_or(|set| !set.contains(&ADDRESS)), "{reports:?}");
        supervised.carry_out(Desired::Serve).await;
        assert_eq!(provider.ttls(), [17], "and it is remembered as it was");
    }
}
