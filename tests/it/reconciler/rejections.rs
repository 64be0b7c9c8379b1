//! A problem of one record set does not affect the others.

use goavail::engine::event::DnsReport;
use goavail::testing::dns::Cloudflare;
use tokio::time::sleep;

use super::{API, Harness, Outcome, Remote, Request, WWW, ip, s};
use crate::contract::set_of;
use crate::fake_cloudflare::{FakeCloudflare, Setup};

/// Returns all attempted writes.
fn writes(remote: &Remote) -> Vec<String> {
    let write = |request| match request {
        Request::Write(words) => Some(words.join(" ")),
        Request::Read => None,
    };
    remote.requests().into_iter().filter_map(write).collect()
}

#[tokio::test(start_paused = true)]
async fn a_name_that_is_rejected_does_not_keep_a_dead_address_at_the_others() {
    for names_culprits in [false, true] {
        let remote = Remote::new(&[WWW, API, "example.com"], &[10, 11]);
        remote.zone.bar(set_of(API, ip(10)), None);
        if names_culprits {
            remote.zone.name_culprits();
        }
        let mut harness = Harness::at(remote.clone(), &[WWW, API, "example.com"]);
        harness.order("-10", 1);
        while remote.holds().await.len() > 4 {
            harness.report().await;
        }
        assert_eq!(remote.holds().await, ["10@api", "11@api", "11@example", "11@www"]);
        sleep(s(20)).await;
        let reports = harness.reported();
        assert!(reports.contains(&"set fails: api".to_owned()), "{reports:?}");
        assert!(reports.contains(&"still working on 192.0.2.10".to_owned()), "{reports:?}");
        assert!(!reports.iter().any(|word| word.starts_with("failing")), "{reports:?}");
        remote.zone.unbar();
        harness.reports_until_confirmed().await;
        assert_eq!(remote.holds().await, ["11@api", "11@example", "11@www"]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_change_that_stays_rejected_costs_the_others_no_request() {
    let remote = Remote::new(&[WWW, API], &[10, 11]);
    remote.zone.bar(set_of(API, ip(10)), None);
    let harness = Harness::at(remote.clone(), &[WWW, API]);
    harness.order("-10", 0);
    sleep(s(600)).await;
    let all = writes(&remote);
    assert_eq!(all[..3], ["-10@api -10@www", "-10@api", "-10@www"]);
    assert!(all[3..].iter().all(|write| write == "-10@api"), "{all:?}");
    assert!((10..=25).contains(&all.len()), "{} writes in ten minutes", all.len());
    harness.order("-10 -11", 0);
    sleep(s(1)).await;
    assert_eq!(writes(&remote)[0], "-11@www");
}

#[tokio::test(start_paused = true)]
async fn a_create_that_is_refused_does_not_keep_another_dead_address_in() {
    let remote = Remote::new(&[WWW], &[10, 12]);
    remote.zone.bar(set_of(WWW, ip(11)), Some(ip(11)));
    let mut harness = Harness::open(remote.clone());
    harness.order("-10 +11", 1);
    while remote.holds().await.len() > 1 {
        harness.report().await;
    }
    assert_eq!(remote.holds().await, ["12@www"]);
}

#[tokio::test(start_paused = true)]
async fn the_floor_is_reported_where_a_refused_create_was_to_make_room() {
    let remote = Remote::new(&[WWW], &[10]);
    remote.zone.bar(set_of(WWW, ip(11)), Some(ip(11)));
    let mut harness = Harness::open(remote.clone());
    harness.order("-10 +11", 1);
    loop {
        if let DnsReport::Confirmed { held, open, .. } = harness.report().await
            && !held.is_empty()
        {
            assert_eq!(held.keys().collect::<Vec<_>>(), [&ip(10)]);
            assert!(open.contains(&ip(11)));
            break;
        }
    }
    assert_eq!(remote.holds().await, ["10@www"]);
    remote.zone.unbar();
    harness.reports_until_confirmed().await;
    assert_eq!(remote.holds().await, ["11@www"]);
}

#[tokio::test(start_paused = true)]
async fn of_many_creates_at_one_name_only_the_bad_one_stays_out() {
    let remote = Remote::new(&[WWW], &[10, 20]);
    remote.zone.bar(set_of(WWW, ip(13)), Some(ip(13)));
    let mut harness = Harness::open(remote.clone());
    harness.order("+11 +12 +13 +14 +15 +16 +17 -10", 1);
    while remote.holds().await.len() < 7 || remote.holds().await.contains(&"10@www".to_owned()) {
        assert!(!matches!(harness.report().await, DnsReport::Failing(_)));
    }
}

#[tokio::test(start_paused = true)]
async fn an_unfit_set_is_left_alone_and_checked_again() {
    let remote = Remote::new(&[WWW, API], &[10, 11]);
    remote.zone.set_unfit(set_of(API, ip(10)), Some("api.example.com A is an alias"));
    let mut harness = Harness::at(remote.clone(), &[WWW, API]);
    harness.order("-10", 1);
    assert_eq!(harness.reports_until_confirmed().await, ["withdrew 10@www", "confirmed"]);
    remote.zone.set_unfit(set_of(API, ip(10)), None);
    loop {
        if let DnsReport::Listed(observed) = harness.report().await
            && observed.unfit.is_empty()
        {
            break;
        }
    }
    assert!(remote.requests().len() < 6, "once a minute");
}

#[tokio::test(start_paused = true)]
async fn an_address_that_the_provider_reports_as_gone_counts_as_gone_after_one_listing() {
    let remote = Remote::new(&[WWW, API], &[10, 11]);
    remote.writes([Outcome::Already; 4]);
    let mut harness = Harness::at(remote.clone(), &[WWW, API]);
    harness.order("-10", 0);
    let reports = [harness.next_words().await, harness.next_words().await];
    assert_eq!(reports, ["withdrew 10@api", "withdrew 10@www"]);
    sleep(s(100)).await;
    let all = writes(&remote);
    assert_eq!(all, ["-10@api -10@www", "-10@api -10@www", "-10@api", "-10@www"]);
    harness.order("-10 -11", 0);
    sleep(s(1)).await;
    assert_eq!(writes(&remote), ["-11@api -11@www"], "all else continues");
}

#[tokio::test(start_paused = true)]
async fn an_outdated_listing_does_not_delay_other_changes() {
    let remote = Remote::new(&[WWW, API], &[10, 11]);
    remote.writes([Outcome::Forgotten]);
    let harness = Harness::at(remote.clone(), &[WWW, API]);
    harness.order("-10", 0);
    sleep(s(1)).await;
    harness.order("-10 -11", 0);
    sleep(s(1)).await;
    let held = remote.holds().await;
    assert!(!held.iter().any(|record| record.starts_with("11@")), "{held:?}");
}

#[tokio::test(start_paused = true)]
async fn a_partly_rejected_change_is_reported_once() {
    let remote = Remote::new(&[WWW, API], &[10, 11]);
    remote.zone.bar(set_of(API, ip(10)), None);
    let mut harness = Harness::at(remote.clone(), &[WWW, API]);
    harness.order("-10", 0);
    let reports = [harness.next_words().await, harness.next_words().await];
    assert_eq!(reports, ["withdrew 10@www", "set fails: api"]);
}

/// In real time, because the fake Cloudflare answers over the network.
#[tokio::test]
async fn a_change_that_cloudflare_reports_as_made_is_no_problem_of_its_name() {
    for batches in [true, false] {
        let setup = Setup { batches, ..Setup::default() };
        let fake = FakeCloudflare::start_with("example.com", setup, || {});
        fake.zone(|zone| {
            for name in [WWW, API] {
                zone.seed("A", name, "192.0.2.10");
                zone.seed("A", name, "192.0.2.12");
            }
            zone.freeze_listing();
            // One name was changed already, and listings do not show that.
            zone.records.retain(|record| record.name != WWW);
            zone.seed("A", WWW, "192.0.2.11");
        });
        let provider = Cloudflare::new(&fake.config(&[WWW, API])).unwrap();
        let mut harness = Harness::at(provider, &[WWW, API]);
        harness.order("-10 -12 +11", 0);
        let mut reports: Vec<String> = Vec::new();
        // The change at the other name is not listed either, so that name fails at first. When it is
        // requested again, it is in force already, and then that name has no problem any more.
        while reports.last().is_none_or(|word| word != "no set fails") {
            let word = tokio::time::timeout(s(60), harness.next_words()).await;
            reports.push(word.unwrap_or_else(|_| panic!("{batches}: {reports:?}")));
        }
        let of_www = |word: &String| word.starts_with("withdrew") && word.contains("@www");
        assert!(reports.iter().any(of_www), "{batches}: {reports:?}");
        let wrong = |word: &&String| word.starts_with("set fails: ") && word.contains("www");
        assert_eq!(reports.iter().find(wrong), None, "{batches}: {reports:?}");
        assert_eq!(fake.zone(|zone| zone.contents("A", WWW)), ["192.0.2.11"]);
    }
}

/// One name is denied alone, as far as the whole zone: the part that is done says nothing of the rest.
#[tokio::test(start_paused = true)]
async fn a_part_that_is_done_before_a_refusal_is_reported_as_a_part() {
    let remote = Remote::new(&[WWW, API], &[10, 11]);
    remote.zone.bar(set_of(API, ip(10)), None);
    remote.zone.name_culprits();
    // The whole change is refused; then the name is rejected with the others, and refused alone.
    remote.writes([Outcome::Refused, Outcome::Works, Outcome::Works, Outcome::Refused]);
    let mut harness = Harness::at(remote.clone(), &[WWW, API]);
    harness.order("-10", 1);
    let mut seen = Vec::new();
    while seen.len() < 3 {
        match harness.report().await {
            DnsReport::Applied { is_part, .. } => seen.push(if is_part { "part" } else { "all" }),
            DnsReport::Failing(_) => seen.push("refused"),
            _ => {}
        }
    }
    assert_eq!(seen, ["refused", "part", "refused"]);
    assert_eq!(remote.holds().await, ["10@api", "11@api", "11@www"]);
    remote.zone.unbar();
    harness.reports_until_confirmed().await;
    assert_eq!(remote.holds().await, ["11@api", "11@www"]);
}
