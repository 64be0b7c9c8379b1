//! The random bytes of an echo request: a reply counts if it returns them, an ICMP error if it quotes
//! no others. Most rows are bug reports about other programs.
//!
//! `GOAVAIL_FORGED=1000000` sets the number of forged packets for each kind of socket.

use std::net::IpAddr;
use std::time::Duration;

use super::device::Answer::{
    Cut, Earlier, OtherBytes, OtherSource, Padded, Redirect, Reply, Unreachable, Zeroed,
};
use super::device::{Answer, Device, Impostor, Quote};
use super::forger::Hesitant;
use super::icmp_errors::with_either_socket;
use super::{count, first, target, writes};
use crate::agent::Agent;
use crate::lab::{run, v4, v6};

/// Answers of a living target.
const ALIVE: [(&[Answer], &str); 11] = [
    (&[Reply], "as the standards demand"),
    (&[Cut(48)], "cut short, as 8.8.8.8 cuts long ones (napalm-eos 160)"),
    (&[Cut(16)], "cut short, which iputils took for no reply (iputils 320)"),
    (&[Cut(8)], "as short as a reply may be"),
    (&[Padded], "with zeros behind it (picotcp 7)"),
    (&[Reply, Reply], "twice (fping 53)"),
    (&[OtherBytes, Reply], "beside a reply to another program (liboping 33, fping 191)"),
    (&[Unreachable(Quote::OtherBytes), Reply], "beside an error about another (mtr 375)"),
    (
        &[Unreachable(Quote::OtherIdentifier), Reply],
        "behind a NAT that does not translate quotes (opte 369)",
    ),
    (&[Unreachable(Quote::Whole), Reply], "after an error"),
    (&[Redirect, Reply], "after a redirect (iputils 555)"),
];

/// The text about replies without the bytes of their request.
const NOT_RETURNED: Option<&str> = Some("without the bytes of the request");

/// The text about a router's error.
const UNREACHABLE: Option<&str> = Some("unreachable, says");

/// Answers in place of a dead target, and the report in the line about its death.
const DEAD: [(&[Answer], Option<&str>, &str); 12] = [
    (&[Zeroed], NOT_RETURNED, "zeros"),
    (&[Cut(0)], NOT_RETURNED, "nothing of the payload (demikernel 588)"),
    (&[Cut(4)], NOT_RETURNED, "so little that it can be guessed"),
    (&[OtherBytes], NOT_RETURNED, "another program's, with the same numbers (iputils 489)"),
    (&[Earlier], NOT_RETURNED, "an earlier request's, late (corefx 12580)"),
    (&[OtherSource], None, "another address (fping 206, corefx 33699)"),
    (&[Unreachable(Quote::Whole)], UNREACHABLE, "a router that quotes all"),
    (&[Unreachable(Quote::Header)], UNREACHABLE, "a router that quotes eight bytes (cilium 40194)"),
    (&[Unreachable(Quote::PaddedHeader)], UNREACHABLE, "a router that pads the quote"),
    (&[Unreachable(Quote::OtherBytes)], None, "a router about another program's"),
    (&[Unreachable(Quote::OtherIdentifier)], None, "a router before a NAT"),
    (&[Unreachable(Quote::Earlier)], None, "an error with the bytes of an earlier request"),
];

/// Returns the addresses of a row, one of each family.
fn pair(row: usize) -> [IpAddr; 2] {
    let n = u32::try_from(row + 1).unwrap();
    [v4(n), v6(n)]
}

#[test]
fn the_bytes_of_a_request_decide_and_no_living_target_suffers() {
    run(|| {
        let addresses: Vec<_> = (0..ALIVE.len() + DEAD.len()).flat_map(pair).collect();
        let prepare = |harness: &super::Harness| {
            Hesitant::hush(&harness.lab);
            let rows = ALIVE.iter().map(|row| row.0).chain(DEAD.iter().map(|row| row.0));
            let devices = rows.enumerate().flat_map(|(row, answers)| {
                pair(row).map(|address| Device::start(&harness.lab, address, answers))
            });
            devices.collect::<Vec<_>>()
        };
        with_either_socket(&addresses, prepare, |_, agent, kind, _| {
            for (row, (_, report, why)) in DEAD.iter().enumerate() {
                for address in pair(ALIVE.len() + row) {
                    let down = first(agent, &["target down", &target(address)]).text;
                    let place = format!("{kind}, {address}, {why}: {down}");
                    match report {
                        Some(report) => assert!(down.contains(report), "{place}"),
                        None => assert!(!down.contains("said="), "{place}"),
                    }
                    assert_eq!(count(agent, &["target confirmed up", &target(address)]), 0);
                }
            }
            for _ in 0..10 * ALIVE.len() {
                agent.wait_for_words(&["outcome=Reply"]);
            }
            for (row, (_, why)) in ALIVE.iter().enumerate() {
                for address in pair(row) {
                    first(agent, &["target confirmed up", &target(address)]);
                    let downs = count(agent, &["target down", &target(address)]);
                    assert_eq!(downs, 0, "{kind}, {address}: {why}");
                }
            }
            assert_eq!(count(agent, &["outcome=Fault"]), 0, "{kind}");
        });
    });
}

/// Returns the number of forged packets for each kind of socket.
fn wanted() -> usize {
    std::env::var("GOAVAIL_FORGED").map_or(10_000, |text| text.parse().unwrap())
}

/// Starts an impostor for each address, which forges hundreds of messages about each request.
fn impostors(harness: &super::Harness, addresses: &[IpAddr]) -> Vec<Impostor> {
    let each = (wanted() / 50).clamp(1, 1_000);
    addresses.iter().map(|address| Impostor::start(&harness.lab, *address, each)).collect()
}

/// Waits until all packets were sent, and the agent has judged some probes after that. Returns the
/// number of packets.
fn until_forged(agent: &mut Agent, impostors: &[Impostor]) -> usize {
    let sent = || impostors.iter().map(Impostor::sent).sum::<usize>();
    while sent() < wanted() {
        agent.wait_for_words(&["outcome="]);
    }
    let all = sent();
    for _ in 0..20 {
        agent.wait_for_words(&["outcome="]);
    }
    all
}

/// Returns two targets of each family.
fn targets() -> [IpAddr; 4] {
    [v4(1), v6(1), v4(2), v6(2)]
}

#[test]
fn nobody_off_the_path_can_forge_a_reply() {
    run(|| {
        let addresses = targets();
        let prepare = |harness: &super::Harness| {
            Hesitant::hush(&harness.lab);
            impostors(harness, &addresses)
        };
        with_either_socket(&addresses, prepare, |_, agent, kind, impostors| {
            let forged = until_forged(agent, impostors);
            for address in addresses {
                first(agent, &["target down", &target(address)]);
            }
            let [replies, losses, faults] = ["Reply", "Loss", "Fault"]
                .map(|outcome| count(agent, &[&format!("outcome={outcome}")]));
            println!("{kind}: {forged} forged, {losses} losses, {replies} replies");
            assert_eq!((replies, faults), (0, 0), "{kind}: of {forged} forged packets");
            assert_eq!(count(agent, &["target confirmed up"]), 0, "{kind}");
        });
    });
}

/// Returns the round-trip time in a line about a reply, in milliseconds.
fn round_trip(line: &str) -> f64 {
    let text = line.split_once("rtt=Some(").unwrap().1.split_once(')').unwrap().0;
    let unit = text.trim_start_matches(|character: char| "0123456789.".contains(character));
    let number: f64 = text[..text.len() - unit.len()].parse().unwrap();
    match unit {
        "s" => number * 1e3,
        "ms" => number,
        _ => number / 1e3,
    }
}

#[test]
fn nobody_off_the_path_can_forge_a_loss_or_an_early_reply() {
    const AFTER: Duration = Duration::from_millis(40);
    run(|| {
        let addresses = targets();
        let prepare = |harness: &super::Harness| {
            Hesitant::hush(&harness.lab);
            let world = addresses.map(|address| {
                // It has time to forge before the reply.
                Hesitant::start(&harness.lab, address, false, AFTER)
            });
            (world, impostors(harness, &addresses))
        };
        with_either_socket(&addresses, prepare, |harness, agent, kind, (world, impostors)| {
            let forged = until_forged(agent, impostors);
            let replies = agent.lines_with(&["outcome=Reply"]);
            let lost = count(agent, &["outcome=Loss"]);
            // A forged reply follows at once. The time of sending is taken after the call, maybe late.
            let soon = AFTER.as_secs_f64() * 250.0;
            let early = replies.iter().filter(|reply| round_trip(&reply.text) < soon).count();
            let replies = replies.len();
            println!("{kind}: {forged} forged, {lost} losses, {replies} replies, {early} early");
            // On a busy machine a probe may be lost for lack of time, and sending may take long.
            for (number, words) in [(lost, "lost"), (early, "early")] {
                assert!(number * 50 <= replies, "{kind}: {number} {words} of {replies}");
            }
            // Each target counts an answer a moment after it has sent it.
            let answers = world.iter().map(Hesitant::answers).sum::<usize>() + world.len();
            assert!(answers >= replies, "{kind}: {answers} answers");
            assert!(replies > 20, "{kind}");
            for words in ["target down", "outcome=Fault"] {
                assert_eq!(count(agent, &[words]), 0, "{kind}: {words}");
            }
            assert_eq!(writes(&harness.cloudflare), 0, "{kind}");
        });
    });
}
