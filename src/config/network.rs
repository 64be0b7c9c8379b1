//! The network path between this agent and the services it uses: proxies and certificate
//! authorities named by the environment. Settings that cannot work are refused here, since they
//! would otherwise fail in the middle of a failover.

use std::collections::BTreeSet;
use std::path::Path;

use hyper::Uri;

use super::disclosure;
use super::document::hidden;
use super::field::not_allowed;
use super::problem::{Report, Spot};
use super::{Env, ProviderConfig};
use crate::http::proxy::Proxies;
use crate::http::roots;

/// Default URL of Route 53.
const ROUTE53: &str = "https://route53.amazonaws.com";

/// Variables that redirect AWS's own tools, in order of precedence.
const ENDPOINTS: [&str; 2] = ["AWS_ENDPOINT_URL_ROUTE_53", "AWS_ENDPOINT_URL"];

/// Refuses settings that cannot work, and describes the network path. `hooks` are the other
/// receivers, with their URLs.
pub(super) fn check(
    provider: &ProviderConfig,
    hooks: &[(&str, String)],
    env: Env<'_>,
    report: &mut Report,
) -> Option<String> {
    let api = match provider {
        ProviderConfig::Cloudflare(cloudflare) => cloudflare.api_url.clone(),
        ProviderConfig::Route53(route53) => {
            route53.api_url.clone().unwrap_or_else(|| endpoint(env, report))
        }
    };
    let proxies = Proxies::read(env);
    let (mut words, mut refused) = (Vec::new(), BTreeSet::new());
    let api = (provider.name(), api);
    for (who, url) in std::iter::once(&api).chain(hooks) {
        let Ok(uri) = url.parse::<Uri>() else { continue };
        let Some(via) = proxies.via(&uri) else { continue };
        match via.trouble() {
            None => words.push(format!("{who} through {via}")),
            Some(why) if refused.insert(via.variable()) => {
                let host = uri.host().unwrap_or_default();
                report.refuse(&Spot::variable(via.variable()), format!("{why} (for {host})"));
            }
            Some(_) => {}
        }
    }
    if let ProviderConfig::Route53(_) = provider {
        words.extend(authorities(env, report));
    }
    (!words.is_empty()).then(|| words.join("; "))
}

/// Returns the URL of Route 53 according to AWS's own variables.
fn endpoint(env: Env<'_>, report: &mut Report) -> String {
    let set = |name: &'static str| Some((name, env(name).filter(|url| !url.is_empty())?));
    let Some((variable, url)) = ENDPOINTS.into_iter().find_map(set) else {
        return ROUTE53.to_owned();
    };
    let uri = url.parse::<Uri>().ok();
    let is_web = uri.is_some_and(|uri| matches!(uri.scheme_str(), Some("http" | "https")));
    if !is_web {
        let what = not_allowed(&hidden(&url), "a URL that begins with https:// or http://");
        report.refuse(&Spot::variable(variable), what);
    }
    url
}

/// Returns the file of certificate authorities that AWS's own tools trust instead of the system's.
fn authorities(env: Env<'_>, report: &mut Report) -> Option<String> {
    let variable = "AWS_CA_BUNDLE";
    let path = env(variable).filter(|path| !path.is_empty())?;
    let shown = disclosure::path(&path);
    match roots::bundle(Path::new(&path)) {
        Ok(_) => Some(format!("AWS is trusted by {shown} alone ({variable})")),
        Err(why) => {
            report.refuse(&Spot::variable(variable), format!("{shown}: {why}"));
            None
        }
    }
}
