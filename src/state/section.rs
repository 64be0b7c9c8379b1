//! The key of the configuration file that names the state file.

use std::path::PathBuf;

use crate::config::field::{Field, FieldReader};
use crate::config::keys::{Key, Section};
use crate::config::rule::path;
use crate::config::section::{ConfigSection, Described, SectionContext};

/// The value of `state_file`.
pub(crate) struct MemorySection {
    state_file: Field<PathBuf>,
}

impl ConfigSection for MemorySection {
    /// The file that keeps state across restarts.
    type Settings = Option<PathBuf>;

    const SECTION: Section = Section::TOP;

    const KEYS: &'static [Key] = &[Key::new("state_file")];

    fn parse(values: &mut FieldReader<'_>) -> Self {
        Self { state_file: values.one(Self::SECTION, "state_file", path) }
    }

    fn build(&self, context: &mut SectionContext<'_>) -> Option<PathBuf> {
        self.state_file.value().map(|file| context.resolve(file))
    }

    fn describe(state_file: &Option<PathBuf>) -> Vec<Described> {
        let words = match state_file {
            Some(file) => format!("kept in {}", file.display()),
            None => "in the process only: drains and withdrawn records' settings are lost with it"
                .to_owned(),
        };
        vec![("memory", words)]
    }
}
