//! The real binary as far as it needs no network: `check`, refused files and command lines, exit
//! codes, stdout and stderr.

#![expect(clippy::unwrap_used, reason = "what fails here fails its test")]

use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, Output};

const SHIPPED: &str = include_str!("../../goavail.toml");

/// Runs the binary in `folder` with nothing in its environment but `env`.
fn goavail(folder: &Path, arguments: &str, env: &[(&str, &str)]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_goavail"))
        .args(arguments.split_whitespace())
        .current_dir(folder)
        .env_clear()
        .envs(env.iter().copied())
        .output()
        .unwrap()
}

/// Exit code, stdout, stderr.
fn run(folder: &Path, arguments: &str) -> (i32, String, String) {
    ended(&goavail(folder, arguments, &[]))
}

fn ended(output: &Output) -> (i32, String, String) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (output.status.code().unwrap(), text(&output.stdout), text(&output.stderr))
}

/// A folder with this `goavail.toml`.
fn with_file(content: impl AsRef<[u8]>) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("goavail.toml"), content).unwrap();
    folder
}

/// However many addresses there are, none is left out.
#[test]
fn check_expanded_lists_every_value_of_the_service_with_its_line() {
    let addresses: Vec<String> = (10..40).map(|last| format!("192.0.2.{last}")).collect();
    let folder = with_file(format!(
        "interval = 1\nfailure_threshold = 4\nport = 443\n\n[Route53]\n\
         aws_domain = \"example.com\"\nhostnames = [\"www\", \"@\"]\nip_addresses = {addresses:?}\n",
    ));
    let listed = addresses.join(", ");
    let want = |check: &str, place: &str| {
        format!(
            "\
service default
  hostnames           line 7, Route53.hostnames     www.example.com, example.com
  ip_addresses        line 8, Route53.ip_addresses  {listed}
  check               {place:<28}  {check}
  failure_threshold   line 2, failure_threshold     4
  recovery_threshold  line 2, failure_threshold     4
  interval            line 1, interval              1 s
  timeout             line 1, interval              1 s
  retry_interval      line 1, interval              1 s
  min_in_service      default                       0
  max_out             default                       100%
  return_delay        default                       0 s
  return_delay_max    default                       0 s
  resync_interval     default                       off
  ttl                 default                       60
guards off  canaries, min_in_service
"
        )
    };
    let cases = [
        ("", want("by echo requests", "default")),
        (" -t tcp", want("by TCP connects to port 443", "line 3, port")),
    ];
    for (options, want) in cases {
        let arguments = format!("check -p route53 --expanded{options}");
        let (code, out, err) = run(folder.path(), &arguments);
        assert_eq!((code, out, err.as_str()), (0, want, ""), "{options}");
    }
    let (code, _, err) = run(folder.path(), "check -p route53 --expanded --json");
    assert_eq!(code, 2, "{err}");
}

/// consul 2977: the default of a timeout depends on the interval, which is not reported.
#[test]
fn check_expanded_names_the_key_from_which_a_timeout_of_a_check_is_derived() {
    let rows = [
        (
            "check = { type = \"http\", interval = 7 }",
            "  timeout             line 1, check.interval ",
        ),
        (
            "checks = [{ type = \"icmp\" }, { type = \"http\", interval = 7 }]",
            "    timeout             check, line 1, checks[2].interval ",
        ),
    ];
    for (check, place) in rows {
        let folder = with_file(format!(
            "{check}\n[Cloudflare]\ndns_domain = \"example.com\"\nhostnames = [\"www\"]\n\
             ip_addresses = [\"192.0.2.1\"]\n",
        ));
        let (_, out, err) = run(folder.path(), "check --expanded");
        let line = out.lines().find(|line| line.starts_with(place)).unwrap_or_default();
        assert!(line.ends_with("  7 s"), "{out}{err}");
    }
}

#[test]
fn check_expanded_ends_with_the_warnings() {
    let folder = with_file(
        "interval = 60\n[Cloudflare]\ndns_domain = \"example.com\"\nhostnames = [\"www\"]\n\
         ip_addresses = [\"10.0.0.1\"]\n",
    );
    let (_, words, _) = run(folder.path(), "check");
    let (_, expanded, _) = run(folder.path(), "check --expanded");
    let warnings = words.split_once("warning: ").unwrap().1;
    assert!(warnings.lines().count() == 2, "{words}");
    assert!(expanded.ends_with(&format!("warning: {warnings}")), "{expanded}");
}

#[test]
fn check_json_holds_the_settings_or_the_problems() {
    let folder = with_file(format!("name = \"probe-1\"\n{SHIPPED}"));
    let (code, out, err) = run(folder.path(), "check --json");
    assert_eq!((code, err.as_str()), (0, ""));
    assert!(out.ends_with("}\n"), "{out}");
    let json: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(json["valid"], true);
    assert_eq!((&json["file"], &json["name"]), (&"goavail.toml".into(), &"probe-1".into()));
    assert_eq!((&json["dry_run"], &json["guards_off"]), (&true.into(), &serde_json::json!([])));
    let zone = &json["zones"][0];
    assert_eq!((&zone["provider"], &zone["domain"]), (&"cloudflare".into(), &"example.com".into()));
    assert_eq!(zone["capabilities"][0], "record_by_record", "{zone}");
    let service = &json["services"][0];
    assert_eq!(service["addresses"].as_array().unwrap().len(), 3);
    assert_eq!((&service["check"], &service["port"]), (&"ip".into(), &serde_json::Value::Null));
    assert_eq!((&service["interval_s"], &service["death_s"]["worst"]), (&1.0.into(), &1.9.into()));
    let values = service["values"].as_array().unwrap();
    let interval = values.iter().find(|value| value["key"] == "interval").unwrap();
    assert_eq!((&interval["value"], &interval["from"]), (&"1 s".into(), &"interval".into()));
    assert!(interval["line"].as_u64().unwrap() > 1, "{interval}");

    let folder = with_file("interval = 0\n");
    let (code, out, err) = run(folder.path(), "check --json");
    assert_eq!(code, 2);
    assert!(err.starts_with("goavail: goavail.toml:1: interval: 0 is not allowed"), "{err}");
    let json: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(json["valid"], false);
    let problem = &json["problems"][0];
    assert_eq!((&problem["line"], &problem["key"]), (&1.into(), &"interval".into()));
    assert!(json.get("services").is_none(), "{json}");
}

#[test]
fn check_describes_the_agent_of_the_shipped_file() {
    let folder = with_file(format!("name = \"probe-1\"\n{SHIPPED}"));
    let want = "\
goavail.toml: the configuration is valid
  agent       probe-1, in dry-run: nothing is changed at Cloudflare
  watches     3 addresses by echo requests: 127.0.0.2, 127.0.0.3, 127.0.0.4
  pace        a probe every 1 s, every 0.2 s while a reply is missing; none within 0.5 s is a loss; at most 20 probes a second
  retries     rehearsed at the start and hourly; an address that does not answer all of it is asked every 1 s, and its death noticed after 2.5 s at best, 3.5 s at worst
  death       3 losses in a row, noticed after 0.9 s at best, 1.9 s at worst
  return      3 replies in a row, noticed a round trip after 2 s at best, 3 s at worst
  records     A at www.example.com, api.example.com in zone example.com at Cloudflare; new ones: automatic TTL, not proxied
  access      no credentials in the environment: the zone cannot be read
  can         refuse a change of the same record that comes second, make a change all or nothing, keep comments and other settings, hold a record twice, list a zone in pages, ask for a pause, ask for a pause at its limit
  repair      DNS is changed when a target flips, and otherwise left alone
  floor       1 address stays in every record set
  max_out     at most 1 of 3 addresses may be out for their health at once (50%)
  canaries    127.0.0.1; while none answers, this agent withdraws nothing
  cluster     none: this agent decides alone
  memory      in the process only: drains and withdrawn records' settings are lost with it
  notices     none but the log
  status      cannot be asked
  guards off  none
";
    assert_eq!(run(folder.path(), "check"), (0, want.to_owned(), String::new()));
}

#[test]
fn check_describes_the_agent_of_a_full_file() {
    let folder = with_file(
        r#"
name = "eu-1"
failure_threshold = 1
recovery_threshold = 10
interval = 5
timeout = "1s"
retry_interval = "250ms"
burst = 2
port = 443
min_in_service = 2
canaries = ["192.0.2.1", "[2001:db8::1]:53"]
resync_interval = "5m"
state_file = "/var/lib/goavail/state.json"
slack_addr = "T0/B0/hunter2"
webhook_url = "https://hooks.example.com/hunter2"
[Route53]
aws_domain = "example.com"
hostnames = ["@"]
ip_addresses = ["198.51.100.1", "198.51.100.2", "198.51.100.3", "2001:db8::a"]
[Members]
peers = ["192.0.2.21:8081", "192.0.2.22:8081"]
local_addr = "192.0.2.20:8081"
min_peers_agree = 1
crypto_key = "hunter2_hunter2_"
[Status]
listen = "127.0.0.1:9105"
socket = "/run/goavail.sock"
"#,
    );
    let want = "\
goavail.toml: the configuration is valid
  agent       eu-1, changing records at Route 53
  watches     4 addresses by TCP connects to port 443: 198.51.100.1, 198.51.100.2, 198.51.100.3, 2001:db8::a
  pace        a probe every 5 s, every 0.25 s while a reply is missing; none within 1 s is a loss; up to 2 addresses at once; at most 24 probes a second
  retries     rehearsed at the start and hourly; an address that does not answer all of it is asked every 5 s, and its death noticed after 1 s at best, 6 s at worst
  death       1 loss, noticed after 1 s at best, 6 s at worst
  return      10 replies in a row, noticed a round trip after 45 s at best, 50 s at worst
  records     A and AAAA at example.com in zone example.com at Route 53; new ones: TTL 60 s
  access      by AWS's own chain of credentials
  can         refuse a change that comes second, make a change all or nothing, keep comments and other settings, list a zone in pages, ask for a pause
  repair      DNS is compared and repaired every 300 s
  floor       2 addresses stay in every record set; with geolocation, of those that one client can get
  canaries    192.0.2.1, [2001:db8::1]:53; while none answers, this agent withdraws nothing
  cluster     192.0.2.20:8081 with 2 peers: 192.0.2.21:8081, 192.0.2.22:8081; 1 peer must agree; gossip on port 7946; encrypted, unsigned votes taken too
  memory      kept in /var/lib/goavail/state.json
  notices     to Slack and to a webhook
  status      read on 127.0.0.1:9105, socket /run/goavail.sock
  guards off  require_signed
warning: goavail.toml:8: burst: up to 2 addresses are probed at once: a firewall that limits echo requests or connects may swallow some, and addresses that are alive would be taken out
warning: goavail.toml:10: min_in_service: 2 keeps every AAAA record where it is, for 1 is listed: none is ever withdrawn unless the record sets hold others too
";
    let options = "-p route53 --type tcp --no-dry-run check";
    assert_eq!(run(folder.path(), options), (0, want.to_owned(), String::new()));
}

#[test]
fn check_names_the_guards_that_are_off_and_cuts_long_lists_short() {
    let addresses: Vec<String> = (1..=30).map(|last| format!("\"192.0.2.{last}\"")).collect();
    let folder = with_file(format!(
        "ip_addresses = [{}]\ndns_domain = \"example.com\"\nhostnames = [\"www\"]\n",
        addresses.join(", ")
    ));
    let env = [("CF_API_KEY", "hunter2"), ("CF_API_EMAIL", "ops@example.com")];
    let (code, said, _) = ended(&goavail(folder.path(), "check", &env));
    assert_eq!(code, 0);
    for line in [
        "  guards off  canaries, min_in_service\n",
        "  access      by the global key of ops@example.com\n",
        "  floor       none: the last address of a record set may be withdrawn\n",
        "  canaries    none: a fault of this agent's own network looks like a death\n",
        ", 192.0.2.20 and 10 more\n",
    ] {
        assert!(said.contains(line), "{line}{said}");
    }
    assert!(!said.contains("hunter2"), "{said}");
}

#[test]
fn a_file_that_cannot_be_read_gets_one_clear_line_and_exit_code_2() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    fs::create_dir(path.join("folder")).unwrap();
    fs::write(path.join("empty"), "").unwrap();
    fs::write(path.join("latin1"), b"interval = 1\nname = \"\xfcber\"\n").unwrap();
    File::create(path.join("huge")).unwrap().set_len(8 * 1024 * 1024 + 1).unwrap();
    let rows = [
        ("missing", "cannot be read: No such file or directory (os error 2)"),
        ("folder", "cannot be read: Is a directory (os error 21)"),
        ("empty/below", "cannot be read: Not a directory (os error 20)"),
        ("empty", "nothing is set in it; the goavail.toml that ships shows what can be"),
        ("latin1", "not UTF-8 text, from line 2 on"),
        ("huge", "larger than 8388608 bytes"),
    ];
    for (file, why) in rows {
        for command in ["check", "monitor"] {
            let want = (2, String::new(), format!("goavail: {file}: {why}\n"));
            assert_eq!(run(path, &format!("{command} -f {file}")), want);
        }
    }
    let (code, _, complaint) = run(path, "check");
    let want = "goavail: goavail.toml: cannot be read: No such file or directory (os error 2)\n";
    assert_eq!((code, complaint.as_str()), (2, want), "the default");
}

#[test]
fn a_bad_file_gets_a_line_for_each_problem_and_exit_code_2() {
    let folder = with_file("failure_threshold = 0\nintervall = 2\n[Cloudflare]\nttl = 5\n");
    let want = "\
goavail: goavail.toml:1: failure_threshold: 0 is not allowed; an integer from 1 to 1000
goavail: goavail.toml:2: intervall: not a known key; did you mean interval?
goavail: goavail.toml:3: Cloudflare.dns_domain: missing; the zone's name, such as \"example.com\"
goavail: goavail.toml:3: Cloudflare.hostnames: missing; a list with at least a host name, such as \"www\"
goavail: goavail.toml:3: Cloudflare.ip_addresses: missing; a list with at least an address to watch
goavail: goavail.toml:4: Cloudflare.ttl: 5 is not allowed; 1, which is automatic, or an integer of seconds from 30 to 86400
";
    assert_eq!(run(folder.path(), "check"), (2, String::new(), want.to_owned()));
}

#[test]
fn a_file_that_is_something_else_does_not_flood_the_terminal() {
    let folder = with_file("what is this?\n".repeat(5000));
    let (code, _, complaint) = run(folder.path(), "check");
    assert_eq!(code, 2);
    assert_eq!(complaint.lines().count(), 101);
    assert_eq!(complaint.lines().last(), Some("goavail: and 4900 more problems"));
}

#[test]
fn a_bad_command_line_is_refused_once_with_exit_code_2() {
    let folder = with_file(SHIPPED);
    let rows = [
        ("watch", "goavail: unrecognized subcommand 'watch'\n"),
        ("check --colour", "goavail: unexpected argument '--colour' found\n"),
        ("check -t udp", "goavail: invalid value 'udp' for '--type <TYPE>'\n"),
        ("monitor --rehearse x", "goavail: invalid value 'x' for '--rehearse <ADDRESS>': invalid"),
        (
            "drain 192.0.2.1 --for 2x",
            "goavail: invalid value '2x' for '--for <DURATION>': a duration",
        ),
    ];
    for (line, want) in rows {
        let (code, said, complaint) = run(folder.path(), line);
        assert_eq!((code, said.as_str()), (2, ""), "{line}");
        assert!(complaint.starts_with(want), "{line}: {complaint}");
        assert_eq!(complaint.matches("goavail: ").count(), 1, "{complaint}");
    }
    let want = "goavail: --rehearse works in dry-run only; omit --no-dry-run\n";
    let got = run(folder.path(), "monitor --rehearse 127.0.0.2 --no-dry-run");
    assert_eq!(got, (2, String::new(), want.to_owned()));
    let want = "goavail: --rehearse: 127.0.0.9 is not among the addresses in goavail.toml\n";
    let got = run(folder.path(), "monitor --rehearse 127.0.0.9");
    assert_eq!(got, (2, String::new(), want.to_owned()));
    let want = "goavail: --rehearse: there is no service called www; there is default\n";
    let got = run(folder.path(), "monitor --rehearse www/127.0.0.2");
    assert_eq!(got, (2, String::new(), want.to_owned()));
}

#[test]
fn without_a_command_the_help_goes_to_stderr_with_exit_code_2() {
    let folder = tempfile::tempdir().unwrap();
    for line in ["", "--debug"] {
        let (code, said, complaint) = run(folder.path(), line);
        assert_eq!((code, said.as_str()), (2, ""));
        assert!(complaint.starts_with("goavail: no command given\n"), "{complaint}");
        assert!(complaint.contains("Usage: goavail [OPTIONS] <COMMAND>"), "{complaint}");
    }
}

#[test]
fn help_version_completions_and_manual_go_to_stdout_with_exit_code_0() {
    let folder = tempfile::tempdir().unwrap();
    let rows = [
        ("--version", concat!("goavail ", env!("CARGO_PKG_VERSION"), "\n")),
        ("--help", "Usage: goavail [OPTIONS] <COMMAND>"),
        ("completions bash", "_goavail()"),
        ("man", ".TH goavail 1"),
    ];
    for (line, want) in rows {
        let (code, said, complaint) = run(folder.path(), line);
        assert_eq!((code, complaint.as_str()), (0, ""), "{line}");
        assert!(said.contains(want), "{line}: {said}");
    }
}

#[test]
fn a_filter_that_is_none_is_refused() {
    let folder = with_file(SHIPPED);
    let output = goavail(folder.path(), "monitor", &[("RUST_LOG", "goavail=loud=very")]);
    let (code, _, complaint) = ended(&output);
    assert_eq!(code, 2);
    let want = "goavail: RUST_LOG is not a filter such as \"info,goavail=debug\": ";
    assert!(complaint.starts_with(want), "{complaint}");
}

/// Fewer than any agent needs: the error names the limit to raise, at the first open that fails.
#[test]
fn with_too_few_descriptors_the_last_word_names_the_limit_to_raise() {
    let folder = with_file(format!("port = 443\n{SHIPPED}\n[Status]\nsocket = \"control.sock\"\n"));
    let rows = [("monitor", 4..15), ("--type tcp monitor", 4..15), ("status", 4..9)];
    for (command, limits) in rows {
        for limit in limits {
            let output = Command::new("prlimit")
                .arg(format!("--nofile={limit}:{limit}"))
                .arg(env!("CARGO_BIN_EXE_goavail"))
                .args(command.split(' '))
                .current_dir(folder.path())
                .output()
                .unwrap();
            let (_, _, complaint) = ended(&output);
            let last = complaint.lines().last().unwrap_or_default();
            let told = last.contains("ulimit -n") && last.contains("LimitNOFILE=");
            assert!(told, "{command}, {limit}: {complaint}");
            assert!(!complaint.contains("panicked"), "{command}, {limit}: {complaint}");
        }
    }
}
