//! The `goavail.toml` that ships: every key is in it, every guard is on, every example is good.

use std::time::Duration;

use goavail::testing::settings::Asked;

use super::{ASKED, ON_ROUTE53, cloudflare, good, read_with};

const SHIPPED: &str = include_str!("../../../goavail.toml");

/// How long a rehearsal may take from a death to the return.
const HALF_A_MINUTE: Duration = Duration::from_secs(30);

/// An example, if a line of the file is one: `#key = value` or `#[Section]`.
fn example(line: &str) -> Option<&str> {
    let bare = line.strip_prefix('#')?;
    let key = bare.split(" = ").next().filter(|key| *key != bare);
    let is_key = key.is_some_and(|key| {
        key.bytes().all(|b| b.is_ascii_lowercase() || b"_0123456789".contains(&b))
    });
    (is_key || bare.starts_with('[')).then_some(bare)
}

/// The file with those examples taken in for which `wanted` says so.
fn with_examples(wanted: impl Fn(usize, &str) -> bool) -> String {
    let line = |(index, line): (usize, &str)| match example(line) {
        Some(bare) if wanted(index, bare) => format!("{bare}\n"),
        _ => format!("{line}\n"),
    };
    SHIPPED.lines().enumerate().map(line).collect()
}

#[test]
fn it_loads_with_every_guard_on_and_nothing_to_warn_about() {
    let config = good(SHIPPED);
    assert!(config.guards_off.is_empty(), "{:?}", config.guards_off);
    assert!(config.warnings.is_empty(), "{:?}", config.warnings);
    assert!(
        config.default_service().targets.iter().all(std::net::IpAddr::is_loopback),
        "nothing leaves the machine"
    );
    assert!(config.canaries.iter().all(|canary| canary.address.is_loopback()));
    assert_eq!(cloudflare(&config).zone, "example.com");
    assert!(config.default_service().targets.len() > config.default_service().min_in_service);
    assert!(
        config.sections.state_file.is_none() && config.sections.status.socket.is_none(),
        "no folder is written to"
    );
}

#[test]
fn it_rehearses_a_withdrawal_and_a_return_within_half_a_minute() {
    let probing = good(SHIPPED).default_service().first_check().probing.clone();
    let confirmed = probing.recovery().worst;
    let story = confirmed + probing.detection().worst + probing.recovery().worst;
    // The rehearsal waits a few seconds before the death.
    assert!(story + Duration::from_secs(10) < HALF_A_MINUTE, "{story:?}");
    assert_eq!(probing.detection().worst, Duration::from_millis(1900), "as its comment says");
    assert_eq!(probing.detection().best, Duration::from_millis(900), "as its comment says");
}

#[test]
fn every_example_in_it_is_good_by_itself() {
    let mut examples = 0;
    let mut section = usize::MAX;
    for (index, line) in SHIPPED.lines().enumerate() {
        let Some(bare) = example(line) else {
            if line.starts_with('[') {
                section = usize::MAX;
            }
            continue;
        };
        if bare.starts_with('[') {
            section = index;
            continue;
        }
        let text =
            with_examples(|at, bare| at == index || (at == section && bare.starts_with('[')));
        let lonely = ["min_peers_agree", "require"].iter().any(|key| bare.starts_with(key));
        assert_eq!(super::read(&text).is_err(), lonely, "{bare}: {:?}", super::read(&text));
        examples += 1;
    }
    assert_eq!(examples, 58, "examples found");
}

#[test]
fn all_examples_together_are_good_for_all_providers_and_both_kinds_of_probe() {
    // `--type` wins over the checks, with a warning; `check` and `checks` exclude each other. Standbys
    // belong to services.
    let others = ["check = ", "checks = ", "require = ", "standby_below = "];
    let text = with_examples(|_, bare| !others.iter().any(|key| bare.starts_with(key)));
    let on_webhook = Asked { provider: Some("webhook"), ..ASKED };
    for asked in [ASKED, ON_ROUTE53, on_webhook] {
        for tcp in [false, true] {
            let config = read_with(&text, Asked { tcp: Some(tcp), ..asked }, &[]).unwrap();
            assert!(config.guards_off.is_empty(), "{:?}", config.guards_off);
            assert!(config.warnings.is_empty(), "{:?}", config.warnings);
            assert!(config.sections.cluster.is_some() && config.sections.status.listen.is_some());
        }
    }
}

#[test]
fn each_default_in_its_comments_is_the_default() {
    let with = good(&with_examples(|_, bare| {
        ["burst = 1", "ttl = 1", "api_url = \"https://api.cloudflare"]
            .iter()
            .any(|key| bare.starts_with(key))
    }));
    let (given, default) = (cloudflare(&with), good(SHIPPED));
    let default = cloudflare(&default);
    assert_eq!((given.ttl, &given.api_url), (default.ttl, &default.api_url));
}
