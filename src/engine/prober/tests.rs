//! The probes of several endpoints together.

use std::num::NonZeroU32;

use super::*;
use crate::engine::action::Action;
use crate::engine::ids::ProbeId;
use crate::engine::stall::Tick;
use crate::engine::tests::world::{ip, ms, settings};
use crate::engine::types::{Answer, Health, Method};

/// Creates a prober of so many TCP targets with room for `most` connections, and returns it with the probes
/// sent until `now`, none of them answered.
fn probing(targets: u8, most: u32) -> (Prober, Context, Vec<EndpointId>) {
    let mut settings = settings(&(1..=targets).collect::<Vec<_>>());
    settings.most_in_flight = NonZeroU32::new(most);
    let mut context = Context::new(settings, Moment::START);
    let mut prober = Prober::default();
    let mut ids = Vec::new();
    for last in 1..=targets {
        let endpoint = Endpoint::connect(ip(last), 443);
        ids.push(watch(&mut prober, endpoint, Role::Target, &mut context));
    }
    (prober, context, ids)
}

/// Has an endpoint watched from the start on.
fn watch(prober: &mut Prober, endpoint: Endpoint, role: Role, context: &mut Context) -> EndpointId {
    let id = prober.add(endpoint, role, &Arc::default());
    prober.begin(id, Moment::START, context);
    id
}

/// A tick in time.
fn tick() -> Tick {
    Tick::late_by(Duration::ZERO)
}

fn probe(endpoint: usize, seq: u64) -> ProbeId {
    ProbeId { endpoint: endpoint.into(), seq: seq.into() }
}

fn sent(context: &mut Context) -> Vec<ProbeId> {
    let mut probes = Vec::new();
    for action in context.take_actions() {
        if let Action::Probe(request) = action {
            probes.push(request.id);
        }
    }
    probes
}

fn is_suspect(prober: &Prober, id: EndpointId) -> bool {
    prober.state(id).is_some_and(Watch::is_suspect)
}

fn is_faulty(prober: &Prober, id: EndpointId) -> bool {
    prober.endpoints.get(id).is_some_and(|watched| watched.faults.present.is_some())
}

#[test]
fn there_is_room_for_as_many_probes_as_may_be_out_and_the_longest_waiting_is_next() {
    let (mut prober, mut context, ids) = probing(4, 2);
    for id in ids {
        assert!(prober.expire(id, Moment::START, tick(), &context).is_some());
        prober.resume(id, &mut context);
    }
    assert_eq!(sent(&mut context), [probe(0, 0), probe(1, 1)]);
    context.now = Moment::START + ms(5);
    prober.answered(probe(1, 1), Answer::Reply(ms(5)), &mut context);
    prober.answered(probe(0, 0), Answer::Reply(ms(5)), &mut context);
    assert_eq!(sent(&mut context), [probe(2, 2), probe(3, 3)], "no number is used twice");
}

#[test]
fn an_entry_that_was_replaced_is_stale() {
    let (mut prober, mut context, _) = probing(1, 9);
    assert!(prober.is_armed_for(0.into(), Moment::START));
    assert!(prober.expire(0.into(), Moment::START + ms(1), tick(), &context).is_none());
    assert!(prober.expire(0.into(), Moment::START, tick(), &context).is_some());
    prober.resume(0.into(), &mut context);
    assert!(!prober.is_armed_for(0.into(), Moment::START));
}

#[test]
fn canaries_keep_step_with_suspects_and_a_target_that_is_down_is_none() {
    let (mut prober, mut context, _) = probing(1, 9);
    let canary = Endpoint::echo(ip(99));
    let canary = watch(&mut prober, canary, Role::Canary, &mut context);
    prober.enrolled(vec![canary]);
    let both = [0.into(), canary];
    prober.resume(0.into(), &mut context);
    assert!(prober.undelivered(probe(0, 0), &mut context));
    assert_eq!(both.map(|id| is_suspect(&prober, id)), [true, true]);
    prober.flipped(0.into(), Health::Down, &mut context);
    assert_eq!(both.map(|id| is_suspect(&prober, id)), [false, false]);
    prober.undelivered(probe(0, 0), &mut context);
    assert_eq!(both.map(|id| is_suspect(&prober, id)), [false, false], "that is no news");
}

/// A reload gives the place of an endpoint to another one while a probe is outstanding.
#[test]
fn an_answer_to_a_probe_of_an_earlier_endpoint_is_no_evidence_about_the_new_one() {
    let (mut prober, mut context, ids) = probing(1, 9);
    assert!(prober.expire(ids[0], Moment::START, tick(), &context).is_some());
    prober.resume(ids[0], &mut context);
    assert_eq!(sent(&mut context), [probe(0, 0)]);
    prober.unwatch(ids[0]);
    let other = Endpoint::echo(ip(2));
    assert_eq!(prober.add(other, Role::Target, &Arc::default()), ids[0]);
    prober.begin(ids[0], Moment::START + ms(900), &mut context);
    context.now = Moment::START + ms(500);
    for answer in [
        Answer::Reply(ms(400)),
        Answer::Unreachable("no host".into()),
        Answer::Silence,
        Answer::Fault("no route".into()),
    ] {
        assert!(prober.answered(probe(0, 0), answer, &mut context).is_none());
    }
    assert!(!is_faulty(&prober, ids[0]));
    assert!(context.take_actions().is_empty(), "and nothing is reported");
}

/// Only a probe that left is answered late.
#[test]
fn a_late_reply_shows_as_silence_does_that_this_machine_can_send_again() {
    for answer in [Answer::Silence, Answer::Reply(ms(900))] {
        let (mut prober, mut context, _) = probing(1, 9);
        for seq in 0..3 {
            prober.answered(probe(0, seq), Answer::Fault("no route".into()), &mut context);
        }
        assert_eq!((prober.unreachable, is_faulty(&prober, 0.into())), (1, true));
        prober.resume(0.into(), &mut context);
        prober.answered(probe(0, 0), answer.clone(), &mut context);
        assert_eq!((prober.unreachable, is_faulty(&prober, 0.into())), (0, false), "{answer:?}");
    }
}

#[test]
fn a_fault_counts_as_unreachable_after_the_threshold_and_until_something_left() {
    let (mut prober, mut context, _) = probing(1, 9);
    for seq in 0..3 {
        assert_eq!(prober.unreachable, 0, "{seq} faults");
        prober.answered(probe(0, seq), Answer::Fault("no route".into()), &mut context);
    }
    assert_eq!(prober.unreachable, 1);
    prober.resume(0.into(), &mut context);
    prober.answered(probe(0, 0), Answer::Silence, &mut context);
    assert_eq!(prober.unreachable, 0, "that probe was sent after the last fault");
}

#[test]
fn a_probe_that_times_out_is_a_loss_and_a_fault_if_this_process_stalled() {
    for (late, want) in [(0, Outcome::Loss), (125, Outcome::Loss), (126, Outcome::Fault)] {
        let (mut prober, mut context, ids) = probing(1, 1);
        prober.expire(ids[0], Moment::START, tick(), &context);
        prober.resume(ids[0], &mut context);
        let armed = prober.endpoints.get(ids[0]).and_then(|watched| watched.armed).unwrap();
        context.now = Moment::START + ms(1000);
        let tick = Tick::late_by(ms(late));
        let expired = prober.expire(ids[0], armed, tick, &context).unwrap();
        let outcomes: Vec<Outcome> = expired.iter().map(|result| result.judged.outcome).collect();
        assert_eq!(outcomes, [want], "late by {late} ms");
    }
}

/// A connect that is late holds a descriptor, also one to a canary of targets without connections.
#[test]
fn a_late_answer_is_awaited_by_the_kind_of_each_endpoint() {
    for (port, times) in [(None, 2), (Some(53), 1)] {
        let mut context = Context::new(settings(&[1]), Moment::START);
        let mut prober = Prober::default();
        let endpoint = Endpoint { address: ip(2), method: Method::of_port(port) };
        let id = watch(&mut prober, endpoint, Role::Canary, &mut context);
        prober.expire(id, Moment::START, tick(), &context);
        prober.resume(id, &mut context);
        let mut listens = Vec::new();
        for action in context.take_actions() {
            if let Action::Probe(request) = action {
                listens.push(request.listen_for);
            }
        }
        assert_eq!(listens, [ms(500) * times], "port {port:?}");
    }
}
