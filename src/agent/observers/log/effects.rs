//! Log lines about the effect of changes, as name servers show it.

use tracing::field::display;
use tracing::{info, warn};

use super::{list, zone_field};
use crate::agent::clock::wall_at;
use crate::dns::confirm::effect::{ChangeEffect, EffectNews, ZoneNews};
use crate::engine::Engine;
use crate::text::brief;

/// Writes news about the changes of a zone.
pub(super) fn write(engine: &Engine, ZoneNews { zone, provider, news }: &ZoneNews) {
    let zone = zone_field(engine, *zone);
    match news {
        EffectNews::Visible { effect, .. } => visible(engine, effect, provider),
        EffectNews::NotVisible(effect) => not_visible(engine, effect, provider),
        EffectNews::Unprovable(set, obstacle) => info!(
            name = set.name,
            r#type = set.family.as_str(),
            zone,
            "name servers are not asked about this record set: {obstacle}"
        ),
        EffectNews::NoServers(why) => {
            warn!(zone, "cannot find the name servers of the zone; retrying: {why}");
        }
        EffectNews::ServersFound => info!(zone, "found the name servers of the zone"),
        EffectNews::GivenUp(_) | EffectNews::State(..) | EffectNews::Lost => {}
    }
}

fn visible(engine: &Engine, effect: &ChangeEffect, provider: &str) {
    let service = effect.service.and_then(|it| engine.settings().shown_name(it)).map(display);
    let (target, names, lag) = (effect.address, list(&effect.names), brief(effect.after));
    let words = effect.in_words(provider, wall_at(effect.visible_at()));
    info!(%target, service, names, lag, "change is visible: {words}");
}

fn not_visible(engine: &Engine, effect: &ChangeEffect, provider: &str) {
    let service = effect.service.and_then(|it| engine.settings().shown_name(it)).map(display);
    let (target, names) = (effect.address, list(&effect.names));
    let words = effect.in_words(provider, wall_at(effect.visible_at()));
    warn!(%target, service, names, "change is not visible: {words}");
}
