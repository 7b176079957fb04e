//! Signals that end a command in an orderly way: it finishes what is in flight and leaves its group.

use tokio::signal::unix::{Signal, SignalKind, signal};

/// Status of a process that an interrupt ended, as shells count.
const INTERRUPTED: u8 = 130;

/// Status of a process that was asked to end.
const TERMINATED: u8 = 143;

/// Waits for the interrupt key or a request to end.
#[derive(Debug)]
pub(crate) struct Signals {
    interrupt: Option<Signal>,
    terminate: Option<Signal>,
}

impl Signals {
    /// Listens from now on; with `is_on` unset nothing ever comes.
    pub(crate) fn new(is_on: bool) -> Self {
        let listen = |kind| if is_on { signal(kind).ok() } else { None };
        Self { interrupt: listen(SignalKind::interrupt()), terminate: listen(SignalKind::terminate()) }
    }

    /// The exit status that belongs to the next signal.
    pub(crate) async fn next(&mut self) -> u8 {
        tokio::select! {
            () = received(&mut self.interrupt) => INTERRUPTED,
            () = received(&mut self.terminate) => TERMINATED,
        }
    }
}

async fn received(signal: &mut Option<Signal>) {
    if let Some(signal) = signal
        && signal.recv().await.is_some()
    {
        return;
    }
    std::future::pending().await
}
