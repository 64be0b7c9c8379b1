//! The moment at which a scripted fault meets its request.

use tokio::sync::oneshot;

/// Reports that a fault has met its request.
pub(crate) struct FaultSignal(oneshot::Receiver<()>);

impl FaultSignal {
    /// Returns the two ends: the fault sends, the case waits.
    pub(crate) fn pair() -> (oneshot::Sender<()>, Self) {
        let (sender, receiver) = oneshot::channel();
        (sender, Self(receiver))
    }

    /// Waits until the request has been received.
    pub(crate) async fn wait(self) {
        self.0.await.expect("the harness was dropped before the fault met its request");
    }
}
