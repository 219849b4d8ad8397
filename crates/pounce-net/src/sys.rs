//! The differences between Linux and other systems, each with a portable fallback.
//!
//! Not a wrapper over system calls; `socket2` is that.

use std::io;

use socket2::Socket;

/// Whether the kernel spreads connections over the sockets that share an address with SO_REUSEPORT.
///
/// True on Linux (since 3.9, `socket(7)`). Elsewhere the option exists but one of the sockets may get every
/// connection, so [`bind_set`](crate::bind_set) refuses there.
pub const REUSE_PORT_BALANCES: bool = cfg!(target_os = "linux");

/// Whether `unix:@name` is possible: the abstract namespace is a Linux extension (`unix(7)`).
pub(crate) const ABSTRACT_NAMES: bool = cfg!(target_os = "linux");

/// The longest path of a Unix socket in bytes: the size of `sun_path` less the final NUL.
pub(crate) const UNIX_PATH_MAX: usize = if cfg!(target_os = "linux") { 107 } else { 103 };

/// Whether a user, by number, is this process's or root.
pub fn is_own_user(user: u32) -> bool {
    user == 0 || user == nix::unistd::geteuid().as_raw()
}

/// Whether the socket is in the listening state (SO_ACCEPTCONN).
#[cfg(target_os = "linux")]
pub(crate) fn is_listening(socket: &Socket) -> io::Result<bool> {
    socket.is_listener()
}

/// Whether [`is_listening`] can ask the system.
pub(crate) const CAN_ASK_FOR_LISTENING: bool = cfg!(target_os = "linux");

/// Other systems cannot be asked for the state; the first `accept` fails instead.
#[cfg(not(target_os = "linux"))]
pub(crate) fn is_listening(_socket: &Socket) -> io::Result<bool> {
    Ok(true)
}
