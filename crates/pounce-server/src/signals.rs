//! Signals, heard on a thread of their own, so that they are heard even while Python blocks the loop.

use std::io;
use std::thread;

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::server::{Request, ServerHandle};

/// Starts to listen. The first SIGTERM or SIGINT asks the server to stop and calls `first`; the second
/// calls `clean_up` and ends the process at once.
///
/// # Errors
/// The handlers or the thread cannot be installed.
pub(crate) fn listen(
    handle: ServerHandle,
    first: impl Fn() + Send + 'static,
    clean_up: impl Fn() + Send + 'static,
) -> io::Result<()> {
    let mut signals = Signals::new([SIGTERM, SIGINT])?;
    thread::Builder::new().name("pounce-signals".to_owned()).spawn(move || {
        let mut stopping = false;
        for _signal in signals.forever() {
            if stopping {
                eprintln!("Stopped at once: connections are aborted");
                clean_up();
                signal_hook::low_level::exit(0);
            }
            stopping = true;
            first();
            handle.ask(Request::Stop);
        }
    })?;
    Ok(())
}
