//! The terminal on which a server was started, which may go away.

use std::io::{self, IsTerminal as _};
use std::os::fd::{AsFd as _, OwnedFd};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

/// The terminal that stdin was at start.
#[derive(Debug)]
pub(crate) struct Terminal {
    /// A duplicate: the application may close or replace stdin.
    stdin: OwnedFd,
}

impl Terminal {
    /// `None` if stdin is not a terminal.
    pub(crate) fn of_stdin() -> Option<Self> {
        let stdin = io::stdin();
        if !stdin.is_terminal() {
            return None;
        }
        Some(Self { stdin: stdin.as_fd().try_clone_to_owned().ok()? })
    }

    /// Whether the terminal has hung up: its window or connection was closed.
    pub(crate) fn is_gone(&self) -> bool {
        let mut terminal = [PollFd::new(self.stdin.as_fd(), PollFlags::empty())];
        let answered = poll(&mut terminal, PollTimeout::ZERO);
        let events = terminal[0].revents().unwrap_or(PollFlags::empty());
        answered.is_ok() && events.intersects(PollFlags::POLLHUP | PollFlags::POLLERR)
    }
}
