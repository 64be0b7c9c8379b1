//! The lab works as documented.

use std::io::{Read as _, Write as _};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use super::{Echo, Lab, Place, link_v4, link_v6, ping, run, skip, v4, v6};

/// Long enough for a reply on a busy machine.
const PATIENT: Duration = Duration::from_secs(5);

/// Long enough to believe that nothing comes, where a reply takes well under a millisecond.
const BRIEF: Duration = Duration::from_millis(150);

fn replies(lab: &Lab, agent: usize, address: IpAddr) {
    let echo = ping(lab.agent(agent), address, PATIENT);
    assert!(echo.is_reply(), "agent {agent} to {address}: {echo:?}");
}

fn silent(lab: &Lab, agent: usize, address: IpAddr) {
    let echo = ping(lab.agent(agent), address, BRIEF);
    assert!(matches!(echo, Echo::Silence), "agent {agent} to {address}: {echo:?}");
}

#[test]
fn an_address_answers_falls_silent_when_removed_and_answers_again() {
    run(|| {
        let lab = Lab::new();
        for address in [v4(1), v6(1)] {
            lab.add(&[address]);
            replies(&lab, 0, address);
            let cut = lab.remove(&[address]);
            assert!(cut.before < cut.after && cut.after_wall.elapsed().is_ok(), "{cut:?}");
            silent(&lab, 0, address);
            lab.add(&[address]);
            replies(&lab, 0, address);
        }
    });
}

#[test]
fn an_address_that_never_was_is_silence_and_no_icmp_error() {
    run(|| {
        let lab = Lab::new();
        for address in [v4(1), v6(1), "192.0.2.1".parse().unwrap(), "2001:db8::1".parse().unwrap()]
        {
            silent(&lab, 0, address);
        }
    });
}

#[test]
fn a_refused_address_is_an_icmp_error_and_the_others_stay_silent() {
    run(|| {
        let lab = Lab::new();
        lab.refuse(&[v4(1), v6(1)]);
        for (address, unreachable) in [(v4(1), 3), (v6(1), 1)] {
            let echo = ping(lab.agent(0), address, PATIENT);
            let Echo::Unreachable(kind) = echo else { panic!("{address}: {echo:?}") };
            assert_eq!(kind, unreachable, "{address}");
        }
        silent(&lab, 0, v4(2));
        silent(&lab, 0, v6(2));
    });
}

#[test]
fn a_link_that_is_down_is_a_fault_and_can_be_plugged_in_again() {
    run(|| {
        let lab = Lab::new();
        let addresses = [v4(1), v6(1)];
        lab.add(&addresses);
        lab.unplug(0);
        for address in addresses {
            let echo = ping(lab.agent(0), address, BRIEF);
            let Echo::Fault(error) = echo else { panic!("{address}: {echo:?}") };
            assert_eq!(error.kind(), std::io::ErrorKind::NetworkUnreachable, "{address}");
        }
        lab.plug(0);
        for address in addresses {
            replies(&lab, 0, address);
        }
    });
}

#[test]
fn each_way_between_agents_and_the_world_is_cut_by_itself_and_in_silence() {
    run(|| {
        let lab = Lab::with_agents(3);
        lab.add(&[v4(1), v6(1)]);
        let second = Place::Agent(1);
        replies(&lab, 0, link_v4(second));
        replies(&lab, 0, link_v6(second));

        lab.cut(Place::Agent(0), second);
        silent(&lab, 0, link_v4(second));
        silent(&lab, 0, link_v6(second));
        silent(&lab, 1, link_v4(Place::Agent(0)));
        for (agent, address) in [(0, v4(1)), (0, v6(1)), (1, v4(1)), (2, link_v4(second))] {
            replies(&lab, agent, address);
        }

        lab.cut(Place::Agent(0), Place::World);
        silent(&lab, 0, v4(1));
        silent(&lab, 0, v6(1));
        replies(&lab, 0, link_v4(Place::Agent(2)));
        replies(&lab, 1, v4(1));

        lab.mend(Place::Agent(0), second);
        lab.mend(Place::Agent(0), Place::World);
        for address in [v4(1), v6(1), link_v4(second), link_v6(second)] {
            replies(&lab, 0, address);
        }
    });
}

#[test]
fn ten_thousand_addresses_come_and_go_within_seconds() {
    run(|| {
        let lab = Lab::new();
        let addresses: Vec<IpAddr> = (1..=5000).flat_map(|n| [v4(n), v6(n)]).collect();
        let started = now();
        lab.add(&addresses);
        let took = started.elapsed();
        eprintln!("{} addresses added in {took:?}", addresses.len());
        assert!(took < Duration::from_secs(10), "{took:?}");
        addresses.iter().step_by(9).for_each(|address| replies(&lab, 0, *address));
        let cut = lab.remove(&addresses);
        assert!(cut.after - cut.before < Duration::from_secs(10), "{cut:?}");
        silent(&lab, 0, v4(5000));
        silent(&lab, 0, v6(5000));
    });
}

#[test]
fn a_socket_bound_inside_serves_inside_only_and_from_any_thread() {
    run(|| {
        let lab = Lab::new();
        let listener = lab.agent(0).run(|| TcpListener::bind("127.0.0.1:0")).unwrap();
        let address: SocketAddr = listener.local_addr().unwrap();
        let outside = lab.world().run(|| TcpStream::connect(address));
        assert!(outside.is_err(), "another namespace's loopback must not reach it");
        let mut client = lab.agent(0).run(|| TcpStream::connect(address)).unwrap();
        let (mut server, _) = listener.accept().unwrap();
        server.write_all(b"here").unwrap();
        drop(server);
        let mut text = String::new();
        client.read_to_string(&mut text).unwrap();
        assert_eq!(text, "here");
    });
}

#[test]
fn a_powerless_program_has_no_capability_and_ping_group_range_is_ours_to_set() {
    run(|| {
        let lab = Lab::new();
        let inside = lab.agent(0);
        let mut status = inside.powerless("cat");
        let status = status.arg("/proc/self/status").output().unwrap().stdout;
        let status = String::from_utf8_lossy(&status);
        assert!(status.contains("CapEff:\t0000000000000000\n"), "{status}");
        inside.sysctl("net/ipv4/ping_group_range", "0 0");
        let range = inside.output("cat", &["/proc/sys/net/ipv4/ping_group_range"]);
        assert_eq!(range, "0\t0\n");
    });
}

#[test]
fn a_delayed_link_delays_where_the_kernel_has_netem() {
    run(|| {
        let lab = Lab::new();
        lab.add(&[v4(1)]);
        let delay = Duration::from_millis(80);
        let delayed = lab.delay(0, delay);
        match ping(lab.agent(0), v4(1), PATIENT) {
            Echo::Reply(rtt) => assert!(!delayed || rtt >= delay, "{rtt:?}"),
            other => panic!("{other:?}"),
        }
    });
}

#[test]
fn a_dropped_lab_leaves_nothing_even_after_a_panic() {
    run(|| {
        let mut holders = Vec::new();
        let panicking = std::panic::AssertUnwindSafe(|| {
            let lab = Lab::with_agents(2);
            holders = vec![lab.world().pid(), lab.agent(0).pid(), lab.agent(1).pid()];
            std::panic::resume_unwind(Box::new("a test fails"));
        });
        assert!(std::panic::catch_unwind(panicking).is_err());
        assert_eq!(holders.len(), 3);
        for pid in holders {
            assert!(!Path::new(&format!("/proc/{pid}")).exists(), "holder {pid} lives on");
        }
    });
}

/// Runs one of the tests above as `nobody`, in a user namespace of its own.
#[test]
fn an_ordinary_user_gets_the_lab_too() {
    if !rustix::process::geteuid().is_root() {
        return run(|| drop(Lab::new())); // then all tests here are that proof
    }
    let scratch = tempfile::tempdir().unwrap();
    let everyone = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(scratch.path(), everyone).unwrap();
    let program = scratch.path().join("it");
    std::fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
    let nobody = 65_534;
    let mut unshare = Command::new("unshare");
    unshare.args(["--user", "--map-root-user", "--net", "true"]);
    unshare.uid(nobody).gid(nobody).current_dir("/");
    if !unshare.output().is_ok_and(|output| output.status.success()) {
        return skip("this kernel gives ordinary users no user namespaces");
    }
    let test = "lab::proofs::an_address_answers_falls_silent_when_removed_and_answers_again";
    let mut command = Command::new(program);
    command.args(["--exact", test, "--nocapture"]).env_remove("CI");
    let output = command.uid(nobody).gid(nobody).current_dir("/").output().unwrap();
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
    assert!(!said.contains("SKIPPED"), "{said}");
}

#[expect(clippy::disallowed_methods, reason = "tests measure")]
fn now() -> Instant {
    Instant::now()
}
