//! Who is measured: the builds of Pounce, the floor and the peers, and the machine they are measured on.

use std::path::PathBuf;

use anyhow::Result;

use super::host::Host;
use super::servers::{self, Server};
use super::{Options, build, peers};
use crate::error::hinted;
use crate::python::Python;
use crate::venv;

/// The servers of a run.
pub(super) struct Lineup {
    pub(super) servers: Vec<Server>,
    pub(super) host: Host,
    /// The virtualenv of the applications and of the peers.
    pub(super) venv: PathBuf,
}

impl Lineup {
    /// Builds and installs what the options ask for.
    pub(super) fn build(options: &Options) -> Result<Lineup> {
        let peers = peers::named(&options.peers)?;
        let python = Python::for_bench(options.python.as_deref())?;
        let venv = venv::ensure(&python, "bench-venv", "requirements-bench.txt")?;
        let mut servers = Vec::new();
        if !options.peers_only {
            servers.push(servers::pounce("pounce", build::pounce(&python, options.no_build)?, Some(&venv)));
            if options.access_log {
                servers.push(servers[0].clone().with("pounce-access-log".into(), &["--access-log".into()]));
            }
            for named in &options.server_bin {
                let (name, path) = named.split_once('=').unwrap_or(("pounce-other", named));
                let path = std::path::absolute(path)?;
                if !path.is_file() {
                    return Err(hinted(
                        format!("{} is not a program", path.display()),
                        "name a built pounce with `--server-bin PATH` or `--server-bin NAME=PATH`",
                    ));
                }
                servers.push(servers::pounce(name, path, Some(&venv)));
            }
        }
        // The floor has one worker and no application, so its memory says nothing.
        if !options.peers_only && !options.memory {
            servers.extend(build::floor(&python, options.no_build)?.map(servers::floor));
        }
        servers.extend(peers.into_iter().map(|peer| servers::peer(peer, &venv)));
        let host = Host::look(&python, Some(&venv), options.same_core)?;
        Ok(Lineup { servers, host, venv })
    }
}
