//! `return_delay` and `return_delay_max`.

use std::time::Duration;

use super::*;

const SERVICES: &str = "[zone.main]\nprovider = \"cloudflare\"\ndomain = \"example.com\"\n[[service]]\nname = \"www\"\n\
                        hostnames = [\"www\"]\nip_addresses = [\"192.0.2.10\", \"192.0.2.11\"]\n";

const OLD: &str = "[Cloudflare]\ndns_domain = \"example.com\"\nhostnames = [\"www\"]\nip_addresses = [\"192.0.2.10\"]\n";

fn read(text: &str) -> Result<Config, Vec<String>> {
    let asked = Asked { tcp: None, provider: None, dry_run: true };
    parse(text, Path::new("x"), &asked, &|_| None)
        .map_err(|errors| errors.to_string().lines().map(str::to_owned).collect())
}

/// Returns the delay and its upper bound in seconds.
fn delays(config: &Config) -> [u64; 2] {
    let its = config.services[0].returns;
    [its.delay, its.max].map(|time| time.as_secs())
}

#[test]
fn the_nearest_delay_wins_and_the_maximum_is_the_delay_unless_it_is_set() {
    let rows = [
        ("", "", [0, 0]),
        ("return_delay = 60", "", [60, 60]),
        ("return_delay = \"1m\"\nreturn_delay_max = \"1h\"", "", [60, 3600]),
        ("return_delay = 60", "return_delay = 10", [10, 10]),
        ("return_delay = 60\nreturn_delay_max = 3600", "return_delay = 10", [10, 3600]),
        ("return_delay = 60", "return_delay_max = 600", [60, 600]),
        ("return_delay = 60\nreturn_delay_max = 600", "return_delay = 0", [0, 600]),
        ("return_delay = 86400\nreturn_delay_max = \"1day\"", "", [86_400, 86_400]),
    ];
    for (top, lines, want) in rows {
        let config = read(&format!("{top}\n{SERVICES}{lines}\n")).unwrap();
        assert_eq!(delays(&config), want, "{top} / {lines}");
    }
    let old = read(&format!("return_delay = 0.5\nreturn_delay_max = 2\n{OLD}")).unwrap();
    assert_eq!(old.services[0].returns.delay, Duration::from_millis(500), "in the old form too");
    assert_eq!(delays(&old), [0, 2]);
}

#[test]
fn delays_that_cannot_be_meant_are_refused() {
    let day = "from 0 s to 86400 s, as a number of seconds or a text such as \"250ms\"";
    let less = "x:2: return_delay_max: 30 is less than return_delay, 60, in line 1; the delay doubles up to \
                return_delay_max, or stays as it is without that key";
    let rows = [
        ("return_delay = -1", "", format!("x:1: return_delay: -1 is not allowed; {day}")),
        ("return_delay = \"2days\"", "", format!("\"2days\" is not allowed; {day}")),
        ("return_delay_max = 86401", "", format!("86401 is not allowed; {day}")),
        ("return_delay = true", "", format!("true is not allowed; {day}")),
        ("return_delay = inf", "", format!("is not allowed; {day}")),
        ("return_delay = 60\nreturn_delay_max = 30", "", less.to_owned()),
        (
            "return_delay_max = 30",
            "return_delay = 60",
            "x:1: return_delay_max: 30 is less than service.www.return_delay, 60, in line 9"
                .to_owned(),
        ),
        ("return_dealy = 60", "", "did you mean return_delay?".to_owned()),
    ];
    for (top, lines, want) in rows {
        let problems = read(&format!("{top}\n{SERVICES}{lines}\n")).unwrap_err();
        assert!(problems.iter().any(|it| it.contains(&want)), "{top} / {lines}: {problems:#?}");
    }
    let old = read(&format!("return_delay = 60\nreturn_delay_max = 30\n{OLD}")).unwrap_err();
    assert_eq!(old, [less.to_owned()]);
}

#[test]
fn a_maximum_of_no_delay_is_named() {
    let want = "return_delay_max: not used: return_delay is 0, which doubles to 0";
    for text in
        [format!("return_delay_max = 60\n{OLD}"), format!("return_delay_max = 60\n{SERVICES}")]
    {
        let config = read(&text).unwrap();
        assert!(config.warnings.iter().any(|it| it.contains(want)), "{:?}", config.warnings);
    }
    let fine = read(&format!("return_delay = 60\nreturn_delay_max = 60\n{OLD}")).unwrap();
    assert!(!fine.warnings.iter().any(|it| it.contains("return_delay")), "{:?}", fine.warnings);
}

#[test]
fn check_tells_when_an_address_is_put_back() {
    let keys = "return_delay = 60\nreturn_delay_max = \"1h\"\n";
    let config = read(&format!("{keys}{OLD}")).unwrap();
    let words = config.in_words();
    let want = "3 replies in a row, noticed a round trip after 4 s at best, 6 s at worst; put back 60 s \
                later, twice as late after each further withdrawal, up to 3600 s\n";
    assert!(words.contains(want), "{words}");
    let plain = read(&format!("return_delay = 60\n{OLD}")).unwrap().in_words();
    assert!(plain.contains("6 s at worst; put back 60 s later\n"), "{plain}");
    let several = "checks = [{ type = \"icmp\" }, { type = \"tcp\", port = 80 }]\n";
    let several = read(&format!("return_delay = 60\n{several}{OLD}")).unwrap().in_words();
    assert_eq!(several.matches("; put back 60 s later").count(), 1, "{several}");
    let expanded = config.expanded();
    for row in [
        "return_delay        line 1, return_delay ",
        "return_delay_max    line 2, return_delay_max",
    ] {
        assert!(expanded.contains(row), "{expanded}");
    }
    let json = serde_json::to_value(CheckedFile::accepted(&config)).unwrap();
    let its = &json["services"][0];
    assert_eq!(its["return_s"], serde_json::json!({ "best": 64.0, "worst": 3606.0 }));
    assert_eq!(
        (&its["return_delay_s"], &its["return_delay_max_s"]),
        (&60.0.into(), &3600.0.into())
    );
}
