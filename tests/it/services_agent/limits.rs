//! Two zones of one account: a limit of the provider concerns both.

use std::time::Duration;

use super::account::Account;
use super::{Machines, ServiceSpec, confirmed, settle};
use crate::agent::PATIENT;
use crate::fake_cloudflare::{Entry, Fault};

/// The pause that the provider asks for.
const PAUSE: Duration = Duration::from_secs(2);

/// The clocks of the agent and of the test are read at different moments.
const MARGIN: Duration = Duration::from_millis(100);

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_pause_that_is_asked_for_in_one_zone_is_obeyed_in_the_other_and_both_heal() {
    let mut machines = Machines::new(4);
    let mail = ServiceSpec { zone: 1, ..ServiceSpec::new("mail", [2, 3]) };
    let services = [ServiceSpec::new("www", [0, 1]), mail];
    let account = Account::cloudflare(&machines, &services);
    let mut agent = confirmed(&account, &machines.together("", &services, &account), 4);
    let cloudflare = account.fake();
    let [first, second] = [0, 1].map(|nth| cloudflare.zones(|zones| zones[nth].id.clone()));
    let in_first = move |entry: &Entry| entry.writes() && entry.path.contains(&first);
    let _met = cloudflare.script(1, in_first, Fault::Throttled(PAUSE.as_secs().to_string()));
    machines.kill(0);
    let refused = cloudflare.wait(|log| log.iter().any(is_refused));
    tokio::time::timeout(PATIENT, refused).await.unwrap();
    machines.kill(2);
    settle(&mut agent, &account, &machines, &services).await;

    let log = cloudflare.log();
    let asked = log.iter().find(|entry| is_refused(entry)).unwrap().answered.unwrap().0;
    let later = log.iter().filter(|entry| entry.arrived > asked + MARGIN);
    let in_pause = later.clone().filter(|entry| entry.arrived + MARGIN < asked + PAUSE);
    assert_eq!(in_pause.count(), 0, "{log:#?}");
    let writes = later.filter(|entry| entry.writes() && entry.path.contains(&second));
    assert_eq!(writes.count(), 1, "the other zone heals with one write: {log:#?}");
}

/// Whether the provider asked for a pause in the answer.
fn is_refused(entry: &Entry) -> bool {
    entry.answered.is_some_and(|(_, status)| status == 429)
}
