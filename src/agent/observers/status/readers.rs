//! The runtime that serves readers of the status.

use tokio::runtime::{Builder, EnterGuard, Runtime};

use crate::file;

/// The niceness of the thread that serves readers. The event loop has 0.
const READERS_NICE: i32 = 10;

/// The runtime that serves readers: a thread of its own, so that they delay neither a probe nor a
/// request to the DNS provider. It yields to both if there are few processors.
pub(super) struct Readers(Option<Runtime>);

impl Readers {
    /// Starts the thread.
    pub(super) fn start() -> std::io::Result<Self> {
        file::room_for_a_runtime()?;
        let mut builder = Builder::new_multi_thread();
        builder.worker_threads(1).thread_name("readers").enable_all().on_thread_start(|| {
            // It applies to one thread on Linux: setpriority(2), "C library/kernel differences".
            if let Err(error) = rustix::process::setpriority_process(None, READERS_NICE) {
                tracing::debug!(%error, "readers are served at the ordinary priority");
            }
        });
        Ok(Self(Some(builder.build()?)))
    }

    /// Enters the runtime: listeners opened while the guard lives belong to it.
    pub(super) fn enter(&self) -> Option<EnterGuard<'_>> {
        self.0.as_ref().map(Runtime::enter)
    }

    /// Runs `service` in the runtime.
    pub(super) fn spawn(&self, service: impl Future<Output = ()> + Send + 'static) {
        if let Some(runtime) = &self.0 {
            runtime.spawn(service);
        }
    }
}

impl Drop for Readers {
    fn drop(&mut self) {
        // The drop happens in another runtime, which must not wait for this one.
        self.0.take().into_iter().for_each(Runtime::shutdown_background);
    }
}
