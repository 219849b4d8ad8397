//! Workers that are forks of a process which has loaded the application.
//!
//! The fork server is a child like a worker, started with exec, with a single thread. It loads the application and then
//! forks a worker whenever the supervisor asks, so that the workers share the memory of what was loaded. It is their
//! parent: it signals them for the supervisor and reports how they end.

mod end;

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::io;
use std::os::fd::{AsFd as _, AsRawFd as _, BorrowedFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;
use std::process::{Child, Command as Program};
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};

use nix::sys::signal::Signal;
use nix::sys::socket::MsgFlags;
use nix::sys::wait::{Id, WaitPidFlag, waitid};
use nix::unistd::Pid;
use serde::{Deserialize, Serialize};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::sync::oneshot;
use zeroize::Zeroizing;

use crate::packets;
use crate::process::{self, Launch};
use crate::worker::{WorkerEvents, WorkerHandle};
pub use end::{ForkServerEnd, Forked};

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
    process: Process,
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
        let child = program.spawn()?;
        drop(theirs);
        let process = Process::watch(child)?;
        packets::send(ours.as_fd(), &Order::Load { plan: launch.plan.to_string() }, &[])?;
        let (loaded, loading) = oneshot::channel();
        #[expect(
            deprecated,
            reason = "the replacement is unsafe, for types whose descriptor may change; this one does not"
        )]
        let socket = AsyncFd::with_interest(ours, Interest::READABLE)?;
        let link = Rc::new(Link {
            socket,
            process,
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
        if self.link.loaded.borrow().is_some() {
            // It hears nothing while it loads.
            return self.link.process.kill();
        }
        // An error means that it has ended.
        let _ = packets::send(self.link.socket.get_ref().as_fd(), &Order::Finish, &[]);
    }
}

/// Its process, which is reaped when it ends.
struct Process {
    child: Arc<Mutex<Child>>,
}

impl Process {
    fn watch(child: Child) -> io::Result<Self> {
        let pid = Pid::from_raw(child.id().cast_signed());
        let child = Arc::new(Mutex::new(child));
        let reaped = Arc::clone(&child);
        std::thread::Builder::new().name("pounce-fork-wait".to_owned()).spawn(move || {
            // Without reaping: until it is, its process id is no other process's.
            while waitid(Id::Pid(pid), WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT) == Err(nix::Error::EINTR)
            {
            }
            let _ = reaped.lock().unwrap_or_else(PoisonError::into_inner).wait();
        })?;
        Ok(Self { child })
    }

    fn kill(&self) {
        // An error means that it has ended; std does not signal one that it has reaped.
        let _ = self.child.lock().unwrap_or_else(PoisonError::into_inner).kill();
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
            // It has ended with an order unread.
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => return link.lost(),
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
