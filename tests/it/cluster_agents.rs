//! Clusters of whole agents: the real binary, several of them in network namespaces joined by links,
//! real echo requests, and one Cloudflare that all of them write to. Belongs here: the behaviour
//! of a cluster in failures, seen from outside. A single part is tested in
//! `cluster_*` (real sockets, no engine), in `engine::quorum` (votes only) and in
//! `cluster::gossip` (membership in virtual time).
//!
//! Most of the time these tests wait for a cluster that takes its time: 16 to 25 s until a death is
//! believed, 5 s for each rank. Run them many at once: `cargo nextest run cluster_agents -j 8` takes
//! about a minute on two cores.
//!
//! Each row of `docs/cluster.md` is a test here. So are, with tests elsewhere, the defects
//! of the Go agent that concern several agents, by their number in the study of it:
//!
//! | # | defect of the Go agent | proof that this one is free of it |
//! |---|---|---|
//! | 4 | any GET, HEAD or malformed body ended it | `cluster_listener::every_request_gets_its_status_and_the_agent_lives_on` |
//! | 5 | a vote on an unknown address froze it, and then the agents that sent it something | the same; `strangers::a_peer_that_accepts_and_never_answers_delays_nothing` |
//! | 6 | an address added by SIGHUP froze all; one removed was still watched | `reloads::an_address_more_and_one_less_freeze_no_agent_and_change_nothing` |
//! | 11 | telling stopped at the first peer out of reach, and was not tried again | `cluster_sender::a_peer_that_is_gone_or_never_answers_delays_no_other`, `cluster_sender::a_late_peer_receives_the_current_votes`, `deaths::one_agent_dead_the_others_withdraw_at_once_and_show_it_as_gone` |
//! | 12 | votes were netted, in both directions, and the dead voted for ever | `engine::quorum::tests::it_passes_with_as_many_votes_as_was_always_documented`, `engine::quorum::tests::enough_live_peers_must_have_seen_the_same`, `engine::quorum::tests::a_peer_that_died_must_vote_again`, `agreeing::three_agents_withdraw_a_dead_address_once_and_restore_it_once` |
//! | 13 | the last agent left dropped every transition in silence | `deaths::the_last_agent_left_reports_that_it_cannot_act_and_resumes_when_one_returns` |
//! | 21 | agents started together ended, and none watched before all were there | `starting::an_agent_watches_before_its_peers_are_there_and_any_may_start_at_any_time` |
//! | 26 | ciphertexts could be replayed and turned around; a key of a wrong length ended it later | `cluster_listener::a_signed_vote_is_accepted_once_and_its_sender_must_keep_signing`, `cluster::admission::tests::a_flipped_word_is_refused_though_it_decrypts`, `config::together::a_key_that_is_no_aes_key_is_refused_without_being_shown` |
//! | 27 | anybody could vote, under any name | `strangers::votes_of_strangers_make_no_quorum`, `cluster_listener::with_a_key_only_votes_made_with_it_count` |
//! | 28 | two more ports open to anybody | `starting::members_port_is_where_agents_gossip_and_a_cluster_does_not_turn_debugging_on`, `cluster_membership::an_agent_with_another_key_is_no_peer_and_harms_nobody`, `cluster_membership::garbage_on_the_gossip_port_is_dropped` |
//! | 31 | a reload gave a lone agent a quorum that it could not have | `reloads::a_lone_agent_refuses_a_quorum_that_it_cannot_have_and_continues` |
//! | 40 | no limits on requests; any address where the own one was taken | `cluster_listener::a_slow_sender_delays_no_other`, `cluster_membership::a_port_that_another_process_holds_is_one_clear_error`, `starting::behind_an_address_of_another_machine_an_agent_listens_on_all_of_its_own` |
//! | 42 | `members_port` not used; debugging forced on | `starting::members_port_is_where_agents_gossip_and_a_cluster_does_not_turn_debugging_on` |
//!
//! Not possible here: a process with another wall clock. A peer with a wrong clock is played
//! by hand instead, on both ends of a vote.

#![expect(clippy::unwrap_used, reason = "what fails here fails its test")]

mod agreeing;
mod alike;
mod blind;
mod cuts;
mod deaths;
mod go_agents;
pub(crate) mod harness;
mod incidents;
mod log_lines;
mod provider;
mod reloads;
mod scripted_peer;
mod services;
mod starting;
mod strangers;
