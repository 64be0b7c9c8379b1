use super::*;
use crate::status::sample;

#[test]
fn the_object_has_the_contracts_names() {
    let json = serde_json::to_value(sample::status()).unwrap();
    let promised = [
        (&json, "agent targets peers last_change last_error"),
        (
            &json["agent"],
            "version started_at dry_run mode type provider zone isolated config_loaded_at",
        ),
        (
            &json["targets"][0],
            "address health in_service reason streak last_rtt_ms loss_1m since drained records \
             votes",
        ),
        (&json["targets"][0]["streak"], "outcome count"),
        (&json["targets"][0]["records"][0], "name type present"),
        (&json["targets"][0]["votes"][0], "peer health age_s"),
        (&json["peers"][0], "address alive signed last_heard"),
        (&json["last_change"], "at what"),
        (&json["last_error"], "at what"),
    ];
    for (value, names) in promised {
        for name in names.split_whitespace() {
            assert!(value.get(name).is_some(), "{name} is missing in {value}");
        }
    }
}

#[test]
fn what_is_written_is_read_back() {
    let status = sample::status();
    let text = serde_json::to_string(&status).unwrap();
    assert_eq!(serde_json::from_str::<Status>(&text).unwrap(), status);
}

#[test]
fn the_words_for_health_are_the_same_in_json_and_text() {
    for health in [Health::Up, Health::Down, Health::AssumedUp, Health::Unknown] {
        assert_eq!(serde_json::to_value(health).unwrap(), health.as_str());
    }
}

#[test]
fn a_verdict_stands_though_the_floor_or_dry_run_keeps_the_record() {
    use Health::{AssumedUp, Down, Up};
    let cases = [
        ("up and in service", Up, true, None, true),
        ("assumed up", AssumedUp, true, None, true),
        ("down by verdict", Down, false, None, false),
        ("kept by the floor", Down, false, Some(Reason::Floor), false),
        ("too many others are out", Down, true, Some(Reason::MaxOut), true),
        ("kept by the floor, said the other way", Down, true, Some(Reason::Floor), false),
        ("kept by dry-run", Down, true, Some(Reason::DryRun), false),
        ("alive in dry-run", Up, true, Some(Reason::DryRun), true),
        ("down, but this agent is isolated", Down, true, Some(Reason::Isolated), true),
        ("down, but the peers do not agree", Down, true, Some(Reason::NoQuorum), true),
        ("unknown, and in by the verdict", Health::Unknown, true, None, true),
        ("unknown, and out by the verdict", Health::Unknown, false, None, false),
        ("drained though healthy", Up, true, Some(Reason::Drained), false),
    ];
    for (name, health, in_service, reason, serves) in cases {
        let mut target = sample::status().targets[0].clone();
        (target.health, target.in_service) = (health, in_service);
        target.reason = reason.map(Into::into);
        target.drained = None;
        assert_eq!(target.serves(), serves, "{name}");
    }
}
