//! `goavail plan` of a file with several services, in two zones.

#![expect(clippy::unwrap_used, reason = "a test's helper fails as the test does")]

use std::fmt::Write as _;

use goavail::testing::status::model::Status;
use goavail::testing::status::{Board, ServiceSetup, Setup, ZoneSetup};
use serde_json::Value;

use crate::commands::{Ended, Place, now};
use crate::fake_cloudflare::{Entry, FakeCloudflare, TOKEN};
use crate::status_sample::{ip, setup};

/// The zone `main` with the services `www` and `api`, and the zone `shop` with `cart`. All records are as
/// they should be.
struct TwoZones {
    main: FakeCloudflare,
    shop: FakeCloudflare,
    place: Place,
}

impl TwoZones {
    fn new() -> Self {
        let main = FakeCloudflare::start("example.com");
        let shop = FakeCloudflare::start("example.net");
        for name in ["www.example.com", "api.example.com"] {
            main.zone(|zone| _ = zone.seed("A", name, "192.0.2.10"));
        }
        shop.zone(|zone| _ = zone.seed("A", "cart.example.net", "192.0.2.10"));
        let mut file = String::new();
        for (name, domain, zone) in [("main", "example.com", &main), ("shop", "example.net", &shop)]
        {
            _ = write!(
                file,
                "[zone.{name}]\nprovider = \"cloudflare\"\ndomain = \"{domain}\"\n\
                 api_url = \"{}\"\n",
                zone.url()
            );
        }
        for (name, zone) in [("www", "main"), ("api", "main"), ("cart", "shop")] {
            _ = write!(
                file,
                "[[service]]\nname = \"{name}\"\nzone = \"{zone}\"\nhostnames = [\"{name}\"]\n\
                 ip_addresses = [\"192.0.2.10\"]\n"
            );
        }
        Self { main, shop, place: Place::new(&file) }
    }

    async fn plan(&self, arguments: &str) -> Ended {
        let ended = self.place.run(&format!("plan {arguments}"), &[("CF_API_TOKEN", TOKEN)]).await;
        for zone in [&self.main, &self.shop] {
            assert_eq!(zone.count(Entry::writes), 0, "plan wrote: {ended:?}");
        }
        ended
    }
}

/// Returns the zones that the JSON says could not be read.
fn unread(json: &str) -> Vec<String> {
    let json: Value = serde_json::from_str(json).unwrap();
    let zones = json["unread"].as_array().unwrap().iter();
    zones.map(|zone| zone["zone"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn the_services_of_an_unreadable_zone_are_counted_and_its_error_is_printed_once() {
    let zones = TwoZones::new();
    zones.shop.zones(Vec::clear);
    let (code, text, complaint) = zones.plan("").await;
    assert_eq!(code, 1, "{text}{complaint}");
    assert_eq!(text.matches("could not read the zone shop: ").count(), 1, "{text}");
    assert_eq!(complaint, "goavail: could not read 1 of 2 zones\n");
    assert!(text.ends_with("\n0 of 3 services with a difference, 1 not compared\n"), "{text}");
    let (code, json, _) = zones.plan("--json").await;
    assert_eq!((code, unread(&json)), (1, vec!["shop".to_owned()]), "{json}");
    let (code, text, complaint) = zones.plan("--service cart").await;
    assert_eq!((code, text.as_str()), (1, ""));
    assert!(complaint.starts_with("goavail: could not read the zone shop: "), "{complaint}");
}

#[tokio::test]
async fn without_a_readable_zone_all_of_them_are_named() {
    let zones = TwoZones::new();
    for zone in [&zones.main, &zones.shop] {
        zone.zones(Vec::clear);
    }
    let (code, text, complaint) = zones.plan("").await;
    assert_eq!((code, complaint.as_str()), (1, "goavail: could not read 2 of 2 zones\n"));
    for name in ["main", "shop"] {
        assert!(text.contains(&format!("! could not read the zone {name}: ")), "{text}");
    }
    assert!(text.ends_with("\n0 of 3 services with a difference, 3 not compared\n"), "{text}");
    let (code, json, _) = zones.plan("--json").await;
    assert_eq!((code, unread(&json)), (1, vec!["main".to_owned(), "shop".to_owned()]), "{json}");
}

#[tokio::test]
async fn a_service_that_the_running_agent_does_not_have_is_named() {
    let zones = TwoZones::new();
    let service = ServiceSetup {
        id: 1.into(),
        name: "www".to_owned(),
        zone: 1.into(),
        checks: vec!["by echo requests".to_owned()],
        targets: vec![ip("192.0.2.10")],
        names: vec!["www.example.com".to_owned()],
    };
    let zone = ZoneSetup {
        id: 1.into(),
        name: "main".to_owned(),
        provider: "Cloudflare".to_owned(),
        word: "cloudflare",
        domain: "example.com".to_owned(),
    };
    let setup = Setup { services: vec![service], zones: vec![zone], ..setup(&[]) };
    let mut board = Board::new(setup, now());
    board.publish(now());
    let status: Status = board.reader().snapshot().status();
    let _agent = zones.place.serve(board);
    let (code, text, _) = zones.plan("").await;
    assert_eq!(code, 0, "{text}");
    let agent = &status.agent.name;
    for name in ["api", "cart"] {
        let line = format!(
            "\n{name}: no difference if all targets were healthy (agent {agent}: it has no service \
             called {name})\n"
        );
        assert!(text.contains(&line), "{line} is missing:\n{text}");
    }
    assert!(text.contains("www: no difference by the agent's verdicts\n"), "{text}");
}
