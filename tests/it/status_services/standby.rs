//! A service with a standby: counted apart, and its verdict with its reason.

use goavail::testing::status::model::Standby;
use goavail::testing::status::{Board, ClockReading, MetricsFormat, TargetState, encode};

use super::{answers, at, board, probed, status};
use crate::status_sample::fine;

/// A service with the primary 192.0.2.1, and 192.0.2.2 as its standby.
fn with_standby(in_service: bool) -> (Board, ClockReading) {
    let (mut board, end) = board();
    let why = "tier 1, since 1 of 1 of tier 0 is in service".into();
    let standby = Standby { tier: 1, why, last_resort: false };
    let state = TargetState { in_service, standby: Some(standby), ..probed(1, fine()) };
    board.update(at(1, "192.0.2.2"), end.clock, &state);
    board.publish(end);
    (board, end)
}

#[test]
fn a_standby_is_counted_apart_and_its_metric_is_there_for_its_service_alone() {
    for is_in in [false, true] {
        let (board, _) = with_standby(is_in);
        let status = status(&board);
        let of: Vec<_> =
            status.services.iter().map(|it| (it.in_service, it.of, it.standby_in)).collect();
        assert_eq!(of, [(1, 1, Some(usize::from(is_in))), (1, 1, None), (1, 2, None)]);
        let text = encode(&board.reader().snapshot(), MetricsFormat::Text, String::new());
        let count = if is_in { "1.0" } else { "0.0" };
        assert!(
            text.contains(&format!("goavail_standby_in{{service=\"www\"}} {count}\n")),
            "{text}"
        );
        assert!(text.contains("goavail_refusals_total{reason=\"standby\",service=\"www\"} 0\n"));
        assert_eq!(text.matches("reason=\"standby\"").count(), 1, "{text}");
        let to_down =
            "goavail_verdicts_total{target=\"192.0.2.2\",to=\"down\",service=\"www\"} 0\n";
        assert!(text.contains(to_down), "it is out at the start without a verdict: {text}");
    }
    let (board, _) = board();
    let text = encode(&board.reader().snapshot(), MetricsFormat::Text, String::new());
    assert!(!text.contains("standby"), "{text}");
    let json = serde_json::to_value(status(&board)).unwrap();
    assert!(json["services"][0].get("standby_in").is_none());
    assert!(json["targets"][0].get("standby").is_none());
}

#[tokio::test]
async fn the_verdict_on_a_standby_says_why_it_is_published_or_not() {
    for (is_in, state) in [(false, "standby"), (true, "in service")] {
        let (board, _) = with_standby(is_in);
        let want = format!("up {state}: tier 1, since 1 of 1 of tier 0 is in service\n");
        assert_eq!(answers(&board, &["/verdict/www/192.0.2.2"]).await, [(200, want)]);
    }
}
