//! `goavail status --watch`, on a screen in memory.

use std::sync::Arc;

use goavail::testing::status::{AgentAddress, watch};
use tokio::sync::Notify;

use crate::status_sample::sample_board;
use crate::status_service::Asked;

/// A screen that signals each complete frame.
struct Screen {
    shown: Vec<u8>,
    drawn: Arc<Notify>,
}

impl std::io::Write for Screen {
    fn write(&mut self, part: &[u8]) -> std::io::Result<usize> {
        self.shown.extend_from_slice(part);
        Ok(part.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.drawn.notify_one();
        Ok(())
    }
}

#[tokio::test]
async fn watching_draws_the_table_and_gives_the_terminal_back() {
    let agent = Asked::new(sample_board());
    let gone = AgentAddress::Socket(agent.directory.path().join("gone.sock"));
    for (name, place, part) in
        [("an agent", agent.place(), "\n198.51.100.15  "), ("none", gone, "no agent answers on ")]
    {
        let drawn = Arc::new(Notify::new());
        let mut screen = Screen { shown: Vec::new(), drawn: Arc::clone(&drawn) };
        watch(async || place.status().await, &mut screen, false, || Some(40), drawn.notified())
            .await
            .unwrap();
        let shown = String::from_utf8(screen.shown).unwrap();
        assert!(shown.contains(part), "{name}: {shown}");
        assert!(shown.starts_with("\u{1b}[?25l") && shown.ends_with("\u{1b}[?25h"), "{name}");
    }
}
