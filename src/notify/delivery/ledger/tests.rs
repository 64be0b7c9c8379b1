//! Tests of the ledger alone, with the time as a number.

use std::sync::{Arc, Mutex};

use super::*;
use crate::notify::NoticeCounters;
use crate::notify::NoticeKind::{Restored, Withdrawn};
use crate::notify::delivery::{Channel, Posting};
use crate::notify::tests::notice;

/// A receiver that only follows.
#[derive(Default)]
struct Follower(Mutex<Vec<IncidentStatus>>);

impl Channel for Follower {
    fn post<'a>(&'a self, _: &'a Notice) -> Posting<'a> {
        Box::pin(async { Ok(()) })
    }

    fn follow(&self, notice: &Notice) {
        self.0.lock().unwrap().push(notice.status);
    }
}

/// A ledger with a clock.
struct Book {
    ledger: IncidentLedger,
    channel: Follower,
    counters: NoticeCounters,
    own: Arc<crate::notify::counters::ChannelCounters>,
    now: Instant,
}

impl Book {
    #[expect(clippy::disallowed_methods, reason = "any time serves")]
    fn new(memory: IncidentMemory) -> Self {
        let counters = NoticeCounters::default();
        let own = Arc::new(counters.channel(&"pages".into()));
        let ledger = IncidentLedger::new(DeliveryPace::default(), memory);
        Self { ledger, channel: Follower::default(), counters, own, now: Instant::now() }
    }

    fn by_key() -> Self {
        Self::new(IncidentMemory::ByKey)
    }

    /// Calls `act` with the ledger and its surroundings.
    fn with<T>(&mut self, act: impl FnOnce(&mut IncidentLedger, &ChannelContext<'_>) -> T) -> T {
        let Self { ledger, channel, own, now, .. } = self;
        act(ledger, &ChannelContext { channel, counters: own, now: *now })
    }

    fn follow(&mut self, notice: Notice) {
        self.with(|ledger, context| ledger.follow(notice, context));
    }

    /// Waits for the next attempt, and returns it: the status and the last part of the address.
    fn next(&mut self) -> Option<(IncidentStatus, String)> {
        let due = self.ledger.next_at()?;
        self.now = self.now.max(due);
        match self.with(Backlog::take)? {
            DueNotice::Post(notice) => {
                let place = notice.incident.place.rsplit('.').next().unwrap_or_default();
                Some((notice.status, place.to_owned()))
            }
            DueNotice::Repeat => Some((IncidentStatus::Event, "all".to_owned())),
        }
    }

    fn finish(&mut self, result: Result<(), PostError>) {
        self.with(|ledger, context| ledger.finish(result, context));
    }

    /// Makes attempts that are all accepted, until nothing is owed.
    fn accepted(&mut self) -> Vec<(IncidentStatus, String)> {
        let mut accepted = Vec::new();
        while !self.ledger.owed.is_empty() {
            accepted.extend(self.next());
            self.finish(Ok(()));
        }
        accepted
    }

    fn count(&self, outcome: &'static str) -> u64 {
        self.counters.counts()[&("pages".into(), outcome)]
    }
}

fn down() -> Result<(), PostError> {
    Err(PostError::Later { why: "it answered 503".into(), retry_after: None })
}

fn row(status: IncidentStatus, last: u8) -> (IncidentStatus, String) {
    (status, last.to_string())
}

fn standing(last: u8) -> Notice {
    Notice { status: Standing, ..notice(Withdrawn, &[last]) }
}

use IncidentStatus::{Closed, Opened, Standing};

#[test]
fn the_end_of_an_incident_is_retried_for_as_long_as_the_receiver_is_down() {
    let mut book = Book::by_key();
    book.follow(notice(Withdrawn, &[1]));
    assert_eq!(book.accepted(), [row(Opened, 1)]);
    book.follow(notice(Restored, &[1]));
    let began = book.now;
    let mut attempts = 0;
    while book.now < began + Duration::from_hours(3) {
        assert_eq!(book.next(), Some(row(Closed, 1)));
        book.finish(down());
        attempts += 1;
    }
    assert!((100..400).contains(&attempts), "{attempts}");
    assert_eq!(book.counters.failing().values().next().unwrap(), "it answered 503");
    assert_eq!(book.accepted(), [row(Closed, 1)]);
    assert!(book.counters.failing().is_empty());
    assert_eq!((book.count("delivered"), book.count("failed")), (2, 0));
    assert_eq!(book.ledger.next_at(), None);
}

#[test]
fn a_day_is_the_limit_and_what_is_refused_is_given_up_at_once() {
    let mut book = Book::by_key();
    book.follow(notice(Withdrawn, &[1]));
    let began = book.now;
    while book.next().is_some() {
        book.finish(down());
    }
    let took = book.now - began;
    assert!((OUTDATED_AFTER..OUTDATED_AFTER + Duration::from_mins(2)).contains(&took), "{took:?}");
    book.follow(notice(Withdrawn, &[2]));
    assert_eq!(book.next(), Some(row(Opened, 2)));
    book.finish(Err(PostError::Refused("no such key".into())));
    assert_eq!(book.ledger.next_at(), None);
    assert_eq!(book.count("failed"), 2);
}

#[test]
fn only_the_last_word_about_an_incident_is_owed() {
    let mut book = Book::by_key();
    for kind in [Withdrawn, Restored, Withdrawn] {
        book.follow(notice(kind, &[1]));
        book.next();
        book.finish(down());
    }
    assert_eq!(book.accepted(), [row(Opened, 1)]);
    book.follow(notice(Restored, &[1]));
    assert_eq!(book.next(), Some(row(Closed, 1)));
    // It fails again before the answer is here.
    book.follow(notice(Withdrawn, &[1]));
    book.finish(Ok(()));
    assert_eq!(book.accepted(), [row(Opened, 1)]);
}

/// Fifteen hundred services lose an address in one second.
#[test]
fn very_many_incidents_are_all_told_and_all_closed() {
    let mut book = Book::by_key();
    for kind in [Withdrawn, Restored] {
        for nth in 0..1_500 {
            let mut notice = notice(kind, &[1]);
            notice.incident.service = format!("s{nth}");
            book.follow(notice);
        }
        assert_eq!(book.accepted().len(), 1_500, "{kind:?}");
    }
    assert_eq!((book.count("dropped"), book.ledger.open.len()), (0, 0));
}

#[test]
fn one_that_fails_for_its_own_reason_does_not_hold_up_the_others() {
    let mut book = Book::by_key();
    for last in 1..=4 {
        book.follow(notice(Withdrawn, &[last]));
    }
    let mut accepted = Vec::new();
    let began = book.now;
    while accepted.len() < 3 {
        let (_, last) = book.next().unwrap();
        if last == "1" {
            book.finish(down());
        } else {
            book.finish(Ok(()));
            accepted.push(last);
        }
    }
    assert_eq!(accepted, ["2", "3", "4"]);
    assert!(book.now - began < Duration::from_secs(5));
}

#[test]
fn the_pause_that_a_receiver_asks_for_is_kept_for_every_notice() {
    let mut book = Book::by_key();
    book.follow(notice(Withdrawn, &[1]));
    book.next();
    let retry_after = Some(Duration::from_mins(10));
    book.finish(Err(PostError::Later { why: "429".into(), retry_after }));
    let until = book.now + Duration::from_mins(10);
    book.follow(notice(Withdrawn, &[2]));
    assert_eq!(book.ledger.next_at(), Some(until));
    assert_eq!(book.accepted().len(), 2);
}

/// The agent that opened it died before its page left; this one has taken over.
#[test]
fn an_incident_that_stands_is_opened_once_unless_it_is_over_by_then() {
    let mut book = Book::by_key();
    let began = book.now;
    book.follow(standing(1));
    book.follow(standing(2));
    assert_eq!(book.ledger.next_at(), Some(began + STANDS_FOR));
    book.follow(notice(Restored, &[2]));
    assert_eq!(book.accepted(), [row(Closed, 2)]);
    assert_eq!(book.next(), Some(row(Standing, 1)));
    assert_eq!(book.now, began + STANDS_FOR);
    book.finish(Ok(()));
    book.follow(standing(1));
    assert_eq!(book.ledger.next_at(), None, "the receiver has it");
}

#[test]
fn a_real_incident_ends_the_one_of_a_rehearsal() {
    let mut book = Book::by_key();
    book.follow(Notice { dry_run: true, ..notice(Withdrawn, &[1]) });
    assert_eq!(book.accepted(), [row(Opened, 1)]);
    book.follow(notice(Withdrawn, &[1]));
    assert_eq!(book.accepted(), [row(Closed, 1), row(Opened, 1)]);
    let left: Vec<bool> = book.ledger.open.keys().map(|(_, is_dry_run)| *is_dry_run).collect();
    assert_eq!(left, [false]);
}

#[test]
fn what_is_open_at_a_receiver_that_is_removed_is_closed_there() {
    let mut book = Book::by_key();
    book.follow(notice(Withdrawn, &[1]));
    book.accepted();
    book.follow(notice(Withdrawn, &[2]));
    book.with(Backlog::remove);
    let now = book.now;
    book.ledger.close(now);
    assert_eq!(book.accepted(), [row(Closed, 1)]);
    assert_eq!((book.ledger.next_at(), book.count("dropped")), (None, 1));
}

#[test]
fn a_receiver_that_forgets_gets_all_in_one_request_and_each_minute_again() {
    let mut book = Book::new(IncidentMemory::Forgetful);
    for last in 0..200 {
        book.follow(notice(Withdrawn, &[last]));
    }
    assert_eq!(book.channel.0.lock().unwrap().len(), 200);
    assert_eq!(book.next().unwrap().1, "all");
    book.finish(Ok(()));
    assert_eq!(book.count("delivered"), 200);
    let told = book.now;
    assert_eq!(book.next().unwrap().1, "all");
    assert_eq!(book.now, told + Duration::from_mins(1));
    book.finish(down());
    book.follow(notice(Restored, &[1]));
    book.next();
    assert!(book.now < told + Duration::from_secs(62), "an end waits for the backoff alone");
    book.finish(Ok(()));
    assert_eq!((book.count("delivered"), book.ledger.owed.len()), (201, 0));
}

#[test]
fn what_is_left_to_another_agent_is_neither_ended_nor_said_again() {
    let mut book = Book::by_key();
    book.with(|ledger, _| ledger.remind_after(Some(Duration::from_hours(1))));
    book.follow(notice(Withdrawn, &[1]));
    assert_eq!(book.next(), Some(row(IncidentStatus::Opened, 1)));
    book.finish(Ok(()));
    let left = Notice { status: IncidentStatus::Left, ..notice(Withdrawn, &[1]) };
    book.follow(left);
    assert_eq!(book.ledger.next_at(), None, "not even a reminder");
    book.with(Backlog::remove);
    assert_eq!(book.ledger.next_at(), None, "the channel is removed here, and it lasts there");
}
