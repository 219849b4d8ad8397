//! The file with the server's process id.

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use nix::fcntl::{FcntlArg, fcntl};
use nix::libc;

use crate::error::ServerError;
use crate::output::is_named;

/// The file, locked for as long as the server runs. A lock rather than the id tells whether another server runs: an id
/// that a killed server left behind may be another process's by now.
#[derive(Debug)]
pub(crate) struct PidFile {
    path: PathBuf,
    /// `None` once it is removed. The lock is the process's: children do not have it.
    locked: Mutex<Option<File>>,
}

impl PidFile {
    /// Writes the process's id.
    ///
    /// # Errors
    /// The file cannot be written, or another server runs with it.
    pub(crate) fn write(path: &Path) -> Result<Self, ServerError> {
        let fault = |reason: String| ServerError::PidFile { path: path.to_owned(), reason };
        let cannot = |error: std::io::Error| fault(format!("it cannot be written: {error}"));
        let absolute = std::path::absolute(path).map_err(cannot)?;
        let (mut file, locked) = loop {
            let opened =
                OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&absolute);
            let file = opened.map_err(cannot)?;
            let locked = fcntl(&file, FcntlArg::F_SETLK(&whole_file()));
            // A server that ends may have removed the file between the two steps; its lock would be worth nothing.
            if locked.is_err() || is_named(&file, &absolute) {
                break (file, locked);
            }
        };
        if let Err(error) = locked {
            let mut owner = String::new();
            let _ = file.read_to_string(&mut owner);
            return Err(match error {
                nix::Error::EACCES | nix::Error::EAGAIN => {
                    fault(format!("a server runs with it as process {}", owner.trim()))
                }
                error => cannot(error.into()),
            });
        }
        file.set_len(0).and_then(|()| writeln!(file, "{}", std::process::id())).map_err(cannot)?;
        Ok(Self { path: absolute, locked: Mutex::new(Some(file)) })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Removes the file. May be called again.
    pub(crate) fn remove(&self) {
        let file = self.locked.lock().unwrap_or_else(PoisonError::into_inner).take();
        // Another server's file, if somebody has removed this one, stays.
        if let Some(file) = &file
            && is_named(file, &self.path)
            && let Err(error) = std::fs::remove_file(&self.path)
        {
            tracing::warn!(target: "pounce", "cannot remove the file {}: {error}", self.path.display());
        }
    }
}

impl Drop for PidFile {
    fn drop(&mut self) {
        self.remove();
    }
}

fn whole_file() -> libc::flock {
    libc::flock {
        l_type: libc::F_WRLCK as libc::c_short,
        l_whence: libc::SEEK_SET as libc::c_short,
        l_start: 0,
        l_len: 0,
        l_pid: 0,
    }
}
