//! Failovers in one zone while the provider of another zone of the same agents is in trouble.
//!
//! The same addresses are in both zones and die in both, so that the zone in trouble has work to do that
//! it cannot. The agents, the kills and the measure are those of `failover`.

use std::fmt::Write as _;
use std::net::IpAddr;
use std::time::Duration;

use crate::Scope;
use crate::agent::{Setup, Within};
use crate::failover::{self, Shape, Story, Watcher};
use crate::fake_cloudflare::{Entry, Fault, TOKEN};
use crate::kit::configuration::{PACE, Pace, ZONE};
use crate::kit::provider::Cloudflare;
use crate::kit::table;
use crate::lab::{self, Lab, Place};

/// The trouble of the provider of the other zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trouble {
    Nothing,
    Hangs,
    Answers500,
    Refuses,
}

impl Trouble {
    const ALL: [Self; 4] = [Self::Nothing, Self::Hangs, Self::Answers500, Self::Refuses];

    /// The fault of each request to the provider.
    fn fault(self) -> Option<Fault> {
        let refusal = r#"{"success":false,"errors":[{"code":9109,"message":"Invalid token"}]}"#;
        match self {
            Self::Nothing => None,
            Self::Hangs => Some(Fault::Hang),
            Self::Answers500 => Some(Fault::Answer(500, "down".to_owned())),
            Self::Refuses => Some(Fault::Answer(403, refusal.to_owned())),
        }
    }

    fn in_words(self) -> &'static str {
        match self {
            Self::Nothing => "is well",
            Self::Hangs => "hangs",
            Self::Answers500 => "answers 500",
            Self::Refuses => "refuses",
        }
    }
}

/// The agents, and how often the address dies.
const SHORT: Shape = Shape::new(1, 1, 10, 5);
const LONG: Shape = Shape::new(1, 1, 10, 20);

pub(crate) fn run(scope: Scope) {
    table::heading("zones: failovers in one zone while the provider of another one is in trouble");
    let shape = scope.pick(SHORT, LONG);
    let mut rows = Vec::new();
    let mut undisturbed = None;
    for trouble in Trouble::ALL {
        let stories = failover::measure(shape, |lab, index, addresses, names| {
            watch(trouble, (lab, index), addresses, names)
        });
        let median = part(&stories, 0.5, |story| story.write);
        let base = *undisturbed.get_or_insert(median);
        rows.push(vec![
            trouble.in_words().to_owned(),
            stories.len().to_string(),
            table::s(median),
            table::s(part(&stories, 1.0, |story| story.write)),
            table::ms(part(&stories, 0.5, |story| story.write.saturating_sub(story.floor))),
            table::ms(part(&stories, 0.5, |story| story.write.saturating_sub(story.flip))),
            format!("{:.3}", median.as_secs_f64() / base.as_secs_f64()),
        ]);
    }
    let columns =
        ["the other one", "kills", "to 1st write", "worst", "over floor", "flip to write", "ratio"];
    table::print(&columns, &rows);
    println!(
        "\n   target: a ratio of at most 1.05. Each kill is at a phase of its own, which moves the time \
         to the\n   first write by up to the interval: \"over floor\" is without that."
    );
}

fn part(stories: &[Story], part: f64, pick: fn(&Story) -> Duration) -> Duration {
    table::quantile(&stories.iter().map(pick).collect::<Vec<_>>(), part)
}

/// An agent with the addresses in two zones at a provider each.
fn watch(
    trouble: Trouble,
    (lab, index): (&Lab, usize),
    addresses: &[IpAddr],
    names: &[String],
) -> Watcher {
    let [provider, other] = [(); 2].map(|()| Cloudflare::start(lab.agent(index), names, addresses));
    if let Some(fault) = trouble.fault() {
        other.fake.script(usize::MAX, |_: &Entry| true, fault);
    }
    let Pace { interval, timeout, retry, threshold } = PACE;
    let quoted: Vec<String> = addresses.iter().map(ToString::to_string).collect();
    let mut config = format!(
        "failure_threshold = {threshold}\ninterval = {interval}\ntimeout = {timeout}\n\
         retry_interval = {retry}\ncanaries = [\"{}\"]\nmin_in_service = 1\n",
        lab::link_v4(Place::World)
    );
    for (zone, provider) in [("main", &provider), ("other", &other)] {
        let _ = write!(
            config,
            "[zone.{zone}]\nprovider = \"cloudflare\"\ndomain = \"{ZONE}\"\napi_url = \"{}\"\n",
            provider.url()
        );
    }
    for (service, zone) in [("www", "main"), ("api", "other")] {
        let _ = write!(
            config,
            "[[service]]\nname = \"{service}\"\nzone = \"{zone}\"\nhostnames = {names:?}\n\
             ip_addresses = {quoted:?}\n"
        );
    }
    let agent = Setup::new(&config, Within::Lab(lab.agent(index)))
        .args(["--no-dry-run", "monitor"])
        .env("CF_API_TOKEN", TOKEN)
        .start();
    Watcher::new(lab::link_v4(Place::Agent(index)), agent, Box::new(provider)).keeping(other)
}
