use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// The signals that ask a server to stop: SIGINT, SIGTERM, and SIGHUP where asked for.
pub struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hang_up: Option<Signal>,
}

impl Signals {
    /// From here on these signals no longer end the process by themselves. `hang_up`: also when the terminal closes,
    /// for a server that has something to tidy up then. Must be called within the runtime.
    pub fn listen(hang_up: bool) -> io::Result<Signals> {
        Ok(Signals {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hang_up: if hang_up { Some(signal(SignalKind::hangup())?) } else { None },
        })
    }

    /// Resolves at each signal; may be dropped and called again without losing one.
    pub async fn next(&mut self) {
        let hang_up = async {
            match &mut self.hang_up {
                Some(signal) => signal.recv().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
            _ = hang_up => {}
        }
    }
}
