//! `[[service]]`: two services over two zones with a token each, on the same machines.

use std::net::IpAddr;

use rustix::process::Signal;

use super::tcp::{Listener, PORT};
use super::{
    Entry, PATIENT, QUICK, WWW, count, first, nth, publish, target, until_written, writes,
};
use crate::agent::{Agent, Within};
use crate::fake_cloudflare::{self, FakeCloudflare, Fault, TOKEN};
use crate::lab::{Lab, run, v4};

const SHOP: &str = "shop.example.net";

/// The token of the second account.
const OTHER: &str = "tokentokentokentokentokentokentokentoken";

/// Two accounts of one provider, with a zone each, and machines that serve both.
///
/// Field order is drop order.
struct TwoZones {
    main: FakeCloudflare,
    shop: FakeCloudflare,
    lab: Lab,
}

impl TwoZones {
    /// With these machines alive and published at both names.
    fn serving(machines: &[IpAddr]) -> Self {
        let lab = Lab::new();
        lab.add(machines);
        let place = lab.agent(0);
        let account = |zone: &str, token| {
            let setup = fake_cloudflare::Setup { token, ..Default::default() };
            FakeCloudflare::start_with(zone, setup, place.entering())
        };
        let (main, shop) = (account("example.com", TOKEN), account("example.net", OTHER));
        publish(&main, &[WWW], machines);
        publish(&shop, &[SHOP], machines);
        Self { main, shop, lab }
    }

    /// The file: `www` by echo requests, `shop` by connects.
    fn config(&self, machines: &[IpAddr]) -> String {
        let machines: Vec<_> = machines.iter().map(ToString::to_string).collect();
        let (main, shop) = (self.main.url(), self.shop.url());
        format!(
            "{QUICK}min_in_service = 1\n\
             [zone.main]\nprovider = \"cloudflare\"\ndomain = \"example.com\"\n\
             token_file = \"main\"\napi_url = \"{main}\"\n\
             [zone.shop]\nprovider = \"cloudflare\"\ndomain = \"example.net\"\n\
             token_file = \"shop\"\napi_url = \"{shop}\"\n\
             [[service]]\nname = \"www\"\nzone = \"main\"\nhostnames = [\"www\"]\n\
             ip_addresses = {machines:?}\n\
             [[service]]\nname = \"shop\"\nzone = \"shop\"\nhostnames = [\"shop\"]\n\
             ip_addresses = {machines:?}\ncheck = {{ type = \"tcp\", port = {PORT} }}\n"
        )
    }

    /// Opens the port on these machines.
    fn listen(&self, machines: &[IpAddr]) -> Vec<Listener> {
        machines.iter().map(|machine| Listener::at(&self.lab, *machine)).collect()
    }

    /// Starts an agent, and waits until it has confirmed `machines` in both services.
    fn confirmed(&self, config: &str, machines: &[IpAddr]) -> Agent {
        let setup = crate::agent::Setup::new(config, self.place());
        setup.write("main", &format!("{TOKEN}\n"));
        setup.write("shop", &format!("{OTHER}\n"));
        let setup = setup.env("RUST_LOG", "info,goavail=trace");
        let mut agent = setup.args(["--no-dry-run", "monitor"]).start();
        nth(&mut agent, 2 * machines.len(), &["target confirmed up"]);
        agent
    }

    /// The place of the agent.
    fn place(&self) -> Within<'_> {
        Within::Lab(self.lab.agent(0))
    }

    /// The addresses at both names.
    fn published(&self) -> [Vec<String>; 2] {
        let shop = self.shop.zone(|zone| zone.contents("A", SHOP));
        [self.main.zone(|zone| zone.contents("A", WWW)), shop]
    }
}

fn texts(machines: &[IpAddr]) -> Vec<String> {
    machines.iter().map(ToString::to_string).collect()
}

#[test]
fn a_dead_machine_leaves_both_services_and_a_dead_port_only_the_one_that_asks_it() {
    run(|| {
        let machines = [v4(1), v4(2), v4(3)];
        let zones = TwoZones::serving(&machines);
        let mut listeners = zones.listen(&machines);
        let mut agent = zones.confirmed(&zones.config(&machines), &machines);
        assert_eq!((writes(&zones.main), writes(&zones.shop)), (0, 0));

        // The port of one machine: it stays in the service that is asked by echo requests.
        listeners.remove(1);
        until_written(&zones.shop, 1);
        first(&mut agent, &["withdrew", &target(v4(2))]);
        assert_eq!(zones.published(), [texts(&machines), texts(&[v4(1), v4(3)])]);
        assert_eq!(writes(&zones.main), 0);

        // A whole machine.
        let cut = zones.lab.remove(&[v4(3)]);
        until_written(&zones.main, 1);
        until_written(&zones.shop, 2);
        assert!(cut.before < cut.after);
        nth(&mut agent, 2, &["withdrew", &target(v4(3))]);
        assert_eq!(zones.published(), [texts(&[v4(1), v4(2)]), texts(&[v4(1)])]);

        // The floor of the shop keeps the last address in, that of the other one has room.
        listeners.clear();
        zones.lab.remove(&[v4(1)]);
        until_written(&zones.main, 2);
        first(&mut agent, &["floor", &target(v4(1))]);
        first(&mut agent, &["withdrew", &target(v4(1))]);
        assert_eq!(zones.published(), [texts(&[v4(2)]), texts(&[v4(1)])]);

        zones.lab.add(&[v4(1), v4(3)]);
        until_written(&zones.main, 3);
        listeners.extend(zones.listen(&machines));
        nth(&mut agent, 4, &["restored"]);
        assert_eq!(zones.published(), [texts(&machines), texts(&machines)]);
        agent.signal(Signal::TERM);
        let stderr = agent.wait_end(PATIENT).stderr;
        assert!(!stderr.contains(TOKEN) && !stderr.contains(OTHER), "{stderr}");
    });
}

/// A reboot: one command takes the machine out of both services, or of neither.
#[test]
fn a_machine_is_drained_in_all_services_and_each_command_names_them() {
    run(|| {
        let machines = [v4(1), v4(2)];
        let zones = TwoZones::serving(&machines);
        let _listeners = zones.listen(&machines);
        let config = zones.config(&machines);
        let (top, rest) = config.split_once("[zone.main]").expect("there is a zone");
        let config = format!(
            "{top}state_file = \"state.json\"\n[Status]\nsocket = \"s.sock\"\n[zone.main]{rest}"
        );
        let mut agent = zones.confirmed(&config, &machines);
        let [one, two] = [v4(1), v4(2)].map(|machine| machine.to_string());
        let (code, output) = agent.command(zones.place(), &["drain", &one, "--reason", "reboot"]);
        assert_eq!(code, Some(0), "{output}");
        assert_eq!(output, format!("drained www/{one}, shop/{one}\n"));
        first(&mut agent, &["drained by operator", "service=www"]);
        until_written(&zones.main, 1);
        until_written(&zones.shop, 1);
        nth(&mut agent, 2, &["withdrew", &target(v4(1))]);
        assert_eq!(zones.published(), [texts(&[v4(2)]), texts(&[v4(2)])]);

        // The floor of both forbids it. With --force it is one of them alone.
        let (code, output) = agent.command(zones.place(), &["drain", &two]);
        assert_eq!(code, Some(1), "{output}");
        assert!(output.contains("(www)") && output.contains("(shop)"), "{output}");
        let (_, output) = agent.command(zones.place(), &["undrain", &format!("shop/{one}")]);
        assert_eq!(output, format!("gave shop/{one} back to the agent\n"));
        until_written(&zones.shop, 2);
        first(&mut agent, &["restored", &target(v4(1)), "service=shop"]);
        assert_eq!(zones.published(), [texts(&[v4(2)]), texts(&machines)]);

        let (code, output) = agent.command(zones.place(), &["status"]);
        assert_eq!(code, Some(0), "{output}");
        let place = |line: &str| output.find(line).unwrap_or_else(|| panic!("{line}: {output}"));
        assert!(place("\nwww: 1 of 2 in service") < place("\nshop: 2 of 2 in service"), "{output}");
        assert!(output.contains(&format!("drained: www/{one}: reboot")), "{output}");
        let (_, output) = agent.command(zones.place(), &["status", "--service", "web"]);
        assert!(output.contains("no service called web; there is www, shop"), "{output}");
        let (code, output) = agent.command(zones.place(), &["plan"]);
        assert_eq!(code, Some(0), "{output}");
        assert!(output.ends_with("\n0 of 2 services with a difference\n"), "{output}");
        let state = std::fs::read_to_string(agent.folder().join("state.json")).unwrap();
        assert!(state.contains("\"version\": 2"), "{state}");
        assert!(state.contains("\"service\": \"www\"") && state.contains("\"zone\": \"main\""));
    });
}

/// A pause that one account asks for holds for that one alone.
#[test]
fn a_pause_of_one_account_does_not_hold_up_the_other() {
    run(|| {
        let machines = [v4(1), v4(2)];
        let zones = TwoZones::serving(&machines);
        let _listeners = zones.listen(&machines);
        let mut agent = zones.confirmed(&zones.config(&machines), &machines);
        zones.main.script(usize::MAX, |_| true, Fault::Throttled("3600".to_owned()));
        zones.lab.remove(&[v4(2)]);
        until_written(&zones.shop, 1);
        first(&mut agent, &["withdrew", &target(v4(2))]);
        assert_eq!(zones.published(), [texts(&machines), texts(&[v4(1)])]);
        assert_eq!(zones.main.count(Entry::writes), 0);
    });
}

/// A token that is renewed in its file is used from the next reload on.
#[test]
fn a_reload_reads_the_token_again() {
    run(|| {
        let machines = [v4(1), v4(2)];
        let zones = TwoZones::serving(&machines);
        let _listeners = zones.listen(&machines);
        let mut agent = zones.confirmed(&zones.config(&machines), &machines);
        let file = agent.folder().join("shop");
        std::fs::write(&file, "two\nlines\n").unwrap();
        agent.signal(Signal::HUP);
        first(&mut agent, &["ERROR", "configuration refused", "zone.shop.token_file", "2 lines"]);
        std::fs::write(&file, TOKEN).unwrap();
        agent.signal(Signal::HUP);
        nth(&mut agent, 1, &["configuration in force"]);
        zones.lab.remove(&[v4(2)]);
        until_written(&zones.main, 1);
        first(&mut agent, &["Invalid access token"]);
        assert_eq!(writes(&zones.shop), 0, "with the token of the other account");
        std::fs::write(&file, OTHER).unwrap();
        agent.signal(Signal::HUP);
        nth(&mut agent, 2, &["withdrew", &target(v4(2))]);
        assert_eq!(zones.published(), [texts(&[v4(1)]), texts(&[v4(1)])]);
        assert_eq!(count(&mut agent, &["configuration in force"]), 2);
    });
}
