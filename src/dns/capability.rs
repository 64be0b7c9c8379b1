//! The capabilities of a provider, as it declares them: `check` shows them, and the contract suite of
//! the providers runs by them.

use serde::{Serialize, Serializer};

/// One thing that some providers can do and others cannot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Capability {
    /// Refuses to change a record set that was changed after it was listed, so that of two changes
    /// the second one fails.
    CompareAndSwap,
    /// Refuses the second of two changes to one record. Changes to different records of one set
    /// both succeed.
    RecordByRecord,
    /// Carries out a change as a whole or not at all, for any number of records.
    AllOrNothing,
    /// Keeps settings of a record beside its TTL, such as a comment, so that they can be restored.
    Settings,
    /// Can contain one record twice.
    Duplicates,
    /// Lists a zone in pages.
    Pages,
    /// Asks for a pause while it is busy.
    Pauses,
    /// Asks for a pause when a limit on requests is reached.
    PausesAtLimit,
}

/// All capabilities, in the order in which they are shown.
const ALL: [Capability; 8] = [
    Capability::CompareAndSwap,
    Capability::RecordByRecord,
    Capability::AllOrNothing,
    Capability::Settings,
    Capability::Duplicates,
    Capability::Pages,
    Capability::Pauses,
    Capability::PausesAtLimit,
];

impl Capability {
    /// Returns the rest of a sentence that begins with "it can" or "it cannot".
    pub fn in_words(self) -> &'static str {
        match self {
            Self::CompareAndSwap => "refuse a change that comes second",
            Self::RecordByRecord => "refuse a change of the same record that comes second",
            Self::AllOrNothing => "make a change all or nothing",
            Self::Settings => "keep comments and other settings",
            Self::Duplicates => "hold a record twice",
            Self::Pages => "list a zone in pages",
            Self::Pauses => "ask for a pause",
            Self::PausesAtLimit => "ask for a pause at its limit",
        }
    }

    /// Returns the name for machines.
    fn as_label(self) -> &'static str {
        match self {
            Self::CompareAndSwap => "compare_and_swap",
            Self::RecordByRecord => "record_by_record",
            Self::AllOrNothing => "all_or_nothing",
            Self::Settings => "settings",
            Self::Duplicates => "duplicates",
            Self::Pages => "pages",
            Self::Pauses => "pauses",
            Self::PausesAtLimit => "pauses_at_limit",
        }
    }
}

impl Serialize for Capability {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(self.as_label())
    }
}

/// The declared capabilities of a provider.
#[derive(Debug, Clone, Copy)]
pub struct Capabilities(&'static [Capability]);

impl Capabilities {
    /// Declares these capabilities, and no others.
    pub const fn new(declared: &'static [Capability]) -> Self {
        Self(declared)
    }

    /// Whether the provider declares this one.
    pub fn has(self, capability: Capability) -> bool {
        self.0.contains(&capability)
    }

    /// Whether the second of two changes to one record is refused.
    pub(crate) fn refuses_second(self) -> bool {
        self.has(Capability::CompareAndSwap) || self.has(Capability::RecordByRecord)
    }

    /// Returns the declared capabilities in the order in which they are shown.
    pub(crate) fn declared(self) -> Vec<Capability> {
        ALL.into_iter().filter(|capability| self.has(*capability)).collect()
    }

    /// Describes them in two lines of `check`, with their labels: the capabilities, and the weaker
    /// guard if the provider cannot refuse a change.
    pub(crate) fn in_words(self) -> Vec<(&'static str, String)> {
        let words: Vec<&str> = self.declared().into_iter().map(Capability::in_words).collect();
        let words = if words.is_empty() { "change records".to_owned() } else { words.join(", ") };
        let mut lines = vec![("can", words)];
        if !self.refuses_second() {
            let weaker = "this provider cannot refuse a change that comes second";
            lines.push(("guard weaker:", weaker.to_owned()));
        }
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_provider_cannot_refuse_weakens_a_guard() {
        let weaker = "guard weaker: this provider cannot refuse a change that comes second";
        let cases: [(&str, &'static [Capability], &[&str]); 4] = [
            ("nothing declared", &[], &["can change records", weaker]),
            (
                "a set as a whole",
                &[Capability::AllOrNothing, Capability::CompareAndSwap],
                &["can refuse a change that comes second, make a change all or nothing"],
            ),
            (
                "each record",
                &[Capability::RecordByRecord],
                &["can refuse a change of the same record that comes second"],
            ),
            (
                "settings alone",
                &[Capability::Settings],
                &["can keep comments and other settings", weaker],
            ),
        ];
        for (name, declared, want) in cases {
            let lines = Capabilities::new(declared).in_words();
            let lines: Vec<_> =
                lines.iter().map(|(label, words)| format!("{label} {words}")).collect();
            assert_eq!(lines, want, "{name}");
        }
    }

    #[test]
    fn every_capability_has_words_and_a_label_of_its_own() {
        for (nth, one) in ALL.iter().enumerate() {
            for other in &ALL[nth + 1..] {
                assert_ne!(one.in_words(), other.in_words());
                assert_ne!(one.as_label(), other.as_label());
            }
        }
    }
}
