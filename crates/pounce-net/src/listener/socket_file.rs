//! The file of a Unix socket: its identity, removing it, and the lock under which such files change.
//!
//! `bind::unix` decides whether a file may be replaced.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{self, Path, PathBuf};
use std::thread;
use std::time::Duration;

/// A file identified by its inode as well as its path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SocketFile {
    /// Absolute, so that it survives a change of the working directory.
    path: PathBuf,
    device: u64,
    inode: u64,
}

impl SocketFile {
    /// The file that is at `path` now. Symbolic links are not followed.
    pub(crate) fn at(path: &Path) -> io::Result<Self> {
        let path = path::absolute(path)?;
        let metadata = fs::symlink_metadata(&path)?;
        Ok(Self { path, device: metadata.dev(), inode: metadata.ino() })
    }

    /// Removes the file if its path still leads to it; returns whether it did.
    pub(crate) fn remove(&self) -> io::Result<bool> {
        let _lock = DirectoryLock::hold(&self.path);
        self.remove_locked()
    }

    /// As [`SocketFile::remove`], for a caller that holds the directory's lock.
    pub(crate) fn remove_locked(&self) -> io::Result<bool> {
        let removed = match Self::at(&self.path) {
            Ok(now) if now == *self => fs::remove_file(&self.path).map(|()| true),
            Ok(_) => Ok(false),
            Err(error) => Err(error),
        };
        match removed {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            result => result,
        }
    }
}

/// Serialises servers that change the sockets in a directory: two that find the same stale socket would otherwise
/// both replace it, and the second would displace the first.
///
/// It is an advisory `flock(2)` on the directory, released when its holder ends. Unrelated programs may hold
/// it too, so the wait is bounded, and a directory that cannot be locked is used unlocked.
#[derive(Debug)]
pub(crate) struct DirectoryLock(#[allow(dead_code, reason = "held for its Drop")] Option<File>);

impl DirectoryLock {
    pub(crate) fn hold(socket: &Path) -> Self {
        Self(try_hold(socket))
    }
}

fn try_hold(socket: &Path) -> Option<File> {
    let socket = path::absolute(socket).ok()?;
    let directory = socket.parent().filter(|parent| parent.is_dir())?;
    let file = File::open(directory).ok()?;
    for _ in 0..LOCK_ATTEMPTS {
        match file.try_lock() {
            Ok(()) => return Some(file),
            Err(fs::TryLockError::WouldBlock) => thread::sleep(LOCK_PAUSE),
            Err(fs::TryLockError::Error(_)) => return None,
        }
    }
    None
}

/// One second in all. The lock is held for a few system calls.
const LOCK_ATTEMPTS: u32 = 200;
const LOCK_PAUSE: Duration = Duration::from_millis(5);
