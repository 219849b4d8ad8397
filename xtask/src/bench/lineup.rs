//! The servers to measure (the builds of Pounce, the floor and the peers) and the machine.

use std::path::Path;

use anyhow::Result;

use super::host::Host;
use super::servers::{self, Server};
use super::{Options, build, peers};
use crate::error::hinted;
use crate::venv;

/// The servers of a run.
pub(super) struct Lineup {
    pub(super) servers: Vec<Server>,
    pub(super) host: Host,
}

impl Lineup {
    /// Builds and installs the servers that the options name.
    pub(super) fn build(options: &Options) -> Result<Lineup> {
        let peers = peers::named(&options.peers)?;
        let pythons = options.pythons()?;
        let (mut servers, mut venvs) = (Vec::new(), Vec::new());
        for python in &pythons {
            let venv = venv::ensure(python, "bench-venv", "requirements-bench.txt")?;
            if !options.peers_only {
                let name =
                    if venvs.is_empty() { "pounce".into() } else { format!("pounce-{}", python.name()) };
                let pounce = servers::pounce(&name, build::pounce(python, options.no_build)?, Some(&venv));
                servers.push(pounce.clone());
                if options.access_log {
                    servers.push(pounce.with(format!("{name}-access-log"), &["--access-log".into()]));
                }
            }
            venvs.push(venv);
        }
        // The other servers run on the first Python.
        let (python, venv) = (&pythons[0], &venvs[0]);
        if !options.peers_only {
            for named in &options.server_bin {
                servers.push(other_build(named, venv)?);
            }
        }
        // The floor has one worker and no application, so its memory is not comparable.
        if !options.peers_only && !options.memory {
            servers.extend(build::floor(python, options.no_build)?.map(servers::floor));
        }
        servers.extend(peers.into_iter().map(|peer| servers::peer(peer, venv)));
        let host = Host::look(&pythons, Some(venv), options.same_core)?;
        Ok(Lineup { servers, host })
    }
}

/// A build of Pounce, given to `--server-bin` as `PATH` or `NAME=PATH`.
fn other_build(named: &str, venv: &Path) -> Result<Server> {
    let (name, path) = named.split_once('=').unwrap_or(("pounce-other", named));
    let path = std::path::absolute(path)?;
    if !path.is_file() {
        return Err(hinted(
            format!("{} is not a program", path.display()),
            "name a built pounce with `--server-bin PATH` or `--server-bin NAME=PATH`",
        ));
    }
    Ok(servers::pounce(name, path, Some(venv)))
}
