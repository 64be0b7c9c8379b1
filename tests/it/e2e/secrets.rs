//! Secrets, and other users of the machine.

use super::{Harness, first, setup};
use crate::agent::Within;
use crate::lab::{run, v4};

/// Its environment stands for its memory: the kernel asks the same question before either is shown.
#[test]
fn another_process_of_the_same_user_cannot_look_into_it() {
    run(|| {
        let harness = Harness::new();
        let place = harness.lab.agent(0);
        let config = harness.config("port = 80\n", &[v4(1)]);
        let agent = setup(&config, Within::Powerless(place));
        let mut agent = agent.args(["--dry-run", "--type", "tcp", "monitor"]).start();
        first(&mut agent, &["watching"]);
        let look = |whose: &str| {
            let mut shell = place.powerless("sh");
            shell.args(["-c", &format!("cat /proc/{whose}/environ")]).output().unwrap()
        };
        let own = look("$$");
        assert!(own.status.success(), "a shell can be looked into: {own:?}");
        let its = look(&agent.pid().to_string());
        let said = String::from_utf8_lossy(&its.stderr);
        assert!(said.contains("Permission denied") && its.stdout.is_empty(), "{its:?}");
    });
}
