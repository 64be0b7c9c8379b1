//! The configuration: the meaning of a file, and the answer to each kind of bad file, word for word.
//!
//! Tests feed text to `settings::parse`; tests that need a real file or a real process are in
//! `check`.

use std::path::Path;

use goavail::testing::dns::{CloudflareConfig, Route53Config};
use goavail::testing::settings::{Asked, Config, parse};

mod any_text;
mod checks;
mod environment;
mod examples;
mod golden;
mod keys;
mod network;
mod old_files;
mod rfc2136;
mod secrets;
mod services;
mod shipped;
mod status_alone;
mod syntax;
mod together;
mod token_files;
mod values;
mod warnings;

/// The smallest complete section.
const CLOUDFLARE: &str = "[Cloudflare]\ndns_domain = \"example.com\"\nhostnames = [\"www\"]\n\
                          ip_addresses = [\"192.0.2.10\", \"192.0.2.11\"]\n";

/// The same for the other provider.
const ROUTE53: &str = "[Route53]\naws_domain = \"example.com\"\nhostnames = [\"www\"]\n\
                       ip_addresses = [\"192.0.2.10\", \"192.0.2.11\"]\n";

/// The default options of the command line.
const ASKED: Asked = Asked { tcp: None, provider: None, dry_run: true };

const ON_ROUTE53: Asked = Asked { provider: Some("route53"), ..ASKED };

/// The result of `text` in an environment of these variables; errors a line each.
fn read_with(text: &str, asked: Asked, env: &[(&str, &str)]) -> Result<Config, Vec<String>> {
    let env =
        |name: &str| env.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
    parse(text, Path::new("goavail.toml"), &asked, &env)
        .map_err(|errors| errors.problems().iter().map(ToString::to_string).collect())
}

fn read(text: &str) -> Result<Config, Vec<String>> {
    read_with(text, ASKED, &[])
}

#[track_caller]
fn good(text: &str) -> Config {
    read(text).unwrap_or_else(|problems| panic!("{text}\n{problems:#?}"))
}

#[track_caller]
fn refused(text: &str) -> Vec<String> {
    match read(text) {
        Err(problems) => problems,
        Ok(config) => panic!("{text}\n{config:#?}"),
    }
}

fn cloudflare(config: &Config) -> &CloudflareConfig {
    settings(config)
}

fn route53(config: &Config) -> &Route53Config {
    settings(config)
}

/// The settings of the provider that has such settings.
fn settings<T: 'static>(config: &Config) -> &T {
    let settings: &dyn std::any::Any = &*config.default_zone().provider;
    settings.downcast_ref().unwrap_or_else(|| panic!("another provider: {config:?}"))
}

/// A file with one unusual line, `key = value` in `section`, and that line's number.
fn with_key(section: &str, key: &str, value: &str) -> (String, usize) {
    let line = format!("{key} = {value}\n");
    if section.is_empty() {
        return (format!("{line}{CLOUDFLARE}"), 1);
    }
    let others = if section == "Cloudflare" {
        let own = format!("{key} ");
        let rest = CLOUDFLARE.split_inclusive('\n').skip(1);
        rest.filter(|other| !other.starts_with(&own)).collect()
    } else {
        CLOUDFLARE.to_owned()
    };
    (format!("[{section}]\n{line}{others}"), 2)
}

/// A key as problems name it.
fn whole_key(section: &str, key: &str) -> String {
    if section.is_empty() { key.to_owned() } else { format!("{section}.{key}") }
}
