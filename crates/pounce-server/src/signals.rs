//! The meaning of signals for a server and for a worker process. A native thread acts on them, even while Python
//! blocks the loop.

use std::io;
use std::thread;

use nix::sys::signal::Signal;
use pounce_asgi::python::{Received, Sender, Signals};

use crate::handle::{Order, ServerHandle};
use crate::terminal::Terminal;

/// Starts to listen in a server. The first SIGTERM or SIGINT calls `stop`, which asks the server to stop; the
/// second calls `clean_up` and ends the process at once. SIGHUP reloads, but stops when the terminal on which the
/// server was started has hung up.
///
/// A signal that the process sends to itself never ends it at once: a handler of the application may restore the
/// previous handler and raise the same signal again.
///
/// # Errors
/// The handlers or the thread cannot be installed.
pub(crate) fn listen(
    handle: ServerHandle,
    stop: impl Fn() + Send + 'static,
    clean_up: impl Fn() + Send + 'static,
) -> io::Result<()> {
    let terminal = Terminal::of_stdin();
    let mut stopping = false;
    spawn(move |Received { signal, sender }| {
        let hung_up = || terminal.as_ref().is_some_and(Terminal::is_gone);
        let stops = match signal {
            Signal::SIGTERM | Signal::SIGINT => true,
            Signal::SIGHUP => hung_up(),
            _ => false,
        };
        match signal {
            _ if stops && !stopping => {
                stopping = true;
                stop();
            }
            Signal::SIGTERM | Signal::SIGINT if sender == Sender::Other => {
                tracing::info!(target: "pounce", "Stopped at once: connections are aborted");
                clean_up();
                signal_hook::low_level::exit(0);
            }
            // The hangup may come twice: the shell also sends one to its jobs.
            _ if stops => {}
            Signal::SIGHUP => handle.order(Order::Restart),
            Signal::SIGTTIN => handle.order(Order::ScaleUp),
            Signal::SIGTTOU => handle.order(Order::ScaleDown),
            // Logs go to stdout and stderr: there is no file to reopen.
            _ => {}
        }
    })
}

/// Starts to listen in a worker process. A terminal sends SIGINT and SIGHUP to workers too; they do nothing there,
/// since the server decides. The first SIGTERM calls `drain`; the second calls `clean_up` and ends the process.
///
/// # Errors
/// The handlers or the thread cannot be installed.
pub(crate) fn listen_in_worker(
    drain: impl Fn() + Send + 'static,
    clean_up: impl Fn() + Send + 'static,
) -> io::Result<()> {
    let mut asked = false;
    spawn(move |Received { signal, sender }| match (signal, sender) {
        (Signal::SIGTERM, Sender::Other) if asked => {
            clean_up();
            signal_hook::low_level::exit(0);
        }
        (Signal::SIGTERM, sender) => {
            // The application's handler, called when the server stops this worker, may raise the signal again.
            asked |= sender == Sender::Other;
            drain();
        }
        _ => {}
    })
}

fn spawn(mut act: impl FnMut(Received) + Send + 'static) -> io::Result<()> {
    let mut signals = Signals::install()?;
    thread::Builder::new().name("pounce-signals".to_owned()).spawn(move || {
        while let Ok(received) = signals.wait() {
            act(received);
        }
    })?;
    Ok(())
}
