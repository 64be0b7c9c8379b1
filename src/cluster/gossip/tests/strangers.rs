//! Tests of datagrams from strangers: forged numbers, unknown members, other keys.

use super::*;

/// Returns a datagram of agent `from` that reports `members`, as anybody can send it without a key.
fn forged(from: Id, to: Id, members: &[Member<Id>]) -> Vec<u8> {
    let header =
        foca::Header { src: from, src_incarnation: 0, dst: to, message: foca::Message::Gossip };
    let mut bytes = vec![PLAIN, SWIM];
    PostcardCodec.encode_header(&header, &mut bytes).unwrap();
    bytes.extend(u16::try_from(members.len()).unwrap().to_be_bytes());
    for member in members {
        PostcardCodec.encode_member(member, &mut bytes).unwrap();
    }
    bytes
}

/// Returns an identity of agent `number`.
fn id(number: usize, start: u64, life: u64) -> Id {
    let vote = vote(number);
    Id { gossip: SocketAddr::new(vote.ip(), PORT), vote, start, life }
}

/// Returns the request of `src` to `dst` to let it join.
fn announcement(src: Id, dst: Id) -> Vec<u8> {
    let header = foca::Header { src, src_incarnation: 0, dst, message: foca::Message::Announce };
    let mut bytes = vec![SWIM];
    PostcardCodec.encode_header(&header, &mut bytes).unwrap();
    bytes
}

/// Returns three agents without a key that see each other.
fn open_cluster() -> Harness {
    let mut harness = Harness::with_key(3, 11, None);
    for number in 0..3 {
        harness.start(number, 2_000_000_000_000);
    }
    harness.run(s(20));
    assert!(harness.everybody_sees_everybody());
    harness
}

#[test]
fn numbers_that_no_clock_shows_separate_no_agents() {
    let day = 86_400_000;
    let now = 2_000_000_020_000;
    for (start, life) in [
        (0, u64::MAX),
        (u64::MAX, u64::MAX),
        (u64::MAX, 0),
        (now, now + day + 60_000),
        (now, now + day),
        (now + day, now + day),
    ] {
        for (state, incarnation) in
            [(foca::State::Alive, 0), (foca::State::Down, 0), (foca::State::Suspect, u16::MAX)]
        {
            let mut harness = open_cluster();
            // Each of two agents receives this about the other two, from themselves and from each
            // other.
            for (to, one, other) in [(0, 1, 2), (1, 0, 2), (2, 0, 1)] {
                let agent = harness.agents[to].as_mut().unwrap();
                let dst = agent.foca.identity().clone();
                let [about_other, about_it] = [other, to]
                    .map(|number| Member::new(id(number, start, life), incarnation, state));
                let sender = agent.foca.iter_members().find(|m| m.id().vote == vote(one));
                let sender = sender.unwrap().id().clone();
                let _ = agent.receive(
                    harness.now,
                    &forged(sender, dst.clone(), &[about_other.clone(), about_it]),
                );
                let _ = agent.receive(harness.now, &forged(id(one, start, life), dst, &[]));
                let mut farewell = vec![PLAIN, FAREWELL];
                PostcardCodec.encode_member(&about_other, &mut farewell).unwrap();
                let _ = agent.receive(harness.now, &farewell);
            }
            harness.run(s(60));
            let views = harness.views();
            let what = format!("start {start}, life {life}, {state:?} at {incarnation}: {views:?}");
            assert!(harness.everybody_sees_everybody(), "{what}");
        }
    }
}

#[test]
fn identities_from_more_than_a_day_ahead_are_refused_and_told() {
    let mut harness = open_cluster();
    let agent = harness.agents[0].as_mut().unwrap();
    let own = agent.foca.identity().clone();
    for (ahead, want) in [(AHEAD - 1000, Ok(())), (AHEAD + 1000, Err(Dropped::Ahead))] {
        let at = agent.wall + ahead;
        for from in [id(1, at, at), id(1, agent.wall, at), id(1, at, agent.wall)] {
            assert_eq!(
                agent.receive(harness.now, &forged(from, own.clone(), &[])),
                want,
                "{ahead}"
            );
        }
    }
}

/// Unknown members would be sent datagrams and passed on to the others.
#[test]
fn members_that_are_no_peers_are_ignored() {
    let mut harness = open_cluster();
    let agent = harness.agents[0].as_mut().unwrap();
    let (own, wall) = (agent.foca.identity().clone(), agent.wall);
    let peer = agent.foca.iter_members().find(|m| m.id().vote == vote(1)).unwrap().id().clone();
    let mut elsewhere = id(2, wall, wall);
    elsewhere.gossip = "192.0.2.7:53".parse().unwrap();
    let strangers: Vec<_> = (5..105).map(|number| Member::alive(id(number, wall, wall))).collect();
    let forgeries = [strangers, vec![Member::alive(elsewhere.clone())]];
    for members in forgeries {
        assert_eq!(
            agent.receive(harness.now, &forged(peer.clone(), own.clone(), &members)),
            Ok(())
        );
        assert_eq!(agent.foca.num_members(), 2);
    }
    let mut asked = vec![PLAIN, SWIM];
    let message = foca::Message::PingReq { target: elsewhere, probe_number: 1 };
    let header = foca::Header { src: peer, src_incarnation: 0, dst: own, message };
    PostcardCodec.encode_header(&header, &mut asked).unwrap();
    assert_eq!(agent.receive(harness.now, &asked), Err(Dropped::Stranger));
}

#[test]
fn another_key_keeps_an_agent_out_and_is_told() {
    let mut harness = Harness::new(2, 1);
    harness.start_with(1, 1_000_000, Some("another key here"));
    harness.run(s(60));
    assert_eq!(harness.views(), [Some(vec![]), Some(vec![])]);
    let (ours, theirs) = (seal("1234567891012345"), seal("another key here"));
    let mut agent = Gossip::new(own(0, 1), [vote(1)], Some(ours.clone()), 1);
    let dst = agent.foca.identity().clone();
    let elsewhere = Id { gossip: SocketAddr::new(vote(1).ip(), 7000), ..id(1, 1, 1) };
    let [good, stranger, returned, duplicate, elsewhere] =
        [id(1, 1, 1), id(5, 1, 1), id(0, 1, 1), id(0, 2, 1), elsewhere]
            .map(|src| announcement(src, dst.clone()));
    let cases = [
        ("a peer", ours.seal_gossip(&good).unwrap(), Ok(())),
        ("not sealed", [&[PLAIN][..], &good].concat(), Err(Dropped::NotOurs)),
        ("another key", theirs.seal_gossip(&good).unwrap(), Err(Dropped::NotOurs)),
        ("nothing", vec![], Err(Dropped::NotOurs)),
        ("a Go agent's ping", b"\0\x82\xa4Node\xa1x".to_vec(), Err(Dropped::NotOurs)),
        ("sealed nothing", ours.seal_gossip(b"").unwrap(), Err(Dropped::Malformed)),
        ("sealed junk", ours.seal_gossip(b"\0junk").unwrap(), Err(Dropped::Malformed)),
        ("another kind", ours.seal_gossip(b"\x09").unwrap(), Err(Dropped::Malformed)),
        ("no peer", ours.seal_gossip(&stranger).unwrap(), Err(Dropped::Stranger)),
        ("ours, come back", ours.seal_gossip(&returned).unwrap(), Err(Dropped::Stranger)),
        ("another in our place", ours.seal_gossip(&duplicate).unwrap(), Err(Dropped::OurName)),
        ("another port", ours.seal_gossip(&elsewhere).unwrap(), Err(Dropped::Stranger)),
    ];
    for (name, datagram, want) in cases {
        assert_eq!(agent.receive(s(1), &datagram), want, "{name}");
    }
    let mut open = Gossip::new(own(0, 1), [vote(1)], None, 1);
    assert_eq!(open.receive(s(1), &ours.seal_gossip(&good).unwrap()), Err(Dropped::NotOurs));
    assert_eq!(open.receive(s(1), &[&[PLAIN][..], &good].concat()), Ok(()));
}
