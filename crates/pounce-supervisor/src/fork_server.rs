//! Workers that are forks of a process which has loaded the application.
//!
//! The fork server is a child like a worker, started with exec, with a single thread. It loads the application and then
//! forks a worker whenever the supervisor asks, so that the workers share the memory of what was loaded. It is their
//! parent: it signals them for the supervisor and reports how they end.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::io;
use std::os::fd::{AsFd as _, AsRawFd as _, BorrowedFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;
use std::process::Command as Program;
use std::rc::Rc;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, SigmaskHow, Signal, kill, sigprocmask};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::socket::MsgFlags;
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use serde::{Deserialize, Serialize};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::sync::oneshot;
use zeroize::Zeroizing;

use crate::packets;
use crate::process::{self, Launch};
use crate::worker::{WorkerEvents, WorkerHandle};

/// What the supervisor asks of the fork server.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "order", rename_all = "snake_case")]
enum Order {
    /// Load the application that this plan describes.
    Load { plan: String },
    /// Fork a worker. It gets the descriptors of the message, which had these numbers in the supervisor; the first is its
    /// control socket.
    Fork { id: u64, numbers: Vec<RawFd> },
    /// Send a signal to a worker.
    Signal { id: u64, signal: i32 },
    /// End, once the workers have ended.
    Finish,
}

/// What the fork server says.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "said", rename_all = "snake_case")]
enum Said {
    /// The application is loaded.
    Loaded,
    /// It cannot be loaded.
    Failed { detail: String },
    /// It has started threads, which would not be there in a fork.
    Threads { names: Vec<String> },
    /// A worker has ended, or could not be forked.
    Ended { id: u64, how: String },
}

/// What came of loading the application.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Loaded {
    /// Workers can be forked.
    Fully,
    /// Nothing may be forked: the application has started threads of these names.
    WithThreads(Vec<String>),
}

/// A fork server, as the supervisor has it. When this is dropped it forks no more, and ends after its workers.
pub struct ForkServer {
    link: Rc<Link>,
}

/// The connection to it.
struct Link {
    socket: AsyncFd<OwnedFd>,
    next_id: Cell<u64>,
    loaded: RefCell<Option<oneshot::Sender<Result<Loaded, String>>>>,
    /// Who waits for the end of each worker.
    ends: RefCell<HashMap<u64, oneshot::Sender<String>>>,
}

impl ForkServer {
    /// Starts it, and waits until it has loaded the application. Call inside a tokio `LocalRuntime`.
    ///
    /// # Errors
    /// Why it cannot be started, or the application cannot be loaded, for the operator.
    pub async fn start(launch: Launch) -> Result<(Self, Loaded), String> {
        let started =
            Self::begin(launch).map_err(|error| format!("the fork server cannot be started: {error}"))?;
        let (server, loading) = started;
        match loading.await {
            Ok(loaded) => loaded.map(|loaded| (server, loaded)),
            Err(_) => Err("the fork server ended before it had loaded the application".to_owned()),
        }
    }

    fn begin(launch: Launch) -> io::Result<(Self, oneshot::Receiver<Result<Loaded, String>>)> {
        let (ours, theirs) = packets::pair()?;
        let mut program = Program::new(&launch.program);
        program.args(&launch.arguments).arg(theirs.as_raw_fd().to_string());
        let inherited: Vec<_> =
            launch.inherited.iter().map(|fd| fd.as_fd()).chain([theirs.as_fd()]).collect();
        pounce_net::inherit(&mut program, &inherited);
        let mut child = program.spawn()?;
        drop(theirs);
        // Reaps it. The connection tells of its end.
        std::thread::Builder::new().name("pounce-fork-wait".to_owned()).spawn(move || child.wait())?;
        packets::send(ours.as_fd(), &Order::Load { plan: launch.plan.to_string() }, &[])?;
        let (loaded, loading) = oneshot::channel();
        #[expect(
            deprecated,
            reason = "the replacement is unsafe, for types whose descriptor may change; this one does not"
        )]
        let socket = AsyncFd::with_interest(ours, Interest::READABLE)?;
        let link = Rc::new(Link {
            socket,
            next_id: Cell::new(0),
            loaded: RefCell::new(Some(loaded)),
            ends: RefCell::default(),
        });
        tokio::task::spawn_local(listen(Rc::clone(&link)));
        Ok((Self { link }, loading))
    }

    /// Forks a worker, which gets the text of its plan and these descriptors.
    ///
    /// # Errors
    /// The fork server is gone.
    pub fn fork(&self, plan: &str, inherited: &[OwnedFd], events: WorkerEvents) -> io::Result<WorkerHandle> {
        let (ours, theirs) = UnixStream::pair()?;
        ours.set_nonblocking(true)?;
        let control = tokio::net::UnixStream::from_std(ours)?;
        let id = self.link.next_id.get();
        self.link.next_id.set(id + 1);
        let descriptors: Vec<BorrowedFd<'_>> =
            [theirs.as_fd()].into_iter().chain(inherited.iter().map(|fd| fd.as_fd())).collect();
        let numbers = descriptors.iter().map(|fd| fd.as_raw_fd()).collect();
        let (end, ended) = oneshot::channel();
        self.link.ends.borrow_mut().insert(id, end);
        if let Err(error) =
            packets::send(self.link.socket.get_ref().as_fd(), &Order::Fork { id, numbers }, &descriptors)
        {
            self.link.ends.borrow_mut().remove(&id);
            return Err(error);
        }
        let link = Rc::clone(&self.link);
        let signal = move |signal: Signal| {
            let order = Order::Signal { id, signal: signal as i32 };
            let sent = packets::send(link.socket.get_ref().as_fd(), &order, &[]);
            sent.map_err(|error| format!("the fork server cannot send {signal} to a worker: {error}"))
        };
        Ok(process::watch(
            control,
            Zeroizing::from(plan.to_owned()),
            Box::new(signal),
            ended,
            "a forked worker".to_owned(),
            events,
        ))
    }
}

impl Drop for ForkServer {
    fn drop(&mut self) {
        // An error means that it has ended.
        let _ = packets::send(self.link.socket.get_ref().as_fd(), &Order::Finish, &[]);
    }
}

/// Passes on what the fork server says, until it has ended.
async fn listen(link: Rc<Link>) {
    loop {
        let received = link
            .socket
            .async_io(Interest::READABLE, |socket| {
                packets::receive::<Said>(socket.as_fd(), MsgFlags::MSG_DONTWAIT)
            })
            .await;
        match received {
            Ok(Some((said, _))) => link.take(said),
            Ok(None) => return link.lost(),
            Err(error) => {
                tracing::error!(target: "pounce", "cannot read what the fork server says: {error}");
                return link.lost();
            }
        }
    }
}

impl Link {
    fn take(&self, said: Said) {
        let loaded = match said {
            Said::Loaded => Ok(Loaded::Fully),
            Said::Threads { names } => Ok(Loaded::WithThreads(names)),
            Said::Failed { detail } => Err(detail),
            Said::Ended { id, how } => {
                if let Some(end) = self.ends.borrow_mut().remove(&id) {
                    // An error means that nobody waits for it.
                    let _ = end.send(how);
                }
                return;
            }
        };
        if let Some(waits) = self.loaded.take() {
            let _ = waits.send(loaded);
        }
    }

    /// The fork server is gone, and nobody can tell how its workers end.
    fn lost(&self) {
        self.loaded.take();
        for (_, end) in self.ends.borrow_mut().drain() {
            let _ = end.send("it was left by its fork server, which has ended".to_owned());
        }
    }
}

/// The fork server's own end of the connection.
pub struct ForkServerEnd {
    socket: OwnedFd,
    /// The processes of workers.
    workers: HashMap<Pid, u64>,
    /// It forks no more.
    is_finishing: bool,
    /// Tells of children that have ended.
    children: SignalFd,
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
        let ended: SigSet = [Signal::SIGCHLD].into_iter().collect();
        sigprocmask(SigmaskHow::SIG_BLOCK, Some(&ended), None)?;
        let children = SignalFd::with_flags(&ended, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)?;
        let this = Self { socket, workers: HashMap::new(), is_finishing: false, children };
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
            Err(detail) => Said::Failed { detail },
        })
    }

    fn say(&self, said: &Said) -> io::Result<()> {
        packets::send(self.socket.as_fd(), said, &[])
    }

    /// Forks workers by `fork`, which returns 0 in the child. Returns in each worker; in the fork server `None`, once the
    /// supervisor is gone or needs it no more.
    ///
    /// # Errors
    /// The supervisor cannot be heard.
    pub fn serve(mut self, fork: impl Fn() -> Result<i32, String>) -> io::Result<Option<Forked>> {
        // A terminal, or a service manager, sends these to every process; what they mean is the supervisor's business.
        sigprocmask(SigmaskHow::SIG_BLOCK, Some(&for_supervisor()), None)?;
        loop {
            if self.is_finishing && self.workers.is_empty() {
                return Ok(None);
            }
            let mut waits = [
                PollFd::new(self.socket.as_fd(), PollFlags::POLLIN),
                PollFd::new(self.children.as_fd(), PollFlags::POLLIN),
            ];
            match poll(&mut waits, PollTimeout::NONE) {
                Ok(_) | Err(nix::Error::EINTR) => {}
                Err(error) => return Err(error.into()),
            }
            while let Ok(Some(_)) = self.children.read_signal() {}
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
                    Ok(0) => return Ok(Some(self.into_worker(&numbers, &received))),
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

    /// In a worker: what it needs of the fork server.
    fn into_worker(self, numbers: &[RawFd], received: &[RawFd]) -> Forked {
        let mut blocked = for_supervisor();
        blocked.add(Signal::SIGCHLD);
        // They were blocked, so they can be unblocked.
        let _ = sigprocmask(SigmaskHow::SIG_UNBLOCK, Some(&blocked), None);
        Forked {
            control: received.first().copied().unwrap_or(-1),
            numbers: numbers.iter().copied().zip(received.iter().copied()).collect(),
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
