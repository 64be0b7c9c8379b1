//! The registry of sections, but for the providers'.
//!
//! A section is a type that implements [`ConfigSection`], next to the code that it configures, and a
//! line in `sections!` below.

use std::path::PathBuf;

use crate::cluster::{ClusterConfig, MembersSection};
use crate::config::field::FieldReader;
use crate::config::keys::Schema;
use crate::config::section::{ConfigSection, Described, SectionContext};
use crate::history::section::{HistoryConfig, HistorySection};
use crate::notify::heartbeat::{HeartbeatConfig, HeartbeatSection};
use crate::notify::{NoticesSection, NotifyConfig};
use crate::state::MemorySection;
use crate::status::{StatusConfig, StatusSection};

/// Declares a registry of sections: a struct with the values of each, and one with their settings.
/// `check` describes them in this order.
macro_rules! sections {
    ($visible:vis $parsed:ident => $built:ident {
        $($(#[$doc:meta])* $name:ident: $section:ty => $settings:ty,)+
    }) => {
        /// The values of each section, validated alone.
        pub(super) struct $parsed {
            $(pub(super) $name: $section,)+
        }

        /// The settings of each section.
        #[derive(Debug, Clone)]
        $visible struct $built {
            $($(#[$doc])* $visible $name: $settings,)+
        }

        impl $parsed {
            /// Adds the keys of all sections to those that a file may have.
            pub(super) fn add_to(schema: &mut Schema) {
                $(schema.add(<$section>::SECTION, <$section>::KEYS);)+
            }

            /// Takes the values of all sections out of the file.
            pub(super) fn parse(values: &mut FieldReader<'_>) -> Self {
                Self { $($name: <$section>::parse(values),)+ }
            }

            /// Builds the settings of all sections.
            pub(super) fn build(&self, context: &mut SectionContext<'_>) -> $built {
                $built { $($name: self.$name.build(context),)+ }
            }

            /// Warns about accepted values that may do harm.
            pub(super) fn advise(&self, built: &$built, context: &mut SectionContext<'_>) {
                $(self.$name.advise(&built.$name, context);)+
            }
        }

        impl $built {
            /// Describes all sections, a line for each part.
            pub(super) fn describe(&self) -> Vec<Described> {
                let mut lines = Vec::new();
                $(lines.extend(<$section>::describe(&self.$name));)+
                lines
            }

            /// Returns the guards that are off, by the name of the key that turns each on.
            pub(super) fn guards_off(&self) -> Vec<&'static str> {
                let mut off = Vec::new();
                $(off.extend(<$section>::guards_off(&self.$name));)+
                off
            }
        }
    };
}

sections! {
    pub ParsedSections => Sections {
        /// The other agents; `None` means that this agent runs alone.
        cluster: MembersSection => Option<ClusterConfig>,
        /// The file that keeps state across restarts.
        state_file: MemorySection => Option<PathBuf>,
        /// Where the history is kept.
        history: HistorySection => Option<HistoryConfig>,
        /// Receivers of notices.
        notify: NoticesSection => NotifyConfig,
        /// The service that expects heartbeats.
        heartbeat: HeartbeatSection => Option<HeartbeatConfig>,
        /// Endpoints that serve the status of this agent.
        status: StatusSection => StatusConfig,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::field::Field;
    use crate::config::keys::{Key, Section};
    use crate::config::rule::{integer, truth};
    use crate::config::section::testing;

    /// Everything that a new section needs beside its line in the registry.
    pub(super) struct DummySection {
        size: Field<usize>,
        guard: Field<bool>,
    }

    impl ConfigSection for DummySection {
        type Settings = usize;

        const SECTION: Section = Section::new("Dummy");

        const KEYS: &'static [Key] = &[Key::new("size"), Key::new("guard")];

        fn parse(values: &mut FieldReader<'_>) -> Self {
            Self {
                size: values.one(Self::SECTION, "size", integer(1, 10)),
                guard: values.one(Self::SECTION, "guard", truth),
            }
        }

        fn build(&self, context: &mut SectionContext<'_>) -> usize {
            if self.size.is_absent() {
                let spot = context.missing(Self::SECTION, "size");
                context.report.refuse(&spot, "missing");
            }
            self.size.or(0)
        }

        fn advise(&self, size: &usize, context: &mut SectionContext<'_>) {
            if let Some(at) = self.size.present().filter(|_| *size == 1) {
                context.report.warn(&at.spot, "is small");
            }
            if let Some(at) = self.guard.present().filter(|at| at.value) {
                context.report.warn(&at.spot, "is on");
            }
        }

        fn describe(size: &usize) -> Vec<Described> {
            vec![("dummy", format!("of size {size}"))]
        }

        fn guards_off(size: &usize) -> Vec<&'static str> {
            if *size > 5 { vec!["guard"] } else { Vec::new() }
        }
    }

    sections! {
        pub(super) LongerParsed => LongerSections {
            /// The other agents, as above.
            cluster: MembersSection => Option<ClusterConfig>,
            /// Endpoints of the status, as above.
            status: StatusSection => StatusConfig,
            /// The section of this test.
            dummy: DummySection => usize,
        }
    }

    /// Reads a file with the longer registry: its warnings and settings, or its problems.
    fn read(text: &str) -> Result<(Vec<String>, LongerSections), String> {
        let mut schema = Schema::default();
        LongerParsed::add_to(&mut schema);
        testing::read(text, schema, LongerParsed::parse, |parsed, context| {
            let built = parsed.build(context);
            parsed.advise(&built, context);
            built
        })
    }

    #[test]
    fn a_section_is_a_type_and_a_line_in_the_registry() {
        let (warnings, built) = read("[Dummy]\nsize = 1\nguard = true\n").unwrap();
        assert_eq!(warnings, ["x:2: Dummy.size: is small", "x:3: Dummy.guard: is on"]);
        assert_eq!(built.dummy, 1);
        assert!(built.cluster.is_none() && built.status.listen.is_none());
        let last = built.describe().pop();
        assert_eq!(last, Some(("dummy", "of size 1".to_owned())));
        assert!(built.guards_off().is_empty());
        let (_, built) = read("[Dummy]\nsize = 6\n").unwrap();
        assert_eq!(built.guards_off(), ["guard"]);
        let rows = [
            ("[Dummy]\nsize = 0\n", "x:2: Dummy.size: 0 is not allowed; an integer from 1 to 10"),
            ("[Dummy]\n", "x:1: Dummy.size: missing"),
            ("[Dummy]\nsize = 1\nsiz = 1\n", "x:3: Dummy.siz: not a known key; did you mean size?"),
            (
                "[Dummi]\nsize = 1\n[Dummy]\nsize = 1\n",
                "x:1: Dummi: not a known section; did you mean [Dummy]?",
            ),
            (
                "[Colour]\na = 1\n[Dummy]\nsize = 1\n",
                "x:1: Colour: not a known section; there are [Members], [Status] and [Dummy]",
            ),
            ("size = 1\n[Dummy]\nsize = 1\n", "x:1: size: belongs to [Dummy]"),
        ];
        for (text, want) in rows {
            assert_eq!(read(text).unwrap_err(), want, "{text}");
        }
    }
}
