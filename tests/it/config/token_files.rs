//! The credentials of `[zone.NAME]`: token files, the environment, profiles.

#![expect(clippy::unwrap_used, reason = "where a test unwraps, it asserts")]

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use goavail::testing::dns::{CloudflareConfig, CloudflareCredentials, Route53Config};
use goavail::testing::settings::{Asked, Config, parse};
use secrecy::ExposeSecret as _;

use super::services::{ONE, settings};
use super::{ASKED, read_with};

const FOR_REAL: Asked = Asked { dry_run: false, ..ASKED };

/// Two zones at Cloudflare, each with a service.
const TWO: &str = "[zone.one]\nprovider = \"cloudflare\"\ndomain = \"one.example\"\n\
                   token_file = \"one\"\n\
                   [zone.two]\nprovider = \"cloudflare\"\ndomain = \"two.example\"\n\
                   token_file = \"two\"\n\
                   [[service]]\nname = \"a\"\nzone = \"one\"\nhostnames = [\"@\"]\n\
                   ip_addresses = [\"192.0.2.10\", \"192.0.2.11\"]\n\
                   [[service]]\nname = \"b\"\nzone = \"two\"\nhostnames = [\"@\"]\n\
                   ip_addresses = [\"192.0.2.10\", \"192.0.2.11\"]\n";

/// A folder with a configuration and its token files.
struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// Writes a file that its owner alone may read.
    fn file(&self, name: &str, text: &[u8]) -> &Self {
        let path = self.0.path().join(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(path, Permissions::from_mode(0o600)).unwrap();
        self
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    /// Reads `text` as the configuration in this folder: the settings, or the problems without its path.
    fn read(&self, text: &str, asked: Asked, env: &[(&str, &str)]) -> Result<Config, Vec<String>> {
        let path = self.path().join("x");
        let env = |name: &str| {
            let found = env.iter().find(|(variable, _)| *variable == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        let folder = format!("{}/", self.path().display());
        parse(text, &path, &asked, &env).map_err(|errors| {
            let lines = errors.to_string();
            lines.lines().map(|line| line.replace(&folder, "")).collect()
        })
    }
}

fn token(config: &Config, zone: usize) -> String {
    let CloudflareConfig { credentials, .. } = settings(config, zone);
    match credentials {
        Some(CloudflareCredentials::Token(token)) => token.expose_secret().to_owned(),
        other => panic!("no token: {other:?}"),
    }
}

#[test]
fn each_zone_has_the_token_of_its_file_and_the_environment_serves_the_others() {
    let folder = Folder::new();
    folder.file("one", b"token-of-one\n").file("two", b"token-of-two\r\n\n");
    let config = folder.read(TWO, FOR_REAL, &[("CF_API_TOKEN", "token-of-all")]).unwrap();
    assert_eq!([token(&config, 0), token(&config, 1)], ["token-of-one", "token-of-two"]);
    let without = TWO.replace("token_file = \"two\"\n", "");
    let config = folder.read(&without, FOR_REAL, &[("CF_API_TOKEN", "token-of-all")]).unwrap();
    assert_eq!([token(&config, 0), token(&config, 1)], ["token-of-one", "token-of-all"]);
    let words = config.in_words();
    assert!(
        words.contains("zone one    one.example at Cloudflare, by the API token in one"),
        "{words}"
    );
    assert!(words.contains("zone two    two.example at Cloudflare, by an API token"), "{words}");
    // Read again, as at a reload.
    folder.file("one", b"another");
    let config = folder.read(TWO, FOR_REAL, &[]).unwrap();
    assert_eq!(token(&config, 0), "another");
}

#[test]
fn a_zone_without_any_credentials_is_refused_unless_nothing_is_written() {
    let folder = Folder::new();
    folder.file("one", b"token-of-one");
    let without = TWO.replace("token_file = \"two\"\n", "");
    let want = "x:5: zone.two.token_file: missing; --no-dry-run needs it, or CF_API_TOKEN in the \
                environment";
    assert_eq!(folder.read(&without, FOR_REAL, &[]).unwrap_err(), [want]);
    folder.read(&without, ASKED, &[]).unwrap();
    let bad = [("CF_API_TOKEN", "a b")];
    let neither = without.replace("token_file = \"one\"\n", "");
    let want = "environment: CF_API_TOKEN: a value of 3 bytes is not allowed; visible ASCII \
                characters without blanks";
    assert_eq!(
        folder.read(&neither, FOR_REAL, &bad).unwrap_err(),
        [want],
        "once, not for each zone"
    );
}

#[test]
fn a_token_file_is_refused_with_its_name_and_without_its_content() {
    const SECRET: &[u8] = b"Sn3lZJTBX6kkg7OdcBUAxO963GEIyGQqnFTOFYY";
    let folder = Folder::new();
    folder.file("two", b"token-of-two");
    std::fs::create_dir(folder.path().join("folder")).unwrap();
    let lines = [SECRET, b"\n", SECRET, b"\n"].concat();
    let named = [b"CF_API_TOKEN=", SECRET].concat();
    let blank = [SECRET, b" x"].concat();
    let binary = [SECRET, b"\xff\xfe"].concat();
    folder.file("lines", &lines).file("named", &named).file("blank", &blank);
    folder.file("binary", &binary).file("empty", b"").file("break", b"\n\r\n");
    folder.file("long", &vec![b'x'; 70_000]);
    let rows = [
        ("none", "none: cannot be read: No such file or directory (os error 2)"),
        ("folder", "folder: cannot be read: Is a directory (os error 21)"),
        ("empty", "empty is empty"),
        ("break", "break is empty"),
        ("lines", "lines holds 2 lines; the token alone is allowed"),
        ("named", "named holds a name and a value; the token alone is allowed"),
        (
            "blank",
            "blank holds a value of 41 bytes is not allowed; visible ASCII characters without blanks",
        ),
        ("binary", "binary: not UTF-8 text, from line 1 on"),
        ("long", "long: larger than 65536 bytes"),
    ];
    for (file, want) in rows {
        let text = TWO.replace("token_file = \"one\"", &format!("token_file = \"{file}\""));
        let got = folder.read(&text, ASKED, &[]).unwrap_err();
        assert_eq!(got, [format!("x:4: zone.one.token_file: {want}")]);
        assert!(!got.concat().contains("Sn3l"), "{got:?}");
    }
}

#[test]
fn a_token_file_that_every_user_may_read_is_named_in_a_warning() {
    let folder = Folder::new();
    folder.file("one", b"token-of-one").file("two", b"token-of-two");
    let config = folder.read(TWO, ASKED, &[]).unwrap();
    assert!(config.warnings.is_empty(), "{:?}", config.warnings);
    std::fs::set_permissions(folder.path().join("two"), Permissions::from_mode(0o644)).unwrap();
    let config = folder.read(TWO, ASKED, &[]).unwrap();
    let [warning] = config.warnings.as_slice() else { panic!("{:?}", config.warnings) };
    let want = "x:8: zone.two.token_file: two may be read by every user of this machine; chmod 600 is \
                enough for the agent";
    assert!(warning.ends_with(want), "{warning}");
}

/// The secret is typed in place of a path, or of anything else.
#[test]
fn a_token_in_the_wrong_place_is_not_repeated() {
    const SECRET: &str = "Sn3lZJTBX6kkg7OdcBUAxO963GEIyGQqnFTOFYY";
    let lines = [
        format!("token_file = \"{SECRET}\""),
        format!("token = \"{SECRET}\""),
        format!("api_token = \"{SECRET}\""),
        format!("api_url = \"https://api.example.com/{SECRET}\""),
        format!("api_url = \"{SECRET}\""),
        format!("domain = \"{SECRET}\""),
        format!("provider = \"{SECRET}\""),
        format!("ttl = \"{SECRET}\""),
        format!("\"{SECRET}\" = 1"),
        format!("[zone.{SECRET}]"),
        format!("[check.{SECRET}]\ntype = \"icmp\""),
        format!("[[service]]\nname = \"{SECRET}\""),
        format!("[[service]]\nname = \"x\"\nzone = \"{SECRET}\""),
        format!("[[service]]\nname = \"x\"\ncheck = \"{SECRET}\""),
        format!("[[service]]\nname = \"x\"\ncheck = {{ type = \"{SECRET}\" }}"),
        format!("[[service]]\nname = \"x\"\nhostnames = [\"{SECRET}\"]"),
        format!("[[service]]\nname = \"x\"\nip_addresses = [\"{SECRET}\"]"),
        format!("[service]\n{SECRET} = {SECRET}"),
    ];
    for line in lines {
        let (first, rest) = ONE.split_once("[[service]]").unwrap();
        let text = format!("{first}{line}\n[[service]]{rest}");
        let said = match read_with(&text, ASKED, &[]) {
            Ok(config) => format!("{}{:?}", config.in_words(), config.warnings),
            Err(problems) => problems.concat(),
        };
        assert!(!said.contains("Sn3l") && !said.to_lowercase().contains("sn3l"), "{line}\n{said}");
    }
    let folder = Folder::new();
    folder.file("one", SECRET.as_bytes()).file("two", SECRET.as_bytes());
    let config = folder.read(TWO, ASKED, &[]).unwrap();
    let said = format!("{config:?}{}", config.in_words());
    assert!(!said.contains("Sn3l"), "{said}");
}

/// ddclient 524: of two hosts called `@` in two accounts, one was never updated. traefik 5472: one
/// process had one account of each provider.
#[test]
fn one_name_in_two_accounts_is_two_names() {
    let folder = Folder::new();
    folder.file("one", b"token-of-one").file("two", b"token-of-two");
    let config = folder.read(TWO, FOR_REAL, &[]).unwrap();
    let names = config.services.iter().map(|service| service.names.clone()).collect::<Vec<_>>();
    assert_eq!(names, [["one.example"], ["two.example"]]);
    assert_ne!(token(&config, 0), token(&config, 1));
}

/// A profile is used also where the environment has keys.
#[test]
fn a_zone_at_route53_may_name_its_profile() {
    let home = tempfile::tempdir().unwrap();
    std::fs::create_dir(home.path().join(".aws")).unwrap();
    let key = "aws_access_key_id = AKIA\naws_secret_access_key = s\n";
    std::fs::write(home.path().join(".aws/credentials"), format!("[dns]\n{key}")).unwrap();
    let env = [
        ("HOME", home.path().to_str().unwrap()),
        ("AWS_ACCESS_KEY_ID", "other"),
        ("AWS_SECRET_ACCESS_KEY", "other"),
        ("AWS_PROFILE", "nothing"),
    ];
    let text = |profile: &str| {
        let text = ONE.replace("cloudflare", "route53");
        text.replacen("[[service]]", &format!("profile = \"{profile}\"\n[[service]]"), 1)
    };
    let config = read_with(&text("dns"), FOR_REAL, &env).unwrap();
    assert_eq!(settings::<Route53Config>(&config, 0).profile.as_deref(), Some("dns"));
    assert!(config.in_words().contains("example.com at Route 53, by the AWS profile dns"));
    let refused = read_with(&text("dsn"), FOR_REAL, &env).unwrap_err();
    let want = "goavail.toml:4: zone.main.profile: the profile dsn, which the key profile names, is \
                neither in ";
    assert!(refused.len() == 1 && refused[0].starts_with(want), "{refused:?}");
    let config = read_with(&text("dsn"), ASKED, &env).unwrap();
    assert!(config.warnings[0].starts_with(want), "{:?}", config.warnings);
}
