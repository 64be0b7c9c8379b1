//! `[Status]` read alone, as the commands do that only ask the running agent.

#![expect(clippy::unwrap_used, reason = "what fails here fails its test")]

use std::fs;

use goavail::testing::settings::load_status;
use goavail::testing::status::StatusConfig;

/// The status section of a file with this content; a problem without its folder.
fn status(content: &str) -> Result<StatusConfig, Vec<String>> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("goavail.toml");
    fs::write(&path, content).unwrap();
    let prefix = format!("{}/", folder.path().display());
    load_status(&path)
        .map(|status| StatusConfig {
            socket: status.socket.map(|path| path.strip_prefix(&folder).unwrap().to_owned()),
            ..status
        })
        .map_err(|errors| {
            errors.to_string().lines().map(|line| line.replacen(&prefix, "", 1)).collect()
        })
}

#[test]
fn the_socket_is_found_whatever_is_wrong_elsewhere() {
    let rows = [
        ("alone", "[Status]\nsocket = \"g.sock\"\n"),
        ("with an unfinished rest", "interval = 0\nnonsense = 1\n[status]\nsocket = \"g.sock\"\n"),
    ];
    for (name, content) in rows {
        let status = status(content).unwrap();
        assert_eq!(status.socket.as_deref(), Some("g.sock".as_ref()), "{name}");
    }
    assert!(status("interval = 1\n").unwrap().socket.is_none());
}

#[test]
fn problems_of_the_status_section_are_reported() {
    let rows = [
        (
            "a bad path",
            "interval = 0\n[Status]\nsocket = 1\n",
            "goavail.toml:3: Status.socket: 1 is not allowed; the path of a file, in quotes",
        ),
        (
            "a misspelt key",
            "[Status]\nsoket = \"g.sock\"\n",
            "goavail.toml:2: Status.soket: not a known key; did you mean socket?",
        ),
        (
            "no TOML",
            "[Status]\nsocket = g.sock\n",
            "goavail.toml:2: Status.socket: not valid TOML: string values must be quoted, expected \
             literal string",
        ),
    ];
    for (name, content, want) in rows {
        assert_eq!(status(content).unwrap_err(), [want], "{name}");
    }
    let missing = load_status("/nowhere/goavail.toml".as_ref()).unwrap_err().to_string();
    let want = "/nowhere/goavail.toml: cannot be read: No such file or directory (os error 2)";
    assert_eq!(missing, want);
}
