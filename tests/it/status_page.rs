//! The page in a real browser: it shows the same as `/status`.
//!
//! Needs Chromium (`chromium` on the path). Without it the tests say so loudly and pass, except
//! with `CI=true`, where they fail.

#![expect(clippy::unwrap_used, reason = "a test's helper fails as the test does")]
#![expect(clippy::print_stdout, reason = "a skip is said where it can be seen")]

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::middleware::map_response;
use axum::response::Response;
use goavail::engine::ids::TargetRef;
use goavail::testing::serve::{ServeLimits, serve};
use goavail::testing::status::model::Status;
use goavail::testing::status::{AgentAddress, Board, ClockReading, read_only};
use tokio::net::TcpListener;
use tokio::process::Command;
use tokio::sync::Notify;

use crate::lab::is_ci;
use crate::status_sample::sample_board;

/// The read-only service of `board` on loopback, until the test ends, and the signal that a
/// request was answered.
async fn service(board: &Board) -> (SocketAddr, Arc<Notify>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let asked = Arc::new(Notify::new());
    let answered = Arc::clone(&asked);
    let router = read_only(board.reader()).layer(map_response(move |response: Response| {
        answered.notify_one();
        async { response }
    }));
    tokio::spawn(serve(listener, router, ServeLimits::default(), std::future::pending()));
    (address, asked)
}

/// Runs Chromium without a window and returns its output; `None` if there is none.
async fn chromium(url: &str, arguments: &[&str]) -> Option<String> {
    let profile = tempfile::tempdir().unwrap();
    let quiet = [
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--hide-scrollbars",
        "--enable-logging=stderr",
    ];
    let ran = Command::new("chromium")
        .args(quiet)
        .arg(format!("--user-data-dir={}", profile.path().display()))
        .args(arguments)
        .arg(url)
        .kill_on_drop(true)
        .output();
    let output = match tokio::time::timeout(Duration::from_mins(2), ran).await {
        Ok(Ok(output)) => output,
        Ok(Err(error)) => {
            assert!(!is_ci(), "no Chromium in CI: {error}");
            println!("SKIPPED: the page was not looked at, for Chromium cannot be run: {error}");
            return None;
        }
        Err(late) => panic!("Chromium did not end within two minutes: {late}"),
    };
    let told = String::from_utf8_lossy(&output.stderr);
    let complaints: Vec<&str> = told.lines().filter(|line| line.contains("CONSOLE")).collect();
    assert!(complaints.is_empty(), "the browser complains: {complaints:#?}");
    Some(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// The text between `start` and `end` after each occurrence of `start`.
fn all_between<'a>(text: &'a str, start: &str, end: &str) -> Vec<&'a str> {
    let after = text.split(start).skip(1);
    after.map(|rest| rest.split(end).next().unwrap_or_default()).collect()
}

/// The text of a row of the page.
fn row_says(row: &str) -> (String, String, String, String) {
    let value = |class: &str| {
        let cell = row.split(class).nth(1).unwrap_or_default();
        all_between(cell, "<data value=\"", "\"")[0].to_owned()
    };
    let health = all_between(row, "class=\"state ", "</span>")[0];
    let health = health.split('>').nth(1).unwrap_or_default().to_owned();
    (
        health,
        value("class=\"service\""),
        value("class=\"figure rtt\""),
        value("class=\"figure loss"),
    )
}

fn assert_shows(page: &str, status: &Status) {
    for target in &status.targets {
        let rows = all_between(page, &format!("data-address=\"{}\"", target.address), "</tr>");
        assert_eq!(rows.len(), 1, "{} is shown once", target.address);
        let want = (
            target.health.as_str().replace("assumed_up", "assumed"),
            target.in_service.to_string(),
            target.last_rtt_ms.map(|ms| ms.to_string()).unwrap_or_default(),
            target.loss_1m.map(|part| part.to_string()).unwrap_or_default(),
        );
        assert_eq!(row_says(rows[0]), want, "{}", target.address);
        assert!(rows[0].contains("<svg"), "{} has its chart", target.address);
    }
    for change in &status.changes {
        assert!(page.contains(&change.what) && page.contains(&change.evidence), "{change:?}");
    }
}

#[tokio::test]
async fn the_page_in_a_browser_shows_the_numbers_of_status() {
    let (board, _) = sample_board();
    let (address, _) = service(&board).await;
    let status = AgentAddress::Listener(address).status().await.unwrap();
    let Some(page) = chromium(&format!("http://{address}/"), &["--dump-dom"]).await else { return };
    assert_shows(&page, &status);
    assert!(page.contains("kernel update &lt;b&gt;&amp;amp; reboot&lt;/b&gt;"), "escaped");
    assert!(page.contains(", live"), "its script has run, so the policy lets it");
}

/// The newer figures must be there after the page's own refresh: virtual time runs in the browser
/// until they have been fetched.
#[tokio::test]
async fn the_page_takes_over_newer_figures_by_itself() {
    let (mut board, end) = sample_board();
    let (address, asked) = service(&board).await;
    let target = board.reader().snapshot().status().targets[0].address;
    let later = ClockReading { clock: end.clock + Duration::from_secs(1), ..end };
    let url = format!("http://{address}/");
    let browsing = chromium(&url, &["--dump-dom", "--virtual-time-budget=12000"]);
    let mut browsing = std::pin::pin!(browsing);
    // The first picture is of the old figures: the board continues once it has been requested.
    let page = tokio::select! {
        page = &mut browsing => page,
        () = asked.notified() => {
            board.reply(TargetRef::of_default(target), later.clock, Duration::from_millis(77));
            board.publish(later);
            browsing.await
        }
    };
    let Some(page) = page else { return };
    let row = all_between(&page, &format!("data-address=\"{target}\""), "</tr>")[0];
    assert!(row_says(row).2.starts_with("77"), "{row}");
}
