//! The defects of the Go agent's TCP checks, Route 53 and notices, by their numbers, and the tests that
//! would catch them here. Belongs here: this table, and the proof that its tests exist.
//!
//! | | defect | tests |
//! |---|---|---|
//! | 7 | SIGHUP with `--type tcp` ends it | `tcp_agent::reload::a_reload_moves_to_another_port_and_keeps_the_counts` |
//! | 20 | Slack out of reach ends it, Slack that hangs stops it, its URL is logged | `notices_agent::slack::a_slack_that_hangs_or_fails_or_is_gone_delays_nothing_and_ends_nothing` |
//! | | | `notify::a_notice_that_slack_does_not_accept_is_dropped_with_its_cause_and_without_the_url` |
//! | | | `notify::a_slack_that_hangs_delays_neither_the_sender_nor_the_webhook_nor_the_end` |
//! | 23 | `success:false` is taken for done | `notices_agent::provider::a_change_that_fails_or_is_in_doubt_is_told_with_its_targets` |
//! | 32 | an empty listing ends it | `route53_agent::sets::a_name_without_a_set_gets_its_own_and_its_neighbours_are_left_alone` |
//! | | | `route53::listing::a_page_without_any_set_is_an_empty_listing` |
//! | 33 | the next name's set is taken for its own | `route53_agent::sets::a_name_without_a_set_gets_its_own_and_its_neighbours_are_left_alone` |
//! | | | `route53::listing::a_name_that_is_not_there_is_not_mistaken_for_the_next_one` |
//! | | a simple set becomes a weighted one | `route53::kinds::one_of_two_values_goes_and_comes_back_in_kind` |
//! | | | `route53_agent::sets::a_dead_address_goes_with_the_set_that_it_was_alone_in_and_all_comes_back_in_kind` |
//! | 34 | of `a.b` only `a` is kept | `route53_agent::sets::a_name_without_a_set_gets_its_own_and_its_neighbours_are_left_alone` |
//! | | | `route53::listing::every_label_of_a_name_counts` |
//! | 35 | a black hole is noticed after 44 s | `tcp_agent::outcomes::a_black_hole_is_noticed_as_soon_as_the_pace_promises` |
//! | | IPv6 cannot be watched | `tcp_agent::outcomes::accepted_is_a_reply_and_refused_or_silent_or_unreachable_is_a_loss` |

use std::process::Command;

/// The defects that the table has to name.
const CONCERNED: [u32; 7] = [7, 20, 23, 32, 33, 34, 35];

#[test]
fn every_defect_in_the_table_has_tests_that_exist() {
    let program = std::env::current_exe().unwrap();
    let listed = Command::new(program).args(["--list", "--format", "terse"]).output().unwrap();
    let listed = String::from_utf8(listed.stdout).unwrap();
    let mut named = Vec::new();
    for row in include_str!("ported.rs").lines().filter_map(|line| line.strip_prefix("//! | ")) {
        let cells: Vec<_> = row.split('|').map(str::trim).collect();
        named.extend(cells[0].parse::<u32>());
        let test = cells[2].trim_matches('`');
        let there = listed.lines().any(|line| line.strip_suffix(": test") == Some(test));
        assert!(there || test == "tests", "there is no test {test}");
    }
    assert_eq!(named, CONCERNED);
}
