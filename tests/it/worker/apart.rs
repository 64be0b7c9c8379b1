//! One record set's trouble is its own: every other one is changed as if it were not there.

use goavail::dns::cloudflare::Cloudflare;
use goavail::engine::event::DnsReport;
use tokio::time::sleep;

use super::{API, Fate, Office, Remote, Request, WWW, ip, s};
use crate::contract::set_of;
use crate::fake_cloudflare::{FakeCloudflare, Setup};

/// What was written, whatever came of it.
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
        let mut office = Office::at(remote.clone(), &[WWW, API, "example.com"]);
        office.order("-10", 1);
        while remote.holds().await.len() > 4 {
            office.report().await;
        }
        assert_eq!(remote.holds().await, ["10@api", "11@api", "11@example", "11@www"]);
        sleep(s(20)).await;
        let said = office.said();
        assert!(said.contains(&"apart: api".to_owned()), "{said:?}");
        assert!(said.contains(&"goes on with 192.0.2.10".to_owned()), "{said:?}");
        assert!(!said.iter().any(|word| word.starts_with("failing")), "{said:?}");
        remote.zone.unbar();
        office.says_until_settled().await;
        assert_eq!(remote.holds().await, ["11@api", "11@example", "11@www"]);
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_rejected_again_and_again_costs_the_others_no_request() {
    let remote = Remote::new(&[WWW, API], &[10, 11]);
    remote.zone.bar(set_of(API, ip(10)), None);
    let office = Office::at(remote.clone(), &[WWW, API]);
    office.order("-10", 0);
    sleep(s(600)).await;
    let all = writes(&remote);
    assert_eq!(all[..3], ["-10@api -10@www", "-10@api", "-10@www"]);
    assert!(all[3..].iter().all(|write| write == "-10@api"), "{all:?}");
    assert!((10..=25).contains(&all.len()), "{} writes in ten minutes", all.len());
    office.order("-10 -11", 0);
    sleep(s(1)).await;
    assert_eq!(writes(&remote)[0], "-11@www");
}

#[tokio::test(start_paused = true)]
async fn a_create_that_is_refused_does_not_keep_another_dead_address_in() {
    let remote = Remote::new(&[WWW], &[10, 12]);
    remote.zone.bar(set_of(WWW, ip(11)), Some(ip(11)));
    let mut office = Office::open(remote.clone());
    office.order("-10 +11", 1);
    while remote.holds().await.len() > 1 {
        office.report().await;
    }
    assert_eq!(remote.holds().await, ["12@www"]);
}

#[tokio::test(start_paused = true)]
async fn the_floor_is_told_where_a_refused_create_was_to_make_room() {
    let remote = Remote::new(&[WWW], &[10]);
    remote.zone.bar(set_of(WWW, ip(11)), Some(ip(11)));
    let mut office = Office::open(remote.clone());
    office.order("-10 +11", 1);
    loop {
        if let DnsReport::Settled { held, open, .. } = office.report().await
            && !held.is_empty()
        {
            assert_eq!(held.keys().collect::<Vec<_>>(), [&ip(10)]);
            assert!(open.contains(&ip(11)));
            break;
        }
    }
    assert_eq!(remote.holds().await, ["10@www"]);
    remote.zone.unbar();
    office.says_until_settled().await;
    assert_eq!(remote.holds().await, ["11@www"]);
}

#[tokio::test(start_paused = true)]
async fn of_many_creates_at_one_name_only_the_bad_one_stays_out() {
    let remote = Remote::new(&[WWW], &[10, 20]);
    remote.zone.bar(set_of(WWW, ip(13)), Some(ip(13)));
    let mut office = Office::open(remote.clone());
    office.order("+11 +12 +13 +14 +15 +16 +17 -10", 1);
    while remote.holds().await.len() < 7 || remote.holds().await.contains(&"10@www".to_owned()) {
        assert!(!matches!(office.report().await, DnsReport::Failing(_)));
    }
}

#[tokio::test(start_paused = true)]
async fn a_set_that_is_unfit_is_left_alone_and_looked_at_again() {
    let remote = Remote::new(&[WWW, API], &[10, 11]);
    remote.zone.set_unfit(set_of(API, ip(10)), Some("api.example.com A is an alias"));
    let mut office = Office::at(remote.clone(), &[WWW, API]);
    office.order("-10", 1);
    assert_eq!(office.says_until_settled().await, ["withdrew 10@www", "settled"]);
    remote.zone.set_unfit(set_of(API, ip(10)), None);
    loop {
        if let DnsReport::Listed(observed) = office.report().await
            && observed.unfit.is_empty()
        {
            break;
        }
    }
    assert!(remote.requests().len() < 6, "once a minute");
}

#[tokio::test(start_paused = true)]
async fn what_the_provider_says_is_gone_counts_as_gone_after_one_reading() {
    let remote = Remote::new(&[WWW, API], &[10, 11]);
    remote.writes([Fate::Already; 4]);
    let mut office = Office::at(remote.clone(), &[WWW, API]);
    office.order("-10", 0);
    let said = [office.says().await, office.says().await];
    assert_eq!(said, ["withdrew 10@api", "withdrew 10@www"]);
    sleep(s(100)).await;
    let all = writes(&remote);
    assert_eq!(all, ["-10@api -10@www", "-10@api -10@www", "-10@api", "-10@www"]);
    office.order("-10 -11", 0);
    sleep(s(1)).await;
    assert_eq!(writes(&remote), ["-11@api -11@www"], "all else goes on");
}

#[tokio::test(start_paused = true)]
async fn a_listing_that_lags_behind_holds_up_nothing_else() {
    let remote = Remote::new(&[WWW, API], &[10, 11]);
    remote.writes([Fate::Forgotten]);
    let office = Office::at(remote.clone(), &[WWW, API]);
    office.order("-10", 0);
    sleep(s(1)).await;
    office.order("-10 -11", 0);
    sleep(s(1)).await;
    let held = remote.holds().await;
    assert!(!held.iter().any(|record| record.starts_with("11@")), "{held:?}");
}

#[tokio::test(start_paused = true)]
async fn one_story_is_told_of_a_change_that_was_rejected_in_part() {
    let remote = Remote::new(&[WWW, API], &[10, 11]);
    remote.zone.bar(set_of(API, ip(10)), None);
    let mut office = Office::at(remote.clone(), &[WWW, API]);
    office.order("-10", 0);
    let said = [office.says().await, office.says().await];
    assert_eq!(said, ["withdrew 10@www", "apart: api"]);
}

/// In real time, as Cloudflare's stand-in answers over the network.
#[tokio::test]
async fn what_cloudflare_says_is_so_already_is_no_trouble_of_a_name_while_its_listing_is_stale() {
    for batches in [true, false] {
        let setup = Setup { batches, ..Setup::default() };
        let fake = FakeCloudflare::start_with("example.com", setup, || {});
        fake.zone(|zone| {
            for name in [WWW, API] {
                zone.seed("A", name, "192.0.2.10");
                zone.seed("A", name, "192.0.2.12");
            }
            zone.freeze_listing();
            // One name was changed already, and readers are not shown that.
            zone.records.retain(|record| record.name != WWW);
            zone.seed("A", WWW, "192.0.2.11");
        });
        let provider = Cloudflare::new(&fake.config(&[WWW, API])).unwrap();
        let mut office = Office::at(provider, &[WWW, API]);
        office.order("-10 -12 +11", 0);
        let mut said = Vec::new();
        let until = tokio::time::sleep(s(4));
        tokio::pin!(until);
        loop {
            tokio::select! {
                word = office.says() => said.push(word),
                () = &mut until => break,
            }
        }
        let of_www = |word: &String| word.starts_with("withdrew") && word.contains("@www");
        assert!(said.iter().any(of_www), "{batches}: {said:?}");
        let wrong = |word: &&String| word.starts_with("apart: ") && word.contains("www");
        assert_eq!(said.iter().find(wrong), None, "{batches}: {said:?}");
        // What was really changed at the other name is not shown either. Asked for again, it is so
        // already, and then there is nothing wrong with that name any more.
        let told = said.iter().rfind(|word| word.contains("apart"));
        assert!(told.is_none_or(|word| word == "nothing apart"), "{batches}: {said:?}");
        assert_eq!(fake.zone(|zone| zone.contents("A", WWW)), ["192.0.2.11"]);
    }
}
