//! The network path between this agent and the services it uses: proxies and certificate
//! authorities named by the environment. Settings that cannot work are refused here, since they
//! would otherwise fail in the middle of a failover.

use std::collections::BTreeSet;

use hyper::Uri;

use crate::config::problem::Spot;
use crate::config::section::SectionContext;
use crate::dns::providers::section::BuiltProvider;
use crate::http::proxy::Proxies;

/// Refuses settings that cannot work, and describes the network path. `receivers` are the receivers
/// of notices, with their URLs.
pub(super) fn check(
    providers: &[BuiltProvider],
    receivers: &[(&str, String)],
    context: &mut SectionContext<'_>,
) -> Option<String> {
    let (mut parties, mut trusted) = (Vec::new(), BTreeSet::new());
    for provider in providers {
        let api = (provider.settings.name(), provider.network.requested_url(context));
        if !parties.contains(&api) {
            parties.push(api);
        }
        trusted.extend(provider.network.authorities(context));
    }
    parties.extend_from_slice(receivers);
    let proxies = Proxies::read(context.env);
    let (mut words, mut refused) = (Vec::new(), BTreeSet::new());
    for (party, url) in &parties {
        let Ok(uri) = url.parse::<Uri>() else { continue };
        let Some(via) = proxies.via(&uri) else { continue };
        match via.trouble() {
            None => words.push(format!("{party} through {via}")),
            Some(why) if refused.insert(via.variable()) => {
                let host = uri.host().unwrap_or_default();
                let what = format!("{why} (for {host})");
                context.report.refuse(&Spot::variable(via.variable()), what);
            }
            Some(_) => {}
        }
    }
    words.extend(trusted);
    (!words.is_empty()).then(|| words.join("; "))
}
