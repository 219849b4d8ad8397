//! Workers that are child processes.
//!
//! A child is started with exec, never by a bare fork. It inherits one socket of a pair, and the listeners. The
//! supervisor sends the worker's plan as one line and then commands; the child sends statuses. A child that reads
//! the end of the socket has lost its parent.

use std::cell::Cell;
use std::ffi::OsString;
use std::fmt;
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::os::fd::{AsFd, AsRawFd as _, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Command as Program};
use std::rc::Rc;
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{Id, WaitPidFlag, waitid};
use nix::unistd::Pid;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _};
use tokio::sync::{mpsc, oneshot};
use zeroize::Zeroizing;

use crate::control::{from_line, to_line};
use crate::worker::{Order, WorkerEnd, WorkerEvents, WorkerHandle};

/// How long to wait for each remaining status line of a child that has ended.
const LAST_WORDS: Duration = Duration::from_millis(100);

/// How to start a child.
pub struct Launch {
    /// The program.
    pub program: PathBuf,
    /// Its arguments; the number of the control socket's descriptor is added as the last one.
    pub arguments: Vec<OsString>,
    /// The text [`attach`] returns in the child. It may contain keys and passwords.
    pub plan: Zeroizing<String>,
    /// Descriptors that the child inherits under the numbers they have here.
    pub inherited: Vec<OwnedFd>,
}

impl fmt::Debug for Launch {
    /// Leaves out the plan, which may contain secrets.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { program, arguments, inherited, plan: _ } = self;
        let mut shown = out.debug_struct("Launch");
        shown.field("program", program).field("arguments", arguments).field("inherited", inherited);
        shown.finish_non_exhaustive()
    }
}

/// Starts the child. Call inside a tokio `LocalRuntime`.
///
/// # Errors
/// The child or the thread that waits for it cannot be started.
pub fn start(launch: Launch, events: WorkerEvents) -> io::Result<WorkerHandle> {
    let (ours, theirs) = UnixStream::pair()?;
    ours.set_nonblocking(true)?;
    let control = tokio::net::UnixStream::from_std(ours)?;
    let mut program = Program::new(&launch.program);
    program.args(&launch.arguments).arg(theirs.as_raw_fd().to_string());
    let inherited: Vec<_> = launch.inherited.iter().map(AsFd::as_fd).chain([theirs.as_fd()]).collect();
    pounce_net::inherit(&mut program, &inherited);
    let mut child = program.spawn()?;
    // Keep no copy of the child's end: the connection must close when the child ends.
    drop((theirs, launch.inherited));
    let has_ended = match when_ended(&child) {
        Ok(ended) => ended,
        Err(error) => {
            let _ = child.kill().and_then(|()| child.wait());
            return Err(error);
        }
    };
    let (process, from) = (pid(&child), format!("worker process {}", child.id()));
    let (end, ended) = oneshot::channel();
    // Reaps the child only here, on the thread that may signal it: until then its process id is not reused.
    let is_reaped = Rc::new(Cell::new(false));
    let reaped = Rc::clone(&is_reaped);
    tokio::task::spawn_local(async move {
        let _ = has_ended.await;
        reaped.set(true);
        let how = match child.wait() {
            Ok(status) => format!("it ended with {status}").replace("with signal", "by signal"),
            Err(error) => format!("it ended, and how is not known: {error}"),
        };
        let _ = end.send(how);
    });
    let signal = move |signal: Signal| match is_reaped.get() {
        true => Ok(()),
        false => kill(process, signal)
            .map_err(|error| format!("cannot send {signal} to the worker process {process}: {error}")),
    };
    Ok(watch(control, launch.plan, Box::new(signal), ended, from, events))
}

/// Sends a signal to a worker's process, if it has not ended.
pub(crate) type SendSignal = Box<dyn Fn(Signal) -> Result<(), String>>;

/// Watches a worker's process to its end, of which `ended` tells. Call inside a tokio `LocalRuntime`.
pub(crate) fn watch(
    control: tokio::net::UnixStream,
    plan: Zeroizing<String>,
    signal: SendSignal,
    ended: oneshot::Receiver<String>,
    from: String,
    events: WorkerEvents,
) -> WorkerHandle {
    let (orders, inbox) = mpsc::unbounded_channel();
    tokio::task::spawn_local(watch_process(control, plan, signal, ended, from, inbox, events));
    // The task ends with the process; later orders have no one to go to.
    let order = move |order| {
        let _ = orders.send(order);
    };
    WorkerHandle::new(order, None)
}

/// Waits for a child on a dedicated thread without reaping it (WNOWAIT): until the thread that may signal the child
/// reaps it, its pid is not reused.
fn when_ended(child: &Child) -> io::Result<oneshot::Receiver<()>> {
    let pid = pid(child);
    let (sender, receiver) = oneshot::channel();
    thread::Builder::new().name(format!("pounce-wait-{pid}")).spawn(move || {
        while waitid(Id::Pid(pid), WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT) == Err(nix::Error::EINTR) {}
        let _ = sender.send(());
    })?;
    Ok(receiver)
}

async fn watch_process(
    control: tokio::net::UnixStream,
    plan: Zeroizing<String>,
    signal: SendSignal,
    mut ended: oneshot::Receiver<String>,
    from: String,
    mut orders: mpsc::UnboundedReceiver<Order>,
    events: WorkerEvents,
) {
    let send_signal = |name| {
        if let Err(error) = signal(name) {
            tracing::warn!(target: "pounce", "{error}");
        }
    };
    let (reader, mut writer) = control.into_split();
    let mut lines = tokio::io::BufReader::new(reader).lines();
    let mut open = true;
    // A write fails only once the child has ended, which `ended` reports.
    let (sender, mut outbox) = mpsc::unbounded_channel::<Vec<u8>>();
    tokio::task::spawn_local(async move {
        let planned = async {
            writer.write_all(plan.as_bytes()).await?;
            drop(plan);
            writer.write_all(b"\n").await
        };
        let _ = planned.await;
        while let Some(line) = outbox.recv().await {
            if writer.write_all(&line).await.is_err() {
                break;
            }
        }
        // Keep the socket open until the child has ended: it takes a closed socket for the end of its parent.
        while outbox.recv().await.is_some() {}
    });
    let how = loop {
        tokio::select! {
            biased;
            line = lines.next_line(), if open => match line {
                Ok(Some(line)) => from_line(&line, &from).into_iter().for_each(|status| events.status(status)),
                Ok(None) | Err(_) => open = false,
            },
            how = &mut ended => break how.unwrap_or_else(|_| "it ended, and how is not known".to_owned()),
            Some(order) = orders.recv() => match order {
                Order::Send(message) => drop(sender.send(to_line(&message))),
                Order::Terminate => send_signal(Signal::SIGTERM),
                Order::Kill => send_signal(Signal::SIGKILL),
            },
        }
    };
    // A process that the child left behind may keep the socket open, so do not wait for its end.
    while open && let Ok(Ok(Some(line))) = tokio::time::timeout(LAST_WORDS, lines.next_line()).await {
        from_line(&line, &from).into_iter().for_each(|status| events.status(status));
    }
    events.ended(how);
}

fn pid(child: &Child) -> Pid {
    // std made this u32 from a pid_t.
    Pid::from_raw(child.id().cast_signed())
}

/// In the child: takes the plan from the control socket and reads commands on a dedicated thread, so that they
/// arrive even while Python blocks. `orphaned` is called when the parent has ended; its argument says whether the
/// parent had told the worker to end.
///
/// # Errors
/// The socket cannot be read, or ends before the plan does.
pub fn attach(
    control: UnixStream,
    orphaned: impl FnOnce(bool) + Send + 'static,
) -> io::Result<(Zeroizing<String>, WorkerEnd)> {
    let writer = Mutex::new(control.try_clone()?);
    let mut lines = BufReader::new(control).lines();
    let plan = Zeroizing::new(lines.next().unwrap_or_else(|| Err(io::ErrorKind::UnexpectedEof.into()))?);
    let end = WorkerEnd::new(move |status| {
        let mut writer = writer.lock().unwrap_or_else(PoisonError::into_inner);
        // A failed write means that the parent has ended; the thread below notices.
        let _ = writer.write_all(&to_line(&status));
    });
    let told = end.clone();
    thread::Builder::new().name("pounce-control".to_owned()).spawn(move || {
        while let Some(Ok(line)) = lines.next() {
            from_line(&line, "the server").into_iter().for_each(|message| told.take(message));
        }
        orphaned(told.is_told());
    })?;
    Ok((plan, end))
}
