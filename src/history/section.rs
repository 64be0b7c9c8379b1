//! The keys of the configuration file about the history.

use std::path::PathBuf;

use crate::config::field::{Field, FieldReader};
use crate::config::keys::{Key, Section};
use crate::config::rule::path;
use crate::config::section::{ConfigSection, Described, SectionContext};
use crate::config::value::Value;

/// The size of a history without `history_size`.
const DEFAULT_SIZE: u64 = 64 << 20;

/// The smallest and the largest size of a history.
const SIZES: std::ops::RangeInclusive<u64> = (1 << 20)..=(1 << 40);

/// The values of the keys about the history.
pub(crate) struct HistorySection {
    file: Field<PathBuf>,
    size: Field<u64>,
}

/// Where the history is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistoryConfig {
    /// The newer file. The older one has `.1` at its end.
    pub file: PathBuf,
    /// The most bytes of both.
    pub size: u64,
}

impl HistoryConfig {
    /// Returns the path of the older file.
    pub(crate) fn older(&self) -> PathBuf {
        let mut name = self.file.as_os_str().to_owned();
        name.push(".1");
        PathBuf::from(name)
    }
}

/// Reads a number of bytes, or a text such as `64MiB`.
fn size(value: &Value) -> Result<u64, String> {
    let read = match value {
        Value::Integer(bytes) => u64::try_from(*bytes).ok(),
        Value::Text(text) => text_size(text),
        _ => None,
    };
    read.filter(|size| SIZES.contains(size)).ok_or_else(|| {
        "from 1 MiB to 1 TiB, as a number of bytes or a text such as \"64MiB\"".to_owned()
    })
}

fn text_size(text: &str) -> Option<u64> {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let factor: u64 = match unit.trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "kb" => 1_000,
        "kib" | "k" => 1 << 10,
        "mb" => 1_000_000,
        "mib" | "m" => 1 << 20,
        "gb" => 1_000_000_000,
        "gib" | "g" => 1 << 30,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(factor)
}

impl ConfigSection for HistorySection {
    /// Where the history is kept, if it is.
    type Settings = Option<HistoryConfig>;

    const SECTION: Section = Section::TOP;

    const KEYS: &'static [Key] = &[Key::new("history_file"), Key::new("history_size")];

    fn parse(values: &mut FieldReader<'_>) -> Self {
        Self {
            file: values.one(Self::SECTION, "history_file", path),
            size: values.one(Self::SECTION, "history_size", size),
        }
    }

    fn build(&self, context: &mut SectionContext<'_>) -> Option<HistoryConfig> {
        let file = self.file.value().map(|file| context.resolve(file))?;
        Some(HistoryConfig { file, size: self.size.or(DEFAULT_SIZE) })
    }

    fn advise(&self, built: &Option<HistoryConfig>, context: &mut SectionContext<'_>) {
        if let Some(at) = self.size.present().filter(|_| built.is_none()) {
            context.report.warn(&at.spot, "has no effect without history_file");
        }
    }

    fn describe(history: &Option<HistoryConfig>) -> Vec<Described> {
        let Some(HistoryConfig { file, size }) = history else { return Vec::new() };
        let words = format!("kept in {}, at most {} MiB", file.display(), size >> 20);
        vec![("history", words)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_is_a_number_of_bytes_or_a_text_with_a_unit() {
        let rows = [
            ("64MiB", Some(64 << 20)),
            ("64 mib", Some(64 << 20)),
            ("2GB", Some(2_000_000_000)),
            ("1048576", Some(1 << 20)),
            ("1M", Some(1 << 20)),
            ("64", None),
            ("MiB", None),
            ("-1MiB", None),
            ("99999999999999999999GiB", None),
            ("18446744073709551615GiB", None),
        ];
        for (text, want) in rows {
            assert_eq!(size(&Value::Text(text.to_owned())).ok(), want, "{text}");
        }
        assert_eq!(size(&Value::Integer(1 << 20)), Ok(1 << 20));
        assert!(size(&Value::Integer(-1)).is_err() && size(&Value::Truth(true)).is_err());
    }
}
