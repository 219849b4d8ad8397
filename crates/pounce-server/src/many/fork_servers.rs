//! The processes that workers are forked from, with `--preload`: one for each generation.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io;
use std::os::fd::OwnedFd;

use pounce_config::WorkerPlan;
use pounce_supervisor::fork_server::{ForkServer, Loaded};
use pounce_supervisor::process::Launch;
use pounce_supervisor::{WorkerEvents, WorkerHandle};

use crate::context::ServerContext;
use crate::error::ServerError;
use crate::host::Program;
use crate::preload;

#[derive(Default)]
pub(super) struct ForkServers(RefCell<BTreeMap<u32, ForkServer>>);

impl ForkServers {
    /// Starts that of a generation, which imports the application of this plan.
    ///
    /// # Errors
    /// It cannot be started, or the application cannot be imported.
    pub(super) async fn start(
        &self,
        server: &ServerContext,
        generation: u32,
        mut plan: WorkerPlan,
    ) -> Result<(), ServerError> {
        // It needs no secrets, and has the room of one message for its plan.
        (plan.tls, plan.lifespan_state) = (None, None);
        let system = |error| ServerError::System { what: "cannot start the fork server", error };
        let plan = plan.to_json().map_err(|error| system(io::Error::other(error)))?.into();
        let Program { path, mut arguments } = server.host.worker().map_err(system)?;
        arguments.push(preload::ARGUMENT.into());
        let launch = Launch { program: path, arguments, plan, inherited: Vec::new() };
        let timeout = server.worker.lifecycle.timeout_startup;
        let started = tokio::time::timeout(timeout, ForkServer::start(launch)).await;
        match started.unwrap_or_else(|_| Err(ServerError::StartupTimeout(timeout).with_hint())) {
            Ok((fork_server, Loaded::Fully)) => {
                self.0.borrow_mut().insert(generation, fork_server);
            }
            Ok((_, Loaded::WithThreads(names))) => tracing::warn!(
                target: "pounce",
                "{} starts threads when it is imported, which a fork would be without: {}; served without --preload",
                server.worker.app.target,
                names.join(", ")
            ),
            Err(why) => return Err(ServerError::Worker(why)),
        }
        Ok(())
    }

    /// Forks a worker; `None` if it must be started otherwise.
    pub(super) fn fork(
        &self,
        generation: u32,
        plan: &str,
        inherited: &[OwnedFd],
        events: &WorkerEvents,
    ) -> Option<WorkerHandle> {
        let servers = self.0.borrow();
        match servers.get(&generation)?.fork(plan, inherited, events.clone()) {
            Ok(worker) => Some(worker),
            Err(error) => {
                tracing::error!(target: "pounce", "a worker cannot be forked, and starts without --preload: {error}");
                None
            }
        }
    }

    /// No worker of this generation starts any more.
    pub(super) fn end(&self, generation: u32) {
        drop(self.0.borrow_mut().remove(&generation));
    }
}
