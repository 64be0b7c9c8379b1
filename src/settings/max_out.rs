//! `max_out`: the share of a service's addresses that may be out for their health at once.

use std::fmt;

use crate::config::field::{Field, FieldReader};
use crate::config::keys::{Key, Section};
use crate::config::problem::Spot;
use crate::config::rule::text;

/// The key of the share.
pub(super) const KEY: Key = Key::new("max_out");

/// Description of the allowed values.
const ALLOWED: &str =
    "a share in percent, in quotes, above \"0%\" and up to \"100%\", with at most two decimals";

/// The number of units in 100 %. The unit is a hundredth of a percent.
const WHOLE: usize = 10_000;

/// A share of the addresses of a service, in hundredths of a percent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Share(usize);

impl Share {
    /// Reads a share such as `50%`, `50 %` or `12.5%`.
    fn read(text: &str) -> Option<Self> {
        let number = text.trim().strip_suffix('%')?.trim_end();
        let (whole, decimals) = number.split_once('.').unwrap_or((number, "0"));
        let fits = (1..=3).contains(&whole.len()) && (1..=2).contains(&decimals.len());
        if !fits || !is_digits(whole) || !is_digits(decimals) {
            return None;
        }
        let units: usize = format!("{whole}{decimals:0<2}").parse().ok()?;
        (1..=WHOLE).contains(&units).then_some(Self(units))
    }

    /// Whether all addresses may be out at once.
    pub(super) fn is_whole(self) -> bool {
        self.0 == WHOLE
    }

    /// Returns the number of addresses that this share of `count` addresses comes to: rounded down, but
    /// at least one.
    fn of(self, count: usize) -> usize {
        (count.saturating_mul(self.0) / WHOLE).max(1)
    }

    /// Returns the most of `count` addresses that may be out; `None` if all of them may be.
    pub(crate) fn limit(self, count: usize) -> Option<usize> {
        Some(self.of(count)).filter(|most| *most < count)
    }

    /// Describes the number that the share of `count` addresses comes to; `None` if it is all of them.
    pub(super) fn in_words(self, count: usize) -> Option<String> {
        let most = self.limit(count)?;
        Some(format!(
            "at most {most} of {count} addresses may be out for their health at once ({self})"
        ))
    }
}

fn is_digits(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit())
}

impl Default for Share {
    fn default() -> Self {
        Self(WHOLE)
    }
}

impl fmt::Display for Share {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (percent, decimals) = (self.0 / 100, format!("{:02}", self.0 % 100));
        match decimals.trim_end_matches('0') {
            "" => write!(out, "{percent}%"),
            decimals => write!(out, "{percent}.{decimals}%"),
        }
    }
}

/// Reads `max_out`, in a section or in a service.
pub(super) fn parse(section: Section, values: &mut FieldReader<'_>) -> Field<Share> {
    values.one(section, KEY.name, text(ALLOWED, Share::read))
}

/// Returns the warning about a share of a single address, which may always be out.
pub(super) fn advise(share: &Field<Share>, count: usize) -> Option<(Spot, String)> {
    let at = share.present().filter(|at| count == 1 && !at.value.is_whole())?;
    let what = format!(
        "{} has no effect on a service with one address; min_in_service keeps the last one",
        at.shown,
    );
    Some((at.spot.clone(), what))
}
