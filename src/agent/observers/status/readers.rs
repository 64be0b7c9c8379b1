//! The runtime in which readers are served.

use tokio::runtime::{Builder, EnterGuard, Runtime};

use crate::file;

/// The niceness of the thread that serves readers; 0 is the loop's.
const READERS_NICE: i32 = 10;

/// The runtime in which readers are served: a thread of its own, so that they delay neither a probe
/// nor a request to the DNS provider, and that yields to both where processors are few.
pub(super) struct Readers(Option<Runtime>);

impl Readers {
    /// Starts the thread of readers.
    pub(super) fn start() -> std::io::Result<Self> {
        file::room_for_a_runtime()?;
        let mut builder = Builder::new_multi_thread();
        builder.worker_threads(1).thread_name("readers").enable_all().on_thread_start(|| {
            // Of one thread, as Linux has it: setpriority(2), "C library/kernel differences".
            if let Err(error) = rustix::process::setpriority_process(None, READERS_NICE) {
                tracing::debug!(%error, "readers are served at the ordinary priority");
            }
        });
        Ok(Self(Some(builder.build()?)))
    }

    /// Enters it: listeners opened while the guard lives belong to it.
    pub(super) fn enter(&self) -> Option<EnterGuard<'_>> {
        self.0.as_ref().map(Runtime::enter)
    }

    /// Runs `service` in it.
    pub(super) fn spawn(&self, service: impl Future<Output = ()> + Send + 'static) {
        if let Some(runtime) = &self.0 {
            runtime.spawn(service);
        }
    }
}

impl Drop for Readers {
    fn drop(&mut self) {
        // It is dropped on a thread of another runtime, which must not wait for this one.
        self.0.take().into_iter().for_each(Runtime::shutdown_background);
    }
}
