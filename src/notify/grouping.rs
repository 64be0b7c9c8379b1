//! Queue of waiting notices, with notices of one kind about several addresses merged into one.

use std::collections::{HashSet, VecDeque};
use std::time::Duration;
use std::{iter, mem};

use super::{Notice, NoticeEvidence, NoticeTarget};

/// Maximum number of waiting messages. When a channel is that far behind, its oldest message is
/// dropped.
pub(super) const MAX_WAITING: usize = 100;

/// The waiting messages, oldest first.
#[derive(Debug)]
pub(crate) struct NoticeQueue {
    /// Maximum time between notices that are merged.
    window: Duration,
    groups: VecDeque<Group>,
}

/// A notice that may have been merged from several.
#[derive(Debug)]
struct Group {
    notice: Notice,
    /// The targets in `notice.targets`.
    members: HashSet<NoticeTarget>,
}

impl NoticeQueue {
    /// Creates an empty queue.
    pub(crate) fn new(window: Duration) -> Self {
        Self { window, groups: VecDeque::new() }
    }

    /// Adds a notice. Returns the notice that was dropped for it, if any.
    ///
    /// It joins a waiting notice if that cannot mislead a reader: one of the same kind about other
    /// addresses, with nothing between the two that concerns the same addresses or the agent.
    #[must_use]
    pub(crate) fn add(&mut self, notice: Notice) -> Option<Notice> {
        let window = self.window;
        for group in self.groups.iter_mut().rev() {
            if group.is_alike(&notice, window) {
                group.join(notice);
                return None;
            }
            if group.members.is_empty() || !group.is_disjoint(&notice) {
                break;
            }
        }
        let members = notice.targets.iter().cloned().collect();
        self.groups.push_back(Group { notice, members });
        let too_many = self.groups.len() > MAX_WAITING;
        if too_many { self.groups.pop_front().map(|group| group.notice) } else { None }
    }

    /// Removes and returns all waiting notices, oldest first.
    pub(crate) fn take(&mut self) -> VecDeque<Notice> {
        mem::take(&mut self.groups).into_iter().map(|group| group.notice).collect()
    }
}

impl Group {
    fn is_disjoint(&self, notice: &Notice) -> bool {
        !notice.targets.iter().any(|target| self.members.contains(target))
    }

    fn is_alike(&self, notice: &Notice, window: Duration) -> bool {
        let own = &self.notice;
        let apart = notice.at.duration_since(own.at).unwrap_or_else(|e| e.duration());
        !self.members.is_empty()
            && !notice.targets.is_empty()
            && apart <= window
            && notice.kind == own.kind
            && notice.status == own.status
            && notice.mark == own.mark
            && notice.severity == own.severity
            && notice.dry_run == own.dry_run
            && notice.agent == own.agent
            && notice.reason == own.reason
            && notice.zone == own.zone
            && self.is_disjoint(notice)
    }

    /// Merges `other` into this notice; the time stays that of the first.
    fn join(&mut self, other: Notice) {
        let own = &mut self.notice;
        for target in other.targets {
            if self.members.insert(target.clone()) {
                own.targets.push(target);
            }
        }
        for name in other.names {
            if !own.names.contains(&name) {
                own.names.push(name);
            }
        }
        if let (Some(detail), Some(other)) = (&mut own.detail, other.detail) {
            let more = " (and others)";
            if *detail != other && !detail.ends_with(more) {
                detail.push_str(more);
            }
        }
        for key in iter::once(other.incident).chain(other.joined) {
            if key != own.incident && !own.joined.contains(&key) {
                own.joined.push(key);
            }
        }
        own.worst = own.worst.max(other.worst);
        own.since = own.since.min(other.since);
        if own.advice != other.advice {
            own.advice = None;
        }
        own.evidence = mem::take(&mut own.evidence).and(&other.evidence);
    }
}

impl NoticeEvidence {
    /// Returns the evidence that holds for both.
    fn and(self, other: &Self) -> Self {
        Self {
            losses: self.losses.zip(other.losses).map(|(one, two)| one.min(two)),
            replies: self.replies.zip(other.replies).map(|(one, two)| one.min(two)),
            votes: self.votes.into_iter().filter(|vote| other.votes.contains(vote)).collect(),
            since_last_reply: self
                .since_last_reply
                .zip(other.since_last_reply)
                .map(|(one, two)| one.min(two)),
            took: self.took.zip(other.took).map(|(one, two)| one.max(two)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notify::NoticeKind::{Isolated, Refused, Restored, Withdrawn};
    use crate::notify::NoticeMark;
    use crate::notify::tests::notice;

    const WINDOW: Duration = Duration::from_secs(1);

    /// Returns the kinds and addresses that would be sent, in order.
    fn sent(notices: impl IntoIterator<Item = Notice>) -> Vec<String> {
        let mut waiting = NoticeQueue::new(WINDOW);
        for notice in notices {
            assert_eq!(waiting.add(notice), None);
        }
        waiting.take().iter().map(brief).collect()
    }

    /// Returns the kind of a notice and the last part of each address.
    fn brief(notice: &Notice) -> String {
        let mut targets = Vec::new();
        for target in &notice.targets {
            targets.push(target.to_string().rsplit('.').next().unwrap().to_owned());
        }
        format!("{} {}", notice.kind.word(), targets.join(" "))
    }

    fn evidence(losses: u32, votes: &[&str], seconds: u64) -> NoticeEvidence {
        NoticeEvidence {
            losses: Some(losses),
            replies: None,
            votes: votes.iter().map(ToString::to_string).collect(),
            since_last_reply: Some(Duration::from_secs(seconds)),
            took: Some(Duration::from_secs(seconds)),
        }
    }

    #[test]
    fn notices_of_one_kind_about_different_addresses_become_one() {
        let hundred = (0..100).map(|n| notice(Withdrawn, &[n]));
        assert_eq!(sent(hundred).len(), 1);
        let cases = [
            ("kinds stay apart", sent([notice(Withdrawn, &[1]), notice(Restored, &[2])]), 2),
            ("the agent's own do too", sent([notice(Isolated, &[]), notice(Isolated, &[])]), 2),
        ];
        for (name, sent, count) in cases {
            assert_eq!(sent.len(), count, "{name}: {sent:?}");
        }
        let mut other = notice(Refused, &[2]);
        other.reason = Some("floor".into());
        assert_eq!(sent([notice(Refused, &[1]), other]).len(), 2, "reasons stay apart");
        let reminder = Notice { mark: NoticeMark::Still, ..notice(Withdrawn, &[2]) };
        assert_eq!(sent([reminder, notice(Withdrawn, &[1])]).len(), 2, "news is no reminder");
        let mut late = notice(Withdrawn, &[2]);
        late.at += WINDOW + Duration::from_millis(1);
        assert_eq!(sent([notice(Withdrawn, &[1]), late]).len(), 2, "so do different seconds");
    }

    #[test]
    fn the_last_message_about_an_address_is_about_its_last_event() {
        let cases: [(&str, Vec<Notice>, &[&str]); 4] = [
            (
                "out, back, out again are three messages",
                vec![notice(Withdrawn, &[1]), notice(Restored, &[1]), notice(Withdrawn, &[1])],
                &["withdrawn 1", "restored 1", "withdrawn 1"],
            ),
            (
                "a withdrawal does not slip in before the address's restoration",
                vec![notice(Withdrawn, &[2]), notice(Restored, &[1]), notice(Withdrawn, &[1])],
                &["withdrawn 2", "restored 1", "withdrawn 1"],
            ),
            (
                "what is about others in between does no harm",
                vec![notice(Withdrawn, &[1]), notice(Restored, &[3]), notice(Withdrawn, &[2])],
                &["withdrawn 1 2", "restored 3"],
            ),
            (
                "nothing slips past a word about the agent",
                vec![notice(Withdrawn, &[1]), notice(Isolated, &[]), notice(Withdrawn, &[2])],
                &["withdrawn 1", "isolated ", "withdrawn 2"],
            ),
        ];
        for (name, notices, want) in cases {
            assert_eq!(sent(notices), want, "{name}");
        }
    }

    #[test]
    fn a_merged_message_has_the_keys_of_all_its_incidents() {
        let mut waiting = NoticeQueue::new(WINDOW);
        for last in [1, 2, 3] {
            assert_eq!(waiting.add(notice(Withdrawn, &[last])), None);
        }
        let merged = waiting.take().pop_front().unwrap();
        let keys = [1, 2, 3].map(|last| notice(Withdrawn, &[last]).incident);
        assert_eq!((&merged.incident, &merged.joined[..]), (&keys[0], &keys[1..]));
    }

    /// A host is drained in two hundred services.
    #[test]
    fn notices_about_one_address_in_many_services_become_one() {
        let services = (0..200).map(|n| {
            let mut notice = notice(Withdrawn, &[1]);
            notice.targets[0].service = Some(format!("s{n}"));
            notice
        });
        let messages = sent(services);
        assert_eq!(messages.len(), 1);
        assert_eq!(messages[0].matches(" 1").count(), 200);
        let mut other = notice(Withdrawn, &[2]);
        other.targets[0].service = Some("s0".into());
        let mut again = notice(Restored, &[1]);
        again.targets[0].service = Some("s0".into());
        let mut first = notice(Withdrawn, &[1]);
        first.targets[0].service = Some("s0".into());
        let kinds = sent([first, other, again]);
        assert_eq!(kinds, ["withdrawn 1 2", "restored 1"]);
    }

    #[test]
    fn joined_evidence_holds_for_each_address() {
        let mut one = notice(Withdrawn, &[1]);
        one.evidence = evidence(5, &["eu-1", "us-1"], 4);
        one.detail = Some("a".into());
        let mut two = notice(Withdrawn, &[2]);
        two.evidence = evidence(3, &["us-1"], 9);
        two.detail = Some("b".into());
        two.names.push("b.example.com".into());
        let mut waiting = NoticeQueue::new(WINDOW);
        for notice in [one, two] {
            assert_eq!(waiting.add(notice), None);
        }
        let both = waiting.take().pop_front().unwrap();
        let took = Some(Duration::from_secs(9));
        assert_eq!(both.evidence, NoticeEvidence { took, ..evidence(3, &["us-1"], 4) });
        assert_eq!(both.detail.as_deref(), Some("a (and others)"));
        assert_eq!(both.names, ["www.example.com", "b.example.com"]);
    }

    #[test]
    fn the_oldest_goes_when_too_many_wait() {
        let mut waiting = NoticeQueue::new(WINDOW);
        let first = notice(Isolated, &[]);
        for count in 0..=MAX_WAITING {
            let mut next = notice(Isolated, &[]);
            next.at += Duration::from_secs(count as u64);
            let gone = waiting.add(next);
            assert_eq!(gone, (count == MAX_WAITING).then(|| first.clone()), "notice {count}");
        }
        assert_eq!(waiting.take().len(), MAX_WAITING);
        assert!(waiting.take().is_empty());
    }
}
