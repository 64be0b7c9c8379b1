//! A change is followed until it is in force everywhere, in the background.

use std::io::Write;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use goavail::testing::dns::{ChangeRequest, DnsProvider};
use tokio::sync::Notify;
use tracing_subscriber::fmt::MakeWriter;

use super::{ALIVE, DEAD, OnMoto, aws_error};
use crate::contract::{NAMES, withdrawal};
use crate::moto::set;
use crate::proxy::Request;

pub(crate) fn asks_about_a_change(request: &Request) -> bool {
    request.method == "GET" && request.target.contains("/change/")
}

/// The log of this thread.
#[derive(Clone, Default)]
struct Log(Arc<(Mutex<String>, Notify)>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.0.lock().unwrap().push_str(&String::from_utf8_lossy(bytes));
        self.0.1.notify_waiters();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Log {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

impl Log {
    /// Waits for a line that contains `text`.
    async fn line(&self, text: &str) -> String {
        loop {
            let news = self.0.1.notified();
            let found =
                self.0.0.lock().unwrap().lines().find(|l| l.contains(text)).map(str::to_owned);
            match found {
                Some(line) => return line,
                None => news.await,
            }
        }
    }
}

#[tokio::test]
async fn a_change_is_followed_until_it_is_in_force_and_the_time_is_logged() {
    let sets = [set(NAMES[0], "A", &[DEAD, ALIVE]).build().unwrap()];
    let Some(zone) = OnMoto::with(sets).await else { return };
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt().with_writer(log.clone()).with_ansi(false).finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    let provider = zone.managing(&NAMES).await.follow_every(Duration::from_millis(20));
    let listing = provider.list().await.unwrap();
    provider.apply(ChangeRequest::new(&listing, &withdrawal(&listing, DEAD))).await.unwrap();
    assert_eq!(zone.proxy.seen(asks_about_a_change), [], "nobody waits for it");

    let line = log.line("in force on all servers").await;
    let seconds = line.split_once("seconds=").map(|(_, rest)| rest.trim().parse::<f64>());
    assert!(line.contains("change=C") && matches!(seconds, Some(Ok(0.0..))), "{line}");
    // moto answers PENDING twice, then INSYNC; after that no further query is needed.
    let polls = zone.proxy.seen(asks_about_a_change);
    assert_eq!(polls.len(), 3, "{polls:?}");
}

#[tokio::test]
async fn a_dropped_provider_follows_no_change() {
    let sets = [set(NAMES[0], "A", &[DEAD, ALIVE]).build().unwrap()];
    let Some(zone) = OnMoto::with(sets).await else { return };
    let provider = zone.managing(&NAMES).await;
    let listing = provider.list().await.unwrap();
    provider.apply(ChangeRequest::new(&listing, &withdrawal(&listing, DEAD))).await.unwrap();
    drop(provider);
    // An hour passes; a follower that was still running would send 60 queries.
    tokio::time::pause();
    tokio::time::advance(Duration::from_hours(1)).await;
    tokio::time::resume();
    zone.managing(&NAMES).await.list().await.unwrap();
    assert_eq!(zone.proxy.seen(asks_about_a_change), []);
}

/// A policy for one zone easily omits changes.
#[tokio::test]
async fn missing_permission_for_queries_is_logged_once_with_the_remedy() {
    let sets = [set(NAMES[0], "A", &[DEAD, ALIVE]).build().unwrap()];
    let Some(zone) = OnMoto::with(sets).await else { return };
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt().with_writer(log.clone()).with_ansi(false).finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    let provider = zone.managing(&NAMES).await.follow_every(Duration::from_millis(20));
    let message = "User: arn:aws:iam::1:user/agent is not authorized to perform: route53:GetChange";
    zone.proxy.spoil_next(asks_about_a_change, aws_error(403, "AccessDenied", message));
    let listing = provider.list().await.unwrap();
    provider.apply(ChangeRequest::new(&listing, &withdrawal(&listing, DEAD))).await.unwrap();
    let line = log.line("route53:GetChange on arn:aws:route53:::change/*").await;
    assert!(line.contains("WARN") && line.contains("not querying it any more"), "{line}");
    // Another change is not queried either.
    let listing = provider.list().await.unwrap();
    provider.apply(ChangeRequest::new(&listing, &withdrawal(&listing, ALIVE))).await.unwrap();
    tokio::time::pause();
    tokio::time::advance(Duration::from_mins(10)).await;
    tokio::time::resume();
    provider.list().await.unwrap();
    assert_eq!(zone.proxy.seen(asks_about_a_change).len(), 1);
    assert!(!log.0.0.lock().unwrap().contains("still not in force"));
}
