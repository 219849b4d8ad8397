//! What signals mean to a server and to a worker process, decided on a thread of their own, so that they are heeded
//! even while Python blocks the loop.

use std::io;
use std::thread;

use nix::sys::signal::Signal;
use pounce_asgi::python::{Heard, Sender, Signals};

use crate::output::STDERR;
use crate::server::{Order, Request, ServerHandle};
use crate::terminal::Terminal;

/// Starts to listen in a server. The first SIGTERM or SIGINT asks the server to stop and calls `first`; the
/// second calls `clean_up` and ends the process at once. SIGHUP reloads, and stops where it is the last word of the
/// terminal that the server was started on.
///
/// A signal that the process sends itself never ends it at once: an application's handler that restores the one it
/// found and sends the signal again has heard one signal, not two.
///
/// # Errors
/// The handlers or the thread cannot be installed.
pub(crate) fn listen(
    handle: ServerHandle,
    first: impl Fn() + Send + 'static,
    clean_up: impl Fn() + Send + 'static,
) -> io::Result<()> {
    let terminal = Terminal::of_stdin();
    let mut stopping = false;
    hear(move |Heard { signal, sender }| {
        let hung_up = || terminal.as_ref().is_some_and(Terminal::is_gone);
        let stops = match signal {
            Signal::SIGTERM | Signal::SIGINT => true,
            Signal::SIGHUP => hung_up(),
            _ => false,
        };
        match signal {
            _ if stops && !stopping => {
                stopping = true;
                handle.ask(Request::Stop);
                first();
            }
            Signal::SIGTERM | Signal::SIGINT if sender == Sender::Other => {
                STDERR.push(b"Stopped at once: connections are aborted\n");
                clean_up();
                signal_hook::low_level::exit(0);
            }
            // A shell sends it to its jobs when it gets it, so it may come twice.
            _ if stops => {}
            Signal::SIGHUP => handle.order(Order::Restart),
            Signal::SIGTTIN => handle.order(Order::ScaleUp),
            Signal::SIGTTOU => handle.order(Order::ScaleDown),
            // Logs go to stdout and stderr: there is no file to open again.
            _ => {}
        }
    })
}

/// Starts to listen in a worker process. A terminal sends its signals to the workers too, whose server tells them
/// what to do: those are not heeded. The first SIGTERM calls `drain`, the second `clean_up`, and ends the process.
///
/// # Errors
/// The handlers or the thread cannot be installed.
pub(crate) fn listen_in_worker(
    drain: impl Fn() + Send + 'static,
    clean_up: impl Fn() + Send + 'static,
) -> io::Result<()> {
    let mut draining = false;
    hear(move |Heard { signal, sender }| {
        if signal != Signal::SIGTERM {
            return;
        }
        if !draining {
            draining = true;
            drain();
        } else if sender == Sender::Other {
            clean_up();
            signal_hook::low_level::exit(0);
        }
    })
}

fn hear(mut heed: impl FnMut(Heard) + Send + 'static) -> io::Result<()> {
    let mut signals = Signals::install()?;
    thread::Builder::new().name("pounce-signals".to_owned()).spawn(move || {
        while let Ok(heard) = signals.wait() {
            heed(heard);
        }
    })?;
    Ok(())
}
