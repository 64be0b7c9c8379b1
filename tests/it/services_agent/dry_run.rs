//! Dry-run with several zones.

use super::account::Account;
use super::{Machines, ServiceSpec};
use crate::agent::{Setup, Within};

#[test]
fn a_zone_that_dry_run_cannot_read_is_named() {
    let machines = Machines::new(2);
    let mail = ServiceSpec { zone: 1, ..ServiceSpec::new("mail", [1]) };
    let services = [ServiceSpec::new("www", [0]), mail];
    let account = Account::cloudflare(&machines, &services);
    // Without the token.
    let setup = Setup::new(&machines.together("", &services, &account), Within::Here);
    let mut agent = setup.args(["monitor"]).start();
    for zone in [" zone=z0", " zone=z1"] {
        agent.nth(1, &["WARN", "dry-run could not read the zone", zone]);
    }
}
