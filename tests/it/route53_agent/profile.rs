//! `profile` of a zone: its keys are used, also where the environment has others.

use super::{Harness, QUICK, ZONE, anonymous_as};
use crate::contract::NAMES;
use crate::moto::set;

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_zone_with_a_profile_uses_its_keys_and_not_those_of_the_environment() {
    let Some(mut harness) = Harness::new().await else { return };
    let (dead, alive) = (harness.text(0), harness.text(1));
    harness.zone.put([set(NAMES[0], "A", &[&dead, &alive]).build().unwrap()]).await;
    let text = format!(
        "{QUICK}[zone.aws]\nprovider = \"route53\"\ndomain = \"{ZONE}\"\naws_zoneid = \"{}\"\n\
         api_url = \"{}\"\nprofile = \"dns\"\n\
         [[service]]\nname = \"www\"\nhostnames = [\"{}\"]\nip_addresses = [\"{dead}\", \"{alive}\"]\n\
         check = {{ type = \"tcp\", port = {} }}\n",
        harness.zone.id, harness.proxy.url, NAMES[0], harness.port
    );
    let setup = anonymous_as(&text, &[]);
    let keys = format!(
        "[dns]\naws_access_key_id = {}\naws_secret_access_key = {}\n",
        harness.moto.key, harness.moto.secret
    );
    std::fs::create_dir(setup.folder().join(".aws")).unwrap();
    setup.write(".aws/credentials", &keys);
    let wrong = setup.env("AWS_ACCESS_KEY_ID", "AKIAWRONG").env("AWS_SECRET_ACCESS_KEY", "wrong");
    let mut agent = wrong.args(["--no-dry-run", "monitor"]).start();
    agent.nth(2, &["target confirmed up"]);
    harness.close(0);
    agent.nth(1, &["withdrew", &harness.target(0)]);
    assert_eq!(harness.served().await, [format!("{} A: {alive}", NAMES[0])]);
}
