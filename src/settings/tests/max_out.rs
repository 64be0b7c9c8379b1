//! `max_out`.

use super::*;

const SERVICES: &str = "[zone.main]\nprovider = \"cloudflare\"\ndomain = \"example.com\"\n[[service]]\n\
                        name = \"www\"\nhostnames = [\"www\"]\nip_addresses = [\"192.0.2.10\", \
                        \"192.0.2.11\", \"192.0.2.12\", \"2001:db8::1\"]\n";

const ONE: &str = "[Cloudflare]\ndns_domain = \"example.com\"\nhostnames = [\"www\"]\n";

fn read_text(text: &str) -> Result<Config, Vec<String>> {
    let asked = Asked { tcp: None, provider: None, dry_run: true };
    parse(text, Path::new("x"), &asked, &|_| None)
        .map_err(|errors| errors.to_string().lines().map(str::to_owned).collect())
}

/// Returns a file with a service of four addresses, and these lines above it and in it.
fn read(top: &str, lines: &str) -> Result<Config, Vec<String>> {
    read_text(&format!("{top}\n{SERVICES}{lines}\n"))
}

/// Returns a file of the old form with these addresses.
fn old_form(top: &str, addresses: &[&str]) -> Config {
    read_text(&format!("{top}\n{ONE}ip_addresses = {addresses:?}\n")).unwrap()
}

/// Envoy #3263, #26877 and #27066: one more went than the share allows. Envoy #34666: in a small cluster
/// none went. Kubernetes apimachinery #100 and Knative #9138: the number was rounded up.
#[test]
fn a_share_is_rounded_down_to_a_number_of_addresses_but_at_least_one() {
    let rows = [
        ("10%", 3, Some(1)),
        ("67%", 3, Some(2)),
        ("66%", 3, Some(1)),
        ("40%", 3, Some(1)),
        ("20%", 1, None),
        ("20%", 8, Some(1)),
        ("40%", 6, Some(2)),
        ("100%", 4, None),
        ("100.0 %", 4, None),
        ("50%", 4, Some(2)),
        ("50 %", 5, Some(2)),
        (" 50%", 3, Some(1)),
        ("99.99%", 4, Some(3)),
        ("12.5%", 8, Some(1)),
        ("12.5%", 16, Some(2)),
        ("33.34%", 3, Some(1)),
        ("0.01%", 4, Some(1)),
        ("50%", 1, None),
        ("50%", 2, Some(1)),
        ("075%", 4, Some(3)),
    ];
    for (share, count, want) in rows {
        let addresses: Vec<String> = (1..=count).map(|last| format!("192.0.2.{last}")).collect();
        let addresses: Vec<&str> = addresses.iter().map(String::as_str).collect();
        let config = old_form(&format!("max_out = \"{share}\""), &addresses);
        assert_eq!(config.services[0].most_out(), want, "{share} of {count}");
    }
    assert_eq!(old_form("", &["192.0.2.1", "192.0.2.2"]).services[0].most_out(), None);
}

fn most_out(top: &str, lines: &str) -> Option<usize> {
    read(top, lines).unwrap().services[0].most_out()
}

fn is_warned(config: &Config) -> bool {
    config.warnings.iter().any(|it| it.contains("has no effect"))
}

#[test]
fn a_service_has_a_share_of_its_own_or_that_of_the_top_level_and_standbys_do_not_count() {
    assert_eq!(most_out("", ""), None);
    assert_eq!(most_out("max_out = \"50%\"", ""), Some(2));
    assert_eq!(most_out("max_out = \"50%\"", "max_out = \"75%\""), Some(3));
    assert_eq!(most_out("max_out = \"50%\"", "max_out = \"100%\""), None);
    let standby = "standby = [\"198.51.100.7\", \"198.51.100.8\"]";
    assert_eq!(most_out("max_out = \"50%\"", standby), Some(2));
}

#[test]
fn other_values_are_refused_with_the_allowed_ones() {
    let values = [
        "0",
        "1",
        "2",
        "50",
        "0.5",
        "1.0",
        "true",
        "[]",
        "{}",
        "\"\"",
        "\"%\"",
        "\"0%\"",
        "\"0.00%\"",
        "\"0.001%\"",
        "\"100.01%\"",
        "\"101%\"",
        "\"1000%\"",
        "\"-50%\"",
        "\"+50%\"",
        "\"half\"",
        "\"1/2\"",
        "\"0.5\"",
        "\"50\"",
        "\"50%%\"",
        "\"50 percent\"",
        "\"5 0%\"",
        "\".5%\"",
        "\"5.%\"",
        "\"5,5%\"",
        "\"1e1%\"",
        "\"٥٠%\"",
        "\"nan%\"",
    ];
    let allowed = "is not allowed; a share in percent, in quotes, above \"0%\" and up to \"100%\", with \
                   at most two decimals";
    for value in values {
        let top = read(&format!("max_out = {value}"), "").unwrap_err();
        assert!(top[0].starts_with("x:1: max_out: ") && top[0].ends_with(allowed), "{top:?}");
        let its = read("", &format!("max_out = {value}")).unwrap_err();
        let start = "x:9: service.www.max_out: ";
        assert!(its[0].starts_with(start) && its[0].ends_with(allowed), "{its:?}");
    }
    let nearest = read("maxout = \"50%\"", "").unwrap_err();
    assert!(nearest[0].contains("max_out"), "{nearest:?}");
    let of_check = read("", "[check.web]\ntype = \"icmp\"\nmax_out = \"50%\"").unwrap_err();
    assert!(of_check[0].contains("check.web.max_out"), "{of_check:?}");
}

#[test]
fn a_share_of_one_address_is_warned_about_where_it_stands() {
    let one = old_form("max_out = \"50%\"", &["192.0.2.1"]);
    let what = "max_out: \"50%\" has no effect on a service with one address; min_in_service keeps the \
                last one";
    assert!(one.warnings.iter().any(|it| it.contains(what)), "{:?}", one.warnings);
    assert!(!is_warned(&old_form("max_out = \"100%\"", &["192.0.2.1"])));
    assert!(!is_warned(&old_form("max_out = \"50%\"", &["192.0.2.1", "192.0.2.2"])));
    let second =
        "[[service]]\nname = \"mx\"\nhostnames = [\"mx\"]\nip_addresses = [\"192.0.2.1\"]\n";
    assert!(!is_warned(&read("max_out = \"50%\"", second).unwrap()), "a default for others");
    assert!(is_warned(&read("", &format!("{second}max_out = \"50%\"")).unwrap()));
}

#[test]
fn check_tells_what_the_share_comes_to() {
    let config = read("max_out = \"50%\"", "").unwrap();
    let words = config.in_words();
    let line = "max_out   at most 2 of 4 addresses may be out for their health at once (50%)";
    assert!(words.contains(line), "{words}");
    assert!(config.expanded().contains("line 1, max_out"), "{}", config.expanded());
    let json = serde_json::to_value(CheckedFile::accepted(&config)).unwrap();
    assert_eq!(json["services"][0]["max_out"], "50%");
    let without = read("", "").unwrap();
    assert!(!without.in_words().contains("max_out"));
    let json = serde_json::to_value(CheckedFile::accepted(&without)).unwrap();
    assert_eq!(json["services"][0]["max_out"], "100%");
    let decimals = read("max_out = \"12.50 %\"", "").unwrap();
    let json = serde_json::to_value(CheckedFile::accepted(&decimals)).unwrap();
    assert_eq!(json["services"][0]["max_out"], "12.5%");
}

#[test]
fn a_share_that_keeps_standbys_from_ever_going_in_is_warned_about() {
    let standby = "standby = [\"198.51.100.7\"]";
    let last_resort = "last_resort = [\"198.51.100.9\"]";
    let rows = [
        ("50%", standby.to_owned(), Some("so standby is never published for that")),
        ("50%", format!("{standby}\nstandby_below = 2"), Some("so standby is never published")),
        ("50%", format!("{standby}\nstandby_below = 3"), None),
        ("75%", format!("{standby}\nstandby_below = 2"), None),
        ("100%", standby.to_owned(), None),
        (
            "75%",
            last_resort.to_owned(),
            Some("75% leaves 1 of 4 addresses in service however many"),
        ),
        (
            "75%",
            format!("{standby}\nstandby_below = 2\n{last_resort}"),
            Some("so last_resort is never"),
        ),
        ("100%", last_resort.to_owned(), None),
        ("50%", String::new(), None),
    ];
    for (share, lines, want) in rows {
        let config = read(&format!("max_out = \"{share}\""), &lines).unwrap();
        let found = config.warnings.iter().find(|it| it.contains("never published"));
        let is_right =
            want.map_or(found.is_none(), |want| found.is_some_and(|it| it.contains(want)));
        assert!(is_right, "{share}, {lines}: {:?}", config.warnings);
    }
}
