//! The fork server's own end of the connection: it forks, signals and reaps workers.

use std::collections::HashMap;
use std::io;
use std::os::fd::{AsFd as _, OwnedFd, RawFd};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, SigmaskHow, Signal, kill, sigprocmask};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::socket::MsgFlags;
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use zeroize::Zeroizing;

use super::{Loaded, Order, Said};
use crate::packets;

/// Characters at the start and at the end of what the supervisor is told about a failure.
const KEPT: usize = 4_000;

/// The fork server's own end of the connection.
pub struct ForkServerEnd {
    socket: OwnedFd,
    /// The processes of workers.
    workers: HashMap<Pid, u64>,
    /// It forks no more.
    is_finishing: bool,
}

/// A worker, in its own process.
#[derive(Debug)]
pub struct Forked {
    /// The number of its control socket.
    pub control: RawFd,
    /// The numbers that its descriptors had in the supervisor, and those that they have here.
    pub numbers: HashMap<RawFd, RawFd>,
}

impl ForkServerEnd {
    /// Takes over the connection, and reads the plan of the application to load.
    ///
    /// # Errors
    /// The number is not such a connection.
    pub fn attach(number: RawFd) -> io::Result<(Self, Zeroizing<String>)> {
        let socket = pounce_net::inherited_packets(number)?;
        // It may be loading an application that never comes back.
        nix::sys::prctl::set_pdeathsig(Signal::SIGKILL)?;
        let this = Self { socket, workers: HashMap::new(), is_finishing: false };
        match packets::receive(this.socket.as_fd(), MsgFlags::empty())? {
            Some((Order::Load { plan }, _)) => Ok((this, plan.into())),
            _ => Err(io::ErrorKind::InvalidData.into()),
        }
    }

    /// Reports what came of loading the application.
    ///
    /// # Errors
    /// The supervisor is gone.
    pub fn report(&self, loaded: Result<Loaded, String>) -> io::Result<()> {
        self.say(&match loaded {
            Ok(Loaded::Fully) => Said::Loaded,
            Ok(Loaded::WithThreads(names)) => Said::Threads { names },
            Err(detail) => Said::Failed { detail: shorten(detail) },
        })
    }

    fn say(&self, said: &Said) -> io::Result<()> {
        // The supervisor reads whatever else it does, so it makes room.
        packets::send_waiting(self.socket.as_fd(), said)
    }

    /// Forks workers by `fork`, which returns 0 in the child. Returns in each worker; in the fork server `None`, once the
    /// supervisor is gone or needs it no more.
    ///
    /// # Errors
    /// The supervisor cannot be heard.
    pub fn serve(mut self, fork: impl Fn() -> Result<i32, String>) -> io::Result<Option<Forked>> {
        let before = SigSet::thread_get_mask()?;
        // A terminal, or a service manager, sends these to every process; what they mean is the supervisor's business.
        sigprocmask(SigmaskHow::SIG_BLOCK, Some(&for_supervisor()), None)?;
        let ended: SigSet = [Signal::SIGCHLD].into_iter().collect();
        sigprocmask(SigmaskHow::SIG_BLOCK, Some(&ended), None)?;
        let children = SignalFd::with_flags(&ended, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)?;
        loop {
            if self.is_finishing && self.workers.is_empty() {
                return Ok(None);
            }
            let mut waits = [
                PollFd::new(self.socket.as_fd(), PollFlags::POLLIN),
                PollFd::new(children.as_fd(), PollFlags::POLLIN),
            ];
            match poll(&mut waits, PollTimeout::NONE) {
                Ok(_) | Err(nix::Error::EINTR) => {}
                Err(error) => return Err(error.into()),
            }
            while let Ok(Some(_)) = children.read_signal() {}
            self.reap()?;
            let (order, received) = match packets::receive(self.socket.as_fd(), MsgFlags::MSG_DONTWAIT) {
                Ok(Some(order)) => order,
                Ok(None) => return Ok(None),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => continue,
                Err(error) => return Err(error),
            };
            match order {
                Order::Load { .. } => {}
                Order::Finish => self.is_finishing = true,
                Order::Signal { id, signal } => self.signal(id, signal),
                Order::Fork { id, numbers } => match fork() {
                    Ok(0) => return Ok(Some(into_worker(before, &numbers, &received))),
                    Ok(process) => {
                        self.workers.insert(Pid::from_raw(process), id);
                        close(&received);
                    }
                    Err(error) => {
                        close(&received);
                        self.say(&Said::Ended { id, how: format!("it could not be forked: {error}") })?;
                    }
                },
            }
        }
    }

    fn signal(&self, id: u64, signal: i32) {
        let process = self.workers.iter().find(|(_, worker)| **worker == id).map(|(process, _)| *process);
        // One that has ended is still a child until it is reaped: the number is no other process's.
        if let (Some(process), Ok(signal)) = (process, Signal::try_from(signal)) {
            let _ = kill(process, signal);
        }
    }

    /// Reports the workers that have ended.
    fn reap(&mut self) -> io::Result<()> {
        loop {
            let (process, how) = match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
                Ok(WaitStatus::Exited(process, code)) => {
                    (process, format!("it ended with exit status: {code}"))
                }
                Ok(WaitStatus::Signaled(process, signal, _)) => {
                    (process, format!("it ended by signal: {} ({signal})", signal as i32))
                }
                Ok(WaitStatus::StillAlive) | Err(nix::Error::ECHILD) => return Ok(()),
                Ok(_) | Err(nix::Error::EINTR) => continue,
                Err(error) => return Err(error.into()),
            };
            if let Some(id) = self.workers.remove(&process) {
                self.say(&Said::Ended { id, how })?;
            }
        }
    }
}

/// In a worker: what it needs of the fork server.
fn into_worker(mask: SigSet, numbers: &[RawFd], received: &[RawFd]) -> Forked {
    // The mask was this thread's before, so it can be again.
    let _ = mask.thread_set_mask();
    Forked {
        control: received.first().copied().unwrap_or(-1),
        numbers: numbers.iter().copied().zip(received.iter().copied()).collect(),
    }
}

/// The beginning and the end of a text that is too long for a message.
fn shorten(text: String) -> String {
    let mut characters = text.chars();
    if characters.by_ref().nth(2 * KEPT).is_none() {
        return text;
    }
    let start: String = text.chars().take(KEPT).collect();
    let mut end: Vec<char> = text.chars().rev().take(KEPT).collect();
    end.reverse();
    format!("{start}\n[…]\n{}", end.into_iter().collect::<String>())
}

/// The signals that a server acts on.
fn for_supervisor() -> SigSet {
    use Signal::{SIGHUP, SIGINT, SIGTERM, SIGTTIN, SIGTTOU, SIGUSR1};
    [SIGHUP, SIGINT, SIGTERM, SIGTTIN, SIGTTOU, SIGUSR1].into_iter().collect()
}

/// Closes descriptors of the supervisor that only a worker needs.
fn close(numbers: &[RawFd]) {
    for number in numbers {
        // Errors concern descriptors that are gone anyway.
        let _ = nix::unistd::close(*number);
    }
}
