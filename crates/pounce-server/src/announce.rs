//! The server's messages about loading the application, being ready, and stopping.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use pounce_asgi::python::Interpreter;
use pounce_config::ServerConfig;
use pounce_net::LocalAddr;
use pounce_supervisor::Notice;
use tokio::sync::watch;

use crate::clock::monotonic;
use crate::detect::{self, Shape};
use crate::handle::ServerHandle;
use crate::systemd::notify;

/// The reloads of a server.
#[derive(Debug, Clone, Default)]
pub(crate) struct Reloads {
    pub(crate) is_under_way: bool,
    /// How many have ended.
    pub(crate) ended: u64,
    /// Why the last one failed, if it did.
    pub(crate) failure: Option<String>,
}

/// Writes messages for the operator, at level INFO.
#[derive(Debug, Clone)]
pub(crate) struct Announcer {
    /// The text of the line that it is ready: `main:app on http://127.0.0.1:8000 (Python 3.13.0, 1 worker)`.
    serving: Arc<str>,
    /// How long it goes on serving when it is to stop.
    drain_delay: Duration,
    /// Who waits for the server learns there that it serves.
    handle: ServerHandle,
    reloads: Arc<watch::Sender<Reloads>>,
}

impl Announcer {
    pub(crate) fn new(
        config: &ServerConfig,
        shape: Shape,
        addresses: &[LocalAddr],
        virtualenv: Option<&Path>,
        handle: ServerHandle,
    ) -> Self {
        let scheme = if config.tls.is_some() { "https" } else { "http" };
        let urls = addresses.iter().map(|address| match address {
            LocalAddr::Tcp(address) => format!("{scheme}://{address}"),
            LocalAddr::Unix(_) => address.to_string(),
        });
        let urls: Vec<String> = urls.collect();
        let venv = virtualenv.map(|folder| format!(", venv {}", shown(folder))).unwrap_or_default();
        let serving = format!(
            "{} on {} ({}{venv}, {})",
            config.app.target,
            urls.join(", "),
            Interpreter::describe(),
            detect::describe(shape),
        );
        Self {
            serving: serving.into(),
            drain_delay: config.lifecycle.drain_delay,
            handle,
            reloads: Arc::default(),
        }
    }

    /// Tells of each reload that ends.
    pub(crate) fn reloads(&self) -> watch::Receiver<Reloads> {
        self.reloads.subscribe()
    }

    /// What the server serves, where and how.
    pub(crate) fn serving(&self) -> &str {
        &self.serving
    }

    fn end_reload(&self, failure: Option<&str>) {
        self.reloads.send_modify(|reloads| {
            let failure = failure.map(str::to_owned);
            *reloads = Reloads { is_under_way: false, ended: reloads.ended + 1, failure };
        });
    }

    fn say(&self, text: &str) {
        tracing::info!(target: "pounce", "{text}");
    }

    pub(crate) fn loading(&self, target: &str) {
        self.say(&format!("Loading {target}"));
    }

    pub(crate) fn ready(&self) {
        self.say(&format!("Pounce {} ready: {}. Ctrl-C stops.", env!("CARGO_PKG_VERSION"), self.serving));
        self.tell_serving();
        self.handle.set_serving();
    }

    pub(crate) fn stopping(&self) {
        if self.drain_delay.is_zero() {
            self.say("Stopping: finishing running requests; a second signal stops at once");
        } else {
            let delay = self.drain_delay;
            self.say(&format!(
                "Stopping: not ready, serving for {delay:?} more; a second signal stops at once"
            ));
        }
        notify("STOPPING=1\nSTATUS=Finishing running requests");
    }

    /// A reload of the application begins, which [`Notice::Reloaded`] or [`Notice::ReloadFailed`] ends.
    pub(crate) fn restarting(&self) {
        self.reloads.send_modify(|reloads| reloads.is_under_way = true);
        notify(&format!("RELOADING=1\nMONOTONIC_USEC={}\nSTATUS=Reloading", monotonic().as_micros()));
    }

    fn tell_serving(&self) {
        notify(&format!("READY=1\nSTATUS=Serving {}", self.serving));
    }

    pub(crate) fn reloading(&self, what: &str) {
        self.say(&format!("Reloading: {what} changed"));
    }

    /// Reports a notice of the supervisor.
    pub(crate) fn notice(&self, notice: Notice) {
        match notice {
            Notice::Ready => self.ready(),
            Notice::Reloaded => {
                self.say("Reloaded: all workers serve the new code");
                self.tell_serving();
                self.end_reload(None);
            }
            Notice::ReloadFailed(why) => {
                self.tell_serving();
                self.end_reload(Some(&why));
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
            // The worker's watchdog has already logged it.
            Notice::Recovered { slot } => tracing::debug!(target: "pounce", "worker {slot} lives again"),
            Notice::Unstoppable { slot } => {
                tracing::error!(target: "pounce", "worker {slot} does not end, and cannot be made to");
            }
            // The control socket has asked.
            Notice::Answer { .. } => {}
            Notice::Scaled(count) => self.say(&format!("Scaled to {count} workers")),
        }
    }

    pub(crate) fn waiting(&self) {
        self.say("Waiting for a change of the files to try again");
    }

    pub(crate) fn stopped(&self) {
        self.say("Stopped");
    }
}

/// A folder relative to the working directory, as the operator would name it.
fn shown(folder: &Path) -> String {
    let directory = std::env::current_dir().unwrap_or_default();
    folder.strip_prefix(directory).unwrap_or(folder).display().to_string()
}
