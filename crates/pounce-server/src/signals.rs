//! Signals, heard on a thread of their own, so that they are heard even while Python blocks the loop.

use std::io;
use std::thread;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGTTIN, SIGTTOU, SIGUSR1};
use signal_hook::iterator::Signals;

use crate::server::{Order, Request, ServerHandle};

/// Starts to listen in a server. The first SIGTERM or SIGINT asks the server to stop and calls `first`; the
/// second calls `clean_up` and ends the process at once.
///
/// # Errors
/// The handlers or the thread cannot be installed.
pub(crate) fn listen(
    handle: ServerHandle,
    first: impl Fn() + Send + 'static,
    clean_up: impl Fn() + Send + 'static,
) -> io::Result<()> {
    let mut signals = Signals::new([SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGTTIN, SIGTTOU])?;
    thread::Builder::new().name("pounce-signals".to_owned()).spawn(move || {
        let mut stopping = false;
        for signal in signals.forever() {
            match signal {
                SIGHUP => handle.order(Order::Restart),
                SIGTTIN => handle.order(Order::ScaleUp),
                SIGTTOU => handle.order(Order::ScaleDown),
                SIGTERM | SIGINT if stopping => {
                    tracing::info!(target: "pounce", "Stopped at once: connections are aborted");
                    clean_up();
                    signal_hook::low_level::exit(0);
                }
                SIGTERM | SIGINT => {
                    stopping = true;
                    first();
                    handle.ask(Request::Stop);
                }
                // Logs go to stdout and stderr: there is no file to open again.
                _ => {}
            }
        }
    })?;
    Ok(())
}

/// Starts to listen in a worker process. A terminal sends its signals to the workers too, whose server tells them
/// what to do: those are not heard. The first SIGTERM calls `drain`, the second `clean_up`, and ends the process.
///
/// # Errors
/// The handlers or the thread cannot be installed.
pub(crate) fn listen_in_worker(
    drain: impl Fn() + Send + 'static,
    clean_up: impl Fn() + Send + 'static,
) -> io::Result<()> {
    let mut signals = Signals::new([SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGTTIN, SIGTTOU])?;
    thread::Builder::new().name("pounce-signals".to_owned()).spawn(move || {
        let mut draining = false;
        for signal in signals.forever() {
            if signal != SIGTERM {
                continue;
            }
            if draining {
                clean_up();
                signal_hook::low_level::exit(0);
            }
            draining = true;
            drain();
        }
    })?;
    Ok(())
}
