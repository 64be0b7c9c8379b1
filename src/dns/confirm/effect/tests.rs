//! The words for the effect of a change, as rows.

use super::*;

/// Returns a server in a state, with the address 192.0.2.53 for `ns1`, 192.0.2.54 for `ns2`, and so on.
fn server(name: &str, last: u8, state: ServerState) -> ServerEffect {
    let address = SocketAddr::from(([192, 0, 2, last], PORT));
    ServerEffect { name: name.to_owned(), address: Some(address), state }
}

fn shows(millis: u64) -> ServerState {
    ServerState::Shows(Duration::from_millis(millis))
}

fn effect(kind: ChangeKind, state: EffectState, servers: Vec<ServerEffect>) -> ChangeEffect {
    ChangeEffect {
        id: ChangeId::FIRST,
        service: None,
        address: IpAddr::from([203, 0, 113, 11]),
        kind,
        names: vec!["www.example.com".into()],
        at: crate::dns::clock::now(),
        took: Duration::from_millis(200),
        state,
        after: Duration::from_millis(2_900),
        ttl: Some(60),
        servers,
        trouble: None,
    }
}

/// 14:01:10.5 on some day.
fn visible_at() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_millis((14 * 3600 + 70) * 1000 + 500)
}

fn waiting(answer: &str) -> ServerState {
    ServerState::Waiting(Some(answer.to_owned()))
}

fn second(seconds: u64, nanos: u32) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::new(seconds, nanos)
}

fn four(state: &ServerState) -> Vec<ServerEffect> {
    (1..=4).map(|n| server(&format!("ns{n}.example.net"), 52 + n, state.clone())).collect()
}

#[test]
fn the_words_say_when_it_was_out_gone_and_forgotten() {
    use ChangeKind::{Added, Restored, Withdrawn};
    let rows = [
        (
            Withdrawn,
            "out at Cloudflare after 0.2 s, gone from all 4 name servers after 3.1 s, \
             from caches by 14:02:11 (TTL 60)",
        ),
        (
            Restored,
            "back at Cloudflare after 0.2 s, shown by all 4 name servers after 3.1 s, \
             in caches by 14:02:11 (TTL 60)",
        ),
        (
            Added,
            "in at Cloudflare after 0.2 s, shown by all 4 name servers after 3.1 s, \
             in caches by 14:02:11 (TTL 60)",
        ),
    ];
    for (kind, want) in rows {
        let effect = effect(kind, EffectState::Visible, four(&shows(2_900)));
        assert_eq!(effect.in_words("Cloudflare", visible_at()), want);
    }
}

#[test]
fn short_times_unknown_ttls_and_few_servers_have_words() {
    let fault = ServerState::Unasked("no connection: Network is unreachable".into());
    let one = vec![server("ns1", 53, shows(3))];
    let both_addresses = vec![server("ns1", 53, shows(3)), server("ns1", 54, shows(3))];
    let some = vec![server("ns1", 53, shows(3)), server("ns2", 54, fault.clone())];
    let three =
        vec![server("ns1", 53, shows(3)), server("ns2", 54, shows(3)), server("ns3", 55, fault)];
    let rows = [
        (one, "the only name server"),
        (both_addresses, "the only name server"),
        (some, "the only name server that can be asked from here"),
        (three, "both name servers that can be asked from here"),
    ];
    for (servers, want) in rows {
        let effect = ChangeEffect {
            took: Duration::from_millis(2),
            after: Duration::from_millis(9),
            ttl: None,
            ..effect(ChangeKind::Withdrawn, EffectState::Visible, servers)
        };
        let want = format!("out at Route 53 after 2 ms, gone from {want} after 11 ms");
        assert_eq!(effect.in_words("Route 53", visible_at()), want);
    }
}

#[test]
fn a_change_that_is_not_visible_names_the_servers_and_their_answers() {
    let mut servers = four(&shows(2_900));
    servers[1].state = waiting("still 203.0.113.11");
    let late = Duration::from_mins(2);
    let one = ChangeEffect {
        after: late,
        ..effect(ChangeKind::Withdrawn, EffectState::NotVisible, servers.clone())
    };
    assert_eq!(
        one.in_words("Cloudflare", visible_at()),
        "out at Cloudflare after 0.2 s, and after 120.2 s still not gone from 1 of 4 name servers: \
         ns2.example.net (192.0.2.54): still 203.0.113.11"
    );
    servers[2].state = waiting("REFUSED");
    servers[2].address = Some(SocketAddr::from(([192, 0, 2, 55], 5353)));
    servers[3].state = ServerState::Waiting(None);
    let three = ChangeEffect {
        after: late,
        ..effect(ChangeKind::Restored, EffectState::NotVisible, servers)
    };
    assert_eq!(
        three.in_words("Cloudflare", visible_at()),
        "back at Cloudflare after 0.2 s, and after 120.2 s still not shown by 3 of 4 name servers: \
         ns2.example.net (192.0.2.54): still 203.0.113.11; \
         ns3.example.net (192.0.2.55:5353): REFUSED; ns4.example.net (192.0.2.56): not asked yet"
    );
}

#[test]
fn without_any_server_that_can_be_asked_the_reason_is_given() {
    let fault = ServerState::Unasked("no connection: Network is unreachable".into());
    let unasked = effect(
        ChangeKind::Withdrawn,
        EffectState::NotVisible,
        vec![server("192.0.2.53", 53, fault)],
    );
    let begin =
        "out at Cloudflare after 0.2 s, and after 3.1 s still not gone from any name server: ";
    assert_eq!(
        unasked.in_words("Cloudflare", visible_at()),
        format!("{begin}192.0.2.53: no connection: Network is unreachable")
    );
    let unknown = ChangeEffect {
        trouble: Some(
            "no resolver names the name servers of example.com: 127.0.0.1: SERVFAIL".into(),
        ),
        ..effect(ChangeKind::Withdrawn, EffectState::NotVisible, vec![])
    };
    let words = unknown.in_words("Cloudflare", visible_at());
    assert_eq!(words, format!("{begin}{}", unknown.trouble.as_deref().unwrap_or_default()));
}

#[test]
fn the_time_of_day_is_rounded_up_and_passes_midnight() {
    assert_eq!(time_of_day(second(59, 1), 0), "00:01:00");
    assert_eq!(time_of_day(second(86_399, 0), 60), "00:00:59");
    assert_eq!(time_of_day(SystemTime::UNIX_EPOCH - Duration::from_secs(5), 1), "00:00:01");
}

/// The state that people look at is not published again for the time alone.
#[test]
fn the_state_of_a_change_tells_no_time_that_is_out_of_date() {
    let servers = vec![server("ns1", 53, shows(9)), server("ns2", 54, ServerState::Waiting(None))];
    let waiting = effect(ChangeKind::Withdrawn, EffectState::NotVisible, servers);
    let after = Duration::from_secs(4);
    for (after, want) in [(Duration::ZERO, ", still not gone from"), (after, ", and after ")] {
        let words = ChangeEffect { after, ..waiting.clone() }
            .in_words("Cloudflare", SystemTime::UNIX_EPOCH);
        assert!(words.contains(want), "{words}");
    }
}
