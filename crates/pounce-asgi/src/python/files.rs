//! Opens and measures the files that an application sends by path or by descriptor. The wire moves their bytes.

use std::fs::{File, FileType, OpenOptions};
use std::io::Seek as _;
use std::os::fd::BorrowedFd;
use std::os::unix::fs::{FileTypeExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use nix::fcntl::OFlag;
use pyo3::prelude::*;
use pyo3::types::PyString;

use crate::{Exchange, FileBody, SendError};

use super::asyncio::Asyncio;
use super::entries::Entries;
use super::reading::{required, wrong};

/// `http.response.pathsend`.
pub(super) fn send_path(
    asyncio: &Asyncio,
    exchange: &Exchange,
    message: &mut Entries<'_, '_>,
) -> PyResult<Result<(), SendError>> {
    let path = required(message, &asyncio.names.path)?;
    let path: PathBuf = path.extract().map_err(|_| wrong("path", "a str", &path))?;
    let opened = open(&path).and_then(|file| Ok((length_of(&file)?, file)));
    let (length, file) = match opened {
        Ok(opened) => opened,
        Err(reason) => return Ok(Err(SendError::File { path: path.display().to_string(), reason })),
    };
    Ok(exchange.file(FileBody { file, offset: 0, length, to_end: true }, false))
}

/// `http.response.zerocopysend`.
pub(super) fn send_descriptor(
    asyncio: &Asyncio,
    exchange: &Exchange,
    message: &mut Entries<'_, '_>,
    more: bool,
) -> PyResult<Result<(), SendError>> {
    let names = &asyncio.names;
    let object = required(message, &names.file)?;
    let fd: Option<i32> =
        object.extract().or_else(|_| object.call_method0("fileno").and_then(|fd| fd.extract())).ok();
    let fd = fd
        .filter(|fd| *fd >= 0)
        .ok_or_else(|| wrong("file", "a file descriptor or a file object that has one", &object))?;
    let mut number = |name: &Py<PyString>| -> PyResult<Option<u64>> {
        match message.take(name)? {
            Some(value) if !value.is_none() => value
                .extract()
                .map(Some)
                .map_err(|_| wrong(&name.bind(value.py()).to_string_lossy(), "a positive int", &value)),
            _ => Ok(None),
        }
    };
    let (offset, count) = (number(&names.offset)?, number(&names.count)?);
    // SAFETY: the application vouches for the descriptor, which is only duplicated; a closed one is an error.
    let mut file = unsafe { BorrowedFd::borrow_raw(fd) }.try_clone_to_owned().map(File::from)?;
    let length = match length_of(&file) {
        Ok(length) => length,
        Err(reason) => return Ok(Err(SendError::File { path: format!("descriptor {fd}"), reason })),
    };
    // The duplicate shares the position.
    let offset = offset.map_or_else(|| file.stream_position(), Ok)?;
    let left = length.saturating_sub(offset);
    let length = count.unwrap_or(left).min(left);
    Ok(exchange.file(FileBody { file, offset, length, to_end: count.is_none() }, more))
}

/// Opens a file to read. A FIFO is opened without waiting for its writer, which would block the loop.
fn open(path: &Path) -> Result<File, String> {
    let flags = OFlag::O_NONBLOCK | OFlag::O_NOCTTY;
    let opened = OpenOptions::new().read(true).custom_flags(flags.bits()).open(path);
    opened.map_err(|error| error.to_string())
}

/// The length of a file, which only a regular one has.
fn length_of(file: &File) -> Result<u64, String> {
    let metadata = file.metadata().map_err(|error| error.to_string())?;
    match kind_of(metadata.file_type()) {
        None => Ok(metadata.len()),
        Some(kind) => Err(format!("it is {kind}, not a regular file")),
    }
}

/// The name of a file type other than a regular file.
fn kind_of(file_type: FileType) -> Option<&'static str> {
    match file_type {
        _ if file_type.is_file() => None,
        _ if file_type.is_dir() => Some("a directory"),
        _ if file_type.is_fifo() => Some("a pipe"),
        _ if file_type.is_socket() => Some("a socket"),
        _ => Some("a device"),
    }
}
