//! The zone, and whether resolvers use it.

use std::sync::PoisonError;
use std::time::Duration;

use serde::Deserialize;
use tokio::time::Instant;

use super::call::Ask;
use super::{Cloudflare, ReadError};
use crate::dns::clock::now;
use crate::dns::name::canonical;
use crate::text::{excerpt, first_few};

/// Maximum age of a zone's status when its records are changed.
const STATUS_HOLDS: Duration = Duration::from_hours(1);

/// A zone that was looked up.
#[derive(Debug, Clone)]
pub(super) struct KnownZone {
    pub(super) id: String,
    /// The status: `active`, `pending`, `moved` and others; `None` if the service returns none.
    status: Option<String>,
    looked_up: Instant,
    /// Whether to look it up again before the next listing.
    must_recheck: bool,
}

/// The reason why there is no zone to work in.
#[derive(Debug, thiserror::Error)]
pub(super) enum ZoneError {
    #[error("the answer contains no list of zones")]
    NoList,
    #[error("no zone named {zone} is visible with these credentials; {visible}")]
    Unknown { zone: String, visible: String },
    #[error("{count} zones named {zone} are visible with these credentials; use a token for one")]
    Ambiguous { zone: String, count: usize },
}

impl ZoneError {
    /// Whether the API reported it.
    pub(super) fn is_final(&self) -> bool {
        !matches!(self, Self::NoList)
    }
}

#[derive(Debug, Deserialize)]
struct ZoneEntry {
    id: String,
    name: String,
    status: Option<String>,
}

impl KnownZone {
    /// Returns a warning about a zone that is not active, as a whole sentence.
    pub(super) fn caution(&self, name: &str) -> Option<String> {
        let status = self.status.as_deref().filter(|status| *status != "active")?;
        let why = match status {
            "pending" | "initializing" => {
                "the domain's registrar does not name Cloudflare's name servers yet"
            }
            "moved" => "the domain's registrar does not name Cloudflare's name servers any more",
            "deactivated" => "Cloudflare has switched it off",
            _ => "it is not active",
        };
        let status = excerpt(status);
        Some(format!(
            "zone {name} has the status {status:?} at Cloudflare: {why}, so changes to its records \
             may have no effect"
        ))
    }
}

impl Cloudflare {
    /// Returns the zone, which is looked up once and then remembered until [`Self::forget_zone`].
    pub(super) async fn zone(&self) -> Result<KnownZone, ReadError> {
        let known = self.known_zone.lock().unwrap_or_else(PoisonError::into_inner).clone();
        match known {
            Some(zone) => Ok(zone),
            None => self.look_up().await,
        }
    }

    /// Returns the zone with a current status: a zone that is not active is looked up each time.
    pub(super) async fn zone_in_force(&self) -> Result<KnownZone, ReadError> {
        let known = self.known_zone.lock().unwrap_or_else(PoisonError::into_inner).clone();
        match known.filter(|zone| !zone.must_recheck) {
            Some(zone) => Ok(zone),
            None => self.look_up().await,
        }
    }

    async fn look_up(&self) -> Result<KnownZone, ReadError> {
        let name = canonical(&self.zone);
        let zone = match self.pick(&name, self.zones(Some(&name)).await?) {
            Err(ZoneError::Unknown { zone, .. }) => {
                let visible = visible(&self.zones(None).await?);
                return Err(ZoneError::Unknown { zone, visible }.into());
            }
            picked => picked?,
        };
        let must_recheck = zone.status.as_deref().is_some_and(|status| status != "active");
        let ZoneEntry { id, status, .. } = zone;
        let known = KnownZone { id, status, looked_up: now(), must_recheck };
        let mut before = self.known_zone.lock().unwrap_or_else(PoisonError::into_inner);
        let caution = known.caution(&self.zone);
        let was = before.replace(known.clone()).and_then(|zone| zone.caution(&self.zone));
        match caution {
            Some(caution) if was.as_ref() != Some(&caution) => tracing::warn!("{caution}"),
            None if was.is_some() => tracing::info!("zone {} is active at Cloudflare", self.zone),
            _ => {}
        }
        Ok(known)
    }

    /// Returns the zones of this name, or the first ones of any name.
    async fn zones(&self, name: Option<&str>) -> Result<Vec<ZoneEntry>, ReadError> {
        let mut query = vec![("per_page", "50")];
        query.extend(name.map(|name| ("name", name)));
        let answer = self.api.ask::<Vec<ZoneEntry>>(Ask::get(&["zones"], &query)).await?;
        Ok(answer.result.ok_or(ZoneError::NoList)?)
    }

    /// Returns the only zone of this name; of several, the active one.
    fn pick(&self, name: &str, zones: Vec<ZoneEntry>) -> Result<ZoneEntry, ZoneError> {
        let mut zones: Vec<_> =
            zones.into_iter().filter(|zone| canonical(&zone.name) == name).collect();
        if zones.len() > 1 {
            zones.retain(|zone| zone.status.as_deref() == Some("active"));
        }
        let zone = self.zone.clone();
        match zones.len() {
            0 => Err(ZoneError::Unknown { zone, visible: String::new() }),
            1 => Ok(zones.remove(0)),
            count => Err(ZoneError::Ambiguous { zone, count }),
        }
    }

    /// Makes the next call look the zone up again: it may have been deleted and created anew.
    pub(super) fn forget_zone(&self) {
        *self.known_zone.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Makes the listing after a change look the zone up again, if its status is old.
    pub(super) fn recheck_status_if_old(&self) {
        let mut known = self.known_zone.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(zone) = known.as_mut() {
            zone.must_recheck |= zone.looked_up.elapsed() > STATUS_HOLDS;
        }
    }
}

/// Lists the visible zones, for an operator with a wrong name or a wrong token.
fn visible(zones: &[ZoneEntry]) -> String {
    let names: Vec<_> = zones.iter().map(|zone| excerpt(&zone.name)).collect();
    if names.is_empty() {
        return "they see no zone at all, so they may lack the permission Zone:Read".to_owned();
    }
    format!("they see {}", first_few(&names, 3, ", "))
}
