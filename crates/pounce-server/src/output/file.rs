//! A log file, found again where another program has renamed or removed it.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// An open log file, for appending.
pub(super) struct LogFile {
    path: PathBuf,
    file: File,
}

impl LogFile {
    /// Opens the file, or makes it.
    ///
    /// # Errors
    /// It cannot be opened for writing.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let path = std::path::absolute(path)?;
        let file = OpenOptions::new().append(true).create(true).open(&path)?;
        Ok(Self { path, file })
    }

    /// The file that has the name now: programs that rotate logs rename the one that was opened. The old one stays while
    /// there is no other and none can be made.
    pub(super) fn current(&mut self) -> &mut File {
        if !is_named(&self.file, &self.path)
            && let Ok(successor) = Self::open(&self.path)
        {
            *self = successor;
        }
        &mut self.file
    }
}

/// Whether an open file still has that name.
pub(crate) fn is_named(file: &File, path: &Path) -> bool {
    let identity = |metadata: std::fs::Metadata| (metadata.dev(), metadata.ino());
    let named = std::fs::metadata(path).map(identity);
    file.metadata().map(identity).is_ok_and(|own| named.is_ok_and(|named| own == named))
}
