//! The whole agent: the real binary, real echo requests in a namespace of its own, a stateful
//! Cloudflare on that namespace's loopback. Belongs here: the behaviour that an operator sees,
//! tested from outside the binary; a single part is tested beside that part.
//!
//! Nothing here asserts the speed of a failover, but that it happens.
//!
//! # The defects of the Go agent, and the tests that would catch them
//!
//! By the number of the defect. A test that lives elsewhere is named with its program: `it` is this
//! one, `lib` the unit tests.
//!
//! | | defect | tests |
//! |---|---|---|
//! | 1 | an API error loses the change | `trouble::dns_is_right_in_the_end_after_any_fault_of_the_api_at_a_flip` |
//! | | | `reload::a_reload_keeps_a_withdrawal_that_is_being_retried` |
//! | 2 | a hung API call stops monitoring | `trouble::while_the_api_hangs_all_are_watched_at_full_pace` |
//! | 3 | no floor, and its own fault is everybody's death | `guards::an_agent_that_is_cut_off_withdraws_nothing_reports_that_once_and_heals` |
//! | | | `guards::the_floor_keeps_the_last_address_until_another_is_back` |
//! | | | `lib engine::plan::tests::any_plan_is_safe_and_final` |
//! | 7 | SIGHUP in tcp mode | `tcp::a_reload_in_tcp_mode_keeps_monitoring` |
//! | 8 | SIGTERM ends the monitoring and not the process | `ending::sigterm_and_sigint_end_it_with_exit_code_0_and_leave_the_records` |
//! | | | `ending::sigterm_ends_it_while_a_change_hangs` |
//! | | | `ending::sigterm_ends_it_while_the_first_reading_hangs` |
//! | 9 | socket errors that nobody reads | `sockets::without_any_privilege_one_line_names_three_ways_out` |
//! | | | `guards::a_link_that_is_down_is_a_fault_is_reported_once_and_flips_nothing` |
//! | 10 | a restart forgets what was withdrawn | `crash::an_address_that_a_killed_agent_withdrew_is_restored_by_its_successor` |
//! | 14 | false deaths from 260 addresses on | `scale::a_thousand_addresses_at_one_second_have_no_false_loss` |
//! | 15 | anybody's echo reply counts | `strays::an_unrelated_ping_to_a_dead_address_does_not_keep_it_alive` |
//! | | | `strays::replies_to_other_requests_do_not_keep_a_dead_address_alive` |
//! | 16 | an echo request counts as a reply | `strays::replies_to_other_requests_do_not_keep_a_dead_address_alive` |
//! | | | `strays::an_address_that_sends_requests_of_its_own_beside_its_replies_stays_alive` |
//! | 17 | one lost ping leads to a DNS add | `in_a_row::one_lost_packet_makes_no_writing_request` |
//! | 18 | SIGHUP is a false miss for everybody | `reload::hundreds_of_reloads_cost_no_reply_and_no_request` |
//! | | | `lib engine::tests::healing::a_reload_gives_no_target_a_false_miss` |
//! | 19 | a reload races with monitoring | `reload::hundreds_of_reloads_cost_no_reply_and_no_request` |
//! | | | `reload::of_two_reloads_the_later_file_counts` |
//! | 22 | stops at the first name, deletes one of several | `death_and_return::a_death_takes_out_its_own_records_and_the_return_brings_all_back` |
//! | | | `death_and_return::duplicates_go_together_and_one_of_them_comes_back` |
//! | | | `it contract::cloudflare::withdraw_removes_every_duplicate` |
//! | 23 | `success:false` is taken for done | `trouble::dns_is_right_in_the_end_after_any_fault_of_the_api_at_a_flip` |
//! | | | `lib dns::providers::cloudflare::call::tests::an_answer_is_interpreted_or_described` |
//! | 24 | a restored record loses its settings | `death_and_return::a_death_takes_out_its_own_records_and_the_return_brings_all_back` |
//! | | | `it contract::cloudflare::restore_brings_back_all_that_was_remembered` |
//! | 25 | invalid addresses are declared dead | `it config::values::an_address_that_is_not_one_hosts_is_refused` |
//! | | | `it config::values::every_bad_item_of_a_list_is_told_of_at_its_own_line` |
//! | 30 | a typing error and SIGHUP end it | `reload::a_broken_file_changes_nothing_and_is_refused_with_the_reason` |
//! | 35 | 10 s to notice a black hole, no IPv6 in tcp mode | `tcp::a_closed_port_and_a_black_hole_are_noticed_by_the_timeout_that_is_set` |
//! | 36 | unknown `--type` and `--dns-provider` pass | `it check::a_bad_command_line_is_refused_once_with_exit_code_2` |
//! | | | `lib cli::tests::what_cannot_be_meant_is_refused` |
//! | 37 | acts at one miss more than documented | `in_a_row::exactly_three_losses_flip_it_down_and_exactly_three_replies_up` |
//! | | | `lib engine::health::streaks::tests::exactly_so_many_in_a_row_flip_it` |
//! | 38 | dry-run calls the API and needs credentials | `rehearsal::a_dry_run_logs_its_decisions_and_writes_nothing` |
//! | | | `rehearsal::the_shipped_file_rehearses_a_withdrawal_and_a_return_within_half_a_minute` |
//! | 39 | an interval of 0 panics, nothing is validated | `it config::values::a_value_out_of_range_is_refused_with_the_allowed_range` |
//! | | | `it check::a_bad_file_gets_a_line_for_each_problem_and_exit_code_2` |

#![expect(clippy::unwrap_used, reason = "what fails here fails its test")]

mod crash;
mod death_and_return;
mod defects;
mod device;
mod echo_bytes;
mod ending;
mod failover;
mod forger;
mod guards;
mod history_disk;
mod hung_disk;
mod icmp_errors;
mod in_a_row;
mod limited;
mod rehearsal;
mod reload;
mod responder;
mod scale;
mod secrets;
mod services;
mod sockets;
mod strays;
mod tcp;
mod trouble;
mod unread;

use std::net::IpAddr;

use crate::agent::{Agent, Line, PATIENT, Setup, Within};
use crate::fake_cloudflare::{self, Entry, FakeCloudflare, TOKEN};
use crate::lab::{Lab, Namespace};

/// The name of the zone.
const ZONE: &str = "example.com";

/// The managed name where one is enough.
const WWW: &str = "www.example.com";

/// A death is noticed within a second; a machine that is busy for a tenth of one does no harm.
const QUICK: &str = "interval = 0.2\ntimeout = 0.5\nretry_interval = 0.1\nfailure_threshold = 3\n";

/// A lab with one agent's place in it, and Cloudflare on that place's loopback: reachable
/// even without the agent's link.
///
/// Field order is drop order.
struct Harness {
    cloudflare: FakeCloudflare,
    lab: Lab,
}

impl Harness {
    /// With an empty zone.
    fn new() -> Self {
        Self::with(fake_cloudflare::Setup::default())
    }

    fn with(setup: fake_cloudflare::Setup) -> Self {
        let lab = Lab::new();
        Self { cloudflare: cloudflare_in(lab.agent(0), setup), lab }
    }

    /// With `addresses` alive, and in the zone at [`WWW`].
    fn serving(addresses: &[IpAddr]) -> Self {
        let harness = Self::new();
        harness.lab.add(addresses);
        publish(&harness.cloudflare, &[WWW], addresses);
        harness
    }

    /// The configuration for `addresses` at [`WWW`], at the quick pace; `top` goes before it.
    fn config(&self, top: &str, addresses: &[IpAddr]) -> String {
        config(&format!("{QUICK}{top}"), &["www"], addresses, &self.cloudflare)
    }

    /// Starts an agent that writes; its log holds every probe.
    fn start(&self, config: &str) -> Agent {
        self.setup(config).args(["--no-dry-run", "monitor"]).start()
    }

    /// Starts an agent that writes, and waits until it has confirmed `count` targets and made up
    /// its mind about DNS.
    fn confirmed(&self, config: &str, count: usize) -> Agent {
        let mut agent = self.start(config);
        nth(&mut agent, count, &["target confirmed up"]);
        agent
    }

    fn setup(&self, config: &str) -> Setup {
        setup(config, Within::Lab(self.lab.agent(0)))
    }

    /// The addresses of the zone at [`WWW`], sorted.
    fn in_service(&self) -> Vec<String> {
        self.cloudflare.zone(|zone| zone.contents("A", WWW))
    }
}

/// An agent with credentials and every probe in its log.
fn setup(config: &str, within: Within<'_>) -> Setup {
    let setup = Setup::new(config, within);
    setup.env("CF_API_TOKEN", TOKEN).env("RUST_LOG", "info,goavail=trace")
}

/// Cloudflare on the loopback of `place`.
fn cloudflare_in(place: &Namespace, setup: fake_cloudflare::Setup) -> FakeCloudflare {
    FakeCloudflare::start_with(ZONE, setup, place.entering())
}

/// Puts `addresses` into the zone at each of `names`.
fn publish(cloudflare: &FakeCloudflare, names: &[&str], addresses: &[IpAddr]) {
    for name in names {
        for address in addresses {
            let kind = if address.is_ipv4() { "A" } else { "AAAA" };
            cloudflare.zone(|zone| _ = zone.seed(kind, name, &address.to_string()));
        }
    }
}

/// A configuration file; `top` is the text before the section.
fn config(top: &str, names: &[&str], addresses: &[IpAddr], cloudflare: &FakeCloudflare) -> String {
    config_at(top, names, addresses, &cloudflare.url())
}

fn config_at(top: &str, names: &[&str], addresses: &[IpAddr], api_url: &str) -> String {
    let addresses: Vec<_> = addresses.iter().map(ToString::to_string).collect();
    format!(
        "{top}\n[Cloudflare]\ndns_domain = \"{ZONE}\"\nhostnames = {names:?}\n\
         ip_addresses = {addresses:?}\napi_url = \"{api_url}\"\n"
    )
}

/// `field=address` with its end, so that one address is not taken for a longer one.
fn target(address: IpAddr) -> String {
    format!("target={address} ")
}

/// The `count`-th line on standard error that holds all of `words`, waited for if need be,
/// regardless of other lines in between.
fn nth(agent: &mut Agent, count: usize, words: &[&str]) -> Line {
    loop {
        if let Some(line) = agent.lines_with(words).get(count - 1) {
            return line.clone();
        }
        agent.wait_for(|line| line.has(words), PATIENT);
    }
}

/// The first such line.
fn first(agent: &mut Agent, words: &[&str]) -> Line {
    nth(agent, 1, words)
}

/// How many such lines there are by now.
fn count(agent: &mut Agent, words: &[&str]) -> usize {
    agent.lines_with(words).len()
}

/// Waits until Cloudflare's log is as `enough` wants it.
fn until(cloudflare: &FakeCloudflare, enough: impl Fn(&[Entry]) -> bool) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let waiting = async { tokio::time::timeout(PATIENT, cloudflare.wait(enough)).await };
    let came = runtime.block_on(waiting).is_ok();
    assert!(came, "what was awaited did not come; the requests: {:#?}", cloudflare.log());
}

/// Waits until `times` requests to write have come in.
fn until_written(cloudflare: &FakeCloudflare, times: usize) {
    until(cloudflare, |log| log.iter().filter(|entry| entry.writes()).count() >= times);
}

/// How many requests to write have come in.
fn writes(cloudflare: &FakeCloudflare) -> usize {
    cloudflare.count(Entry::writes)
}
