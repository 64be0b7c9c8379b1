//! Signals: SIGHUP reloads, SIGTERM and SIGINT stop.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use futures_util::StreamExt;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook_tokio::Signals;
use tokio::sync::{mpsc, watch};

use super::input::Input;

/// Keeps SIGHUP from ending the process from now on. To be called before the configuration is read
/// for the first time; the returned flag tells [`super::run`] whether to read it again.
///
/// # Errors
///
/// Fails if the signal handler cannot be registered.
pub(crate) fn hold_sighup() -> std::io::Result<Arc<AtomicBool>> {
    let received = Arc::new(AtomicBool::new(false));
    signal_hook::flag::register(SIGHUP, Arc::clone(&received))?;
    Ok(received)
}

/// The number of requests to stop.
#[derive(Debug)]
pub(super) struct StopRequests(watch::Receiver<u32>);

impl StopRequests {
    /// Waits for the `count`th request to stop.
    pub(super) async fn reach(&mut self, count: u32) {
        if self.0.wait_for(|requests| *requests >= count).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

/// Registers for the signals, and forwards them to the event loop from now on.
///
/// # Errors
///
/// Fails if a signal handler cannot be registered.
pub(super) fn forward(outbox: mpsc::Sender<Input>) -> std::io::Result<StopRequests> {
    let mut signals = Signals::new([SIGHUP, SIGTERM, SIGINT])?;
    let (requests, stops) = watch::channel(0);
    tokio::spawn(async move {
        while let Some(signal) = signals.next().await {
            let input = if signal == SIGHUP { Input::Reload } else { Input::Stop };
            if signal != SIGHUP {
                requests.send_modify(|requests| *requests += 1);
            }
            if outbox.send(input).await.is_err() {
                return;
            }
        }
    });
    Ok(StopRequests(stops))
}
