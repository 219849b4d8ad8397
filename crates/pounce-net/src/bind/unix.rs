//! Unix sockets: taking over a stale one, permissions, abstract names.
//!
//! Not the identity of the file once bound; that is `listener::socket_file`.

use std::ffi::{OsStr, OsString};
use std::fs::{self, Permissions};
use std::io::{self, ErrorKind};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::Path;

use socket2::{Domain, SockAddr, Socket, Type};

use super::{BindError, BindOptions};
use crate::listener::socket_file::{DirectoryLock, SocketFile};
use crate::{Listener, LocalAddr};

/// Binds the path, or the abstract name if it begins with `@`, and listens.
pub(super) fn bind(path: &Path, options: &BindOptions) -> Result<Listener, BindError> {
    match path.as_os_str().as_bytes().strip_prefix(b"@") {
        Some(name) => bind_abstract(path, name, options),
        None => bind_path(path, options),
    }
}

/// An abstract name has no file: no permissions, nothing stale, nothing to unlink (`unix(7)`).
fn bind_abstract(path: &Path, name: &[u8], options: &BindOptions) -> Result<Listener, BindError> {
    let bound = || -> io::Result<Socket> {
        let raw = OsString::from_vec([b"\0", name].concat());
        let socket = stream_socket()?;
        socket.bind(&SockAddr::unix(raw)?)?;
        Ok(socket)
    };
    let address = LocalAddr::Unix(path.to_owned());
    let socket = bound().map_err(|error| BindError::from_io(address.clone(), error))?;
    let listener = Listener::new(socket, address, None);
    options.listen(&listener)?;
    Ok(listener)
}

fn bind_path(path: &Path, options: &BindOptions) -> Result<Listener, BindError> {
    let _lock = DirectoryLock::hold(path);
    remove_stale(path)?;
    let failed = |error| from_io(path, error);
    let socket = stream_socket().map_err(failed)?;
    // From here on `bind` alone decides: it never replaces a file that appeared meanwhile.
    socket.bind(&SockAddr::unix(path).map_err(failed)?).map_err(failed)?;
    let file = SocketFile::at(path).map_err(failed)?;
    // Connecting is refused until `listen`, so nobody connects under the permissions that the umask gave.
    let restricted = restrict(path, options.unix_mode).map_err(failed);
    let listener = Listener::new(socket, LocalAddr::Unix(path.to_owned()), Some(file));
    if let Err(error) = restricted.and_then(|()| options.listen(&listener)) {
        // Report the first error; a file left behind is stale and is replaced by the next bind.
        let _ = listener.remove_file_locked();
        return Err(error);
    }
    Ok(listener)
}

/// Removes a stale socket, left by a server that has ended. A socket in use and a file of another kind are errors.
fn remove_stale(path: &Path) -> Result<(), BindError> {
    let failed = |error| from_io(path, error);
    let metadata = match fs::symlink_metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(failed(error)),
    };
    if !metadata.file_type().is_socket() {
        return Err(BindError::NotASocket { path: path.to_owned() });
    }
    let found = SocketFile::at(path).map_err(failed)?;
    match is_stale(path) {
        Ok(true) => found.remove_locked().map(|_| ()).map_err(failed),
        Ok(false) => Err(BindError::InUse { address: LocalAddr::Unix(path.to_owned()) }),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) => Err(failed(error)),
    }
}

/// Probes with a datagram socket: ECONNREFUSED means that no process has the socket, EPROTOTYPE that one has it as a
/// stream. A stream probe could not tell a server that does not listen yet, and would connect to one that does.
fn is_stale(path: &Path) -> io::Result<bool> {
    match Socket::new(Domain::UNIX, Type::DGRAM, None)?.connect(&SockAddr::unix(path)?) {
        Ok(()) => Ok(false),
        Err(error) => match error.kind() {
            ErrorKind::ConnectionRefused => Ok(true),
            ErrorKind::NotFound | ErrorKind::PermissionDenied => Err(error),
            _ => Ok(false),
        },
    }
}

fn restrict(path: &Path, mode: Option<u32>) -> io::Result<()> {
    match mode {
        Some(mode) => fs::set_permissions(path, Permissions::from_mode(mode)),
        None => Ok(()),
    }
}

/// Nonblocking from the start, so that a connect to a full queue answers at once.
fn stream_socket() -> io::Result<Socket> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

fn from_io(path: &Path, error: io::Error) -> BindError {
    let missing = matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory);
    match missing && !parent(path).is_dir() {
        true => BindError::NoDirectory { path: path.to_owned() },
        false => BindError::from_io(LocalAddr::Unix(path.to_owned()), error),
    }
}

/// The directory of the socket; the working directory for a bare file name.
fn parent(path: &Path) -> &Path {
    let parent = path.parent().unwrap_or(Path::new("/"));
    if parent.as_os_str() == OsStr::new("") { Path::new(".") } else { parent }
}
