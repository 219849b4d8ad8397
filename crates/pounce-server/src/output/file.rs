//! A log file, found again where another program has renamed or removed it.

use std::fs::{File, Metadata, OpenOptions};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// An open log file, for appending.
pub(super) struct LogFile {
    path: PathBuf,
    file: File,
    /// Its device and number, by which a successor of the same name differs.
    identity: (u64, u64),
}

impl LogFile {
    /// Opens the file, or makes it.
    ///
    /// # Errors
    /// It cannot be opened for writing.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let path = std::path::absolute(path)?;
        let file = OpenOptions::new().append(true).create(true).open(&path)?;
        let identity = identity(&file.metadata()?);
        Ok(Self { path, file, identity })
    }

    /// The file that has the name now: programs that rotate logs rename the one that was opened. The old one stays while
    /// there is no other and none can be made.
    pub(super) fn current(&mut self) -> &mut File {
        let same = std::fs::metadata(&self.path).is_ok_and(|found| identity(&found) == self.identity);
        if !same && let Ok(successor) = Self::open(&self.path) {
            *self = successor;
        }
        &mut self.file
    }
}

fn identity(metadata: &Metadata) -> (u64, u64) {
    (metadata.dev(), metadata.ino())
}
