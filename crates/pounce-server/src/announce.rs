//! What the server says of itself: the banner, where it listens, that it is ready.

use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};

use pounce_asgi::python::Interpreter;
use pounce_net::LocalAddr;
use pounce_supervisor::Notice;

use crate::detect::{self, Shape};
use crate::output::STDERR;

/// Says things to the operator: plain lines, or events of the log where that is JSON.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Announcer {
    pub(crate) json: bool,
}

impl Announcer {
    fn say(self, text: &str) {
        if self.json {
            tracing::info!(target: "pounce", "{text}");
        } else {
            STDERR.push(format!("{text}\n").as_bytes());
        }
    }

    pub(crate) fn banner(self, target: &str, shape: Shape) {
        let workers = match shape {
            Shape::Single => "one worker".to_owned(),
            Shape::Many { count: 1, mode } => format!("one worker ({})", detect::name(mode)),
            Shape::Many { count, mode } => format!("{count} workers ({})", detect::name(mode)),
        };
        self.say(&format!(
            "Pounce {} serving {target} on {}, {workers} (pid {})",
            env!("CARGO_PKG_VERSION"),
            Interpreter::describe(),
            std::process::id()
        ));
    }

    pub(crate) fn listening(self, addresses: &[LocalAddr], encrypted: bool) {
        let scheme = if encrypted { "https" } else { "http" };
        for address in addresses {
            match address {
                LocalAddr::Tcp(address) => self.say(&format!("Listening on {scheme}://{address}")),
                LocalAddr::Unix(_) => self.say(&format!("Listening on {address}")),
            }
        }
    }

    pub(crate) fn ready(self, python: &str) {
        self.say(&format!("READY ({python}); press Ctrl-C to stop"));
        notify("READY=1");
    }

    pub(crate) fn stopping(self) {
        self.say("Stopping: finishing what runs; a second signal stops at once");
        notify("STOPPING=1");
    }

    pub(crate) fn reloading(self, what: &str) {
        self.say(&format!("Reloading: {what} changed"));
    }

    /// What the supervisor has to say.
    pub(crate) fn notice(self, notice: Notice) {
        match notice {
            Notice::Ready => self.ready(&Interpreter::describe()),
            Notice::Reloaded => self.say("Reloaded: all workers serve the new code"),
            Notice::ReloadFailed(why) => {
                tracing::error!(target: "pounce", "the reload failed, and the workers stay as they are: {why}");
            }
            Notice::Lost { slot, how, wait } if wait.is_zero() => {
                tracing::error!(target: "pounce", "worker {slot} is lost: {how}; the next starts already");
            }
            Notice::Lost { slot, how, wait } => {
                tracing::error!(target: "pounce", "worker {slot} is lost: {how}; the next starts in {wait:?}");
            }
            Notice::GivenUp { slot, how } => tracing::error!(
                target: "pounce",
                "worker {slot} is lost: {how}; it has ended too often and is given up until a reload (SIGHUP)"
            ),
            Notice::Spent { slot, why } => {
                tracing::info!(target: "pounce", "worker {slot} is replaced: {why}")
            }
            Notice::NotReplaced { slot, how } => {
                tracing::error!(target: "pounce", "worker {slot} is not replaced, and stays: {how}");
            }
            Notice::Stuck { slot } => {
                tracing::error!(target: "pounce", "worker {slot} gives no sign of life")
            }
            // Its own watchdog has said so.
            Notice::Recovered { slot } => tracing::debug!(target: "pounce", "worker {slot} lives again"),
            Notice::Unstoppable { slot } => {
                tracing::error!(target: "pounce", "worker {slot} does not end, and cannot be made to");
            }
            Notice::Scaled(count) => self.say(&format!("Scaled to {count} workers")),
        }
    }

    pub(crate) fn waiting(self) {
        self.say("Waiting for a change of the files to try again");
    }

    pub(crate) fn stopped(self) {
        self.say("Stopped");
    }
}

/// Tells systemd (sd_notify(3)). Nobody listening is no fault.
fn notify(state: &str) {
    let Some(name) = std::env::var_os("NOTIFY_SOCKET") else { return };
    let name = name.to_string_lossy().into_owned();
    let address = match name.strip_prefix('@') {
        Some(name) => SocketAddr::from_abstract_name(name),
        None => SocketAddr::from_pathname(&name),
    };
    let sent = address.and_then(|address| UnixDatagram::unbound()?.send_to_addr(state.as_bytes(), &address));
    if let Err(error) = sent {
        tracing::warn!(target: "pounce", "cannot notify {name}: {error}");
    }
}
