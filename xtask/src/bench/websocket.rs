//! The load of the WebSocket workloads: one thread, clients that take turns by epoll, one message at a time.
//!
//! Clients are in groups. One client of a group sends a message; once every client of the group has received it, the
//! next is sent. In an echo each client forms a group, in a broadcast all clients form one. A message counts once for
//! each client that it reaches; its time ends when the last client of the group has it.

mod frame;
mod message;
mod socket;

use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};

use self::message::{Inflater, Message};
use self::socket::{Received, Socket};
use super::host;
use super::load::{self, Seen};
use super::workloads::{Load, Workload};

/// How long to wait at the end for messages under way.
const GRACE: Duration = Duration::from_secs(2);

/// How many bytes are read at once.
const READ: usize = 64 * 1024;

/// Drives a server for some seconds from one thread on these cores.
pub(super) fn run(
    workload: &Workload,
    connections: u32,
    seconds: u32,
    port: u16,
    cores: &[usize],
) -> Result<Seen> {
    let duration = Duration::from_secs(seconds.into());
    host::on_cores(cores, || Clients::connect(workload, connections, port)?.drive(duration))?
}

/// Sends some messages and checks what each client receives, after inflating it if compressed.
pub(super) fn check(workload: &Workload, port: u16) -> Result<()> {
    let mut clients = Clients::connect(workload, 2, port)?;
    let mut inflaters = [Inflater::new(), Inflater::new()];
    for message in &clients.messages {
        clients.sockets[0].send(&message.frame)?;
        let reached = if clients.is_one_group { 2 } else { 1 };
        for (socket, inflater) in clients.sockets.iter_mut().zip(&mut inflaters).take(reached) {
            let received = socket.receive()?;
            if let Some(fault) = fault(&received, clients.is_deflated) {
                bail!("a wrong answer: {fault}");
            }
            let text =
                if received.is_compressed { inflater.inflate(&received.payload)? } else { received.payload };
            let shown = String::from_utf8_lossy(&text);
            ensure!(
                text == message.text.as_bytes(),
                "a wrong answer: `{shown}` instead of `{}`",
                message.text
            );
        }
    }
    clients.close();
    Ok(())
}

/// The fault of a message, apart from its text. Compressed messages are not inflated: that would cost the client
/// about as much as the server.
fn fault(received: &Received, is_deflated: bool) -> Option<String> {
    match (is_deflated, received.is_compressed) {
        (true, true) => None,
        (true, false) => {
            Some("an uncompressed message, where this workload needs all of them compressed".into())
        }
        (false, true) => Some("a compressed message, though that was not agreed on".into()),
        (false, false) => (received.payload.len() != message::LENGTH)
            .then(|| format!("a message of {} bytes instead of {}", received.payload.len(), message::LENGTH)),
    }
}

/// The clients of one run.
struct Clients {
    sockets: Vec<Socket>,
    /// The messages to send, in turn, over and over.
    messages: Vec<Message>,
    is_deflated: bool,
    /// Whether all clients form one group (a broadcast), instead of one group each.
    is_one_group: bool,
}

/// A group, with its message under way.
struct Group {
    sent_at: Instant,
    /// How many clients have not received the message.
    missing: usize,
    /// The index of the next message to send.
    next: usize,
}

impl Clients {
    fn connect(workload: &Workload, connections: u32, port: u16) -> Result<Clients> {
        let (is_deflated, is_one_group) = match workload.load {
            Load::Echo { is_deflated } => (is_deflated, false),
            Load::Broadcast { is_deflated } => (is_deflated, true),
            _ => bail!("{} is no WebSocket workload", workload.name),
        };
        let connect = |_| Socket::connect(port, workload.path, is_deflated);
        let sockets = (0..connections).map(connect).collect::<Result<_>>()?;
        Ok(Clients { sockets, messages: message::all(is_deflated), is_deflated, is_one_group })
    }

    fn drive(mut self, duration: Duration) -> Result<Seen> {
        let epoll = Epoll::new(EpollCreateFlags::empty())?;
        for (number, socket) in self.sockets.iter().enumerate() {
            epoll.add(socket.stream(), EpollEvent::new(EpollFlags::EPOLLIN, number as u64))?;
        }
        let began = Instant::now();
        let end = began + duration;
        let size = if self.is_one_group { self.sockets.len() } else { 1 };
        let mut groups = Vec::new();
        for number in 0..self.sockets.len() / size {
            // Begin at different messages, so that the clients of an echo do not all send the same one.
            let mut group = Group { sent_at: began, missing: 0, next: number };
            self.send(number, &mut group, size)?;
            groups.push(group);
        }
        let (mut seen, mut times) = (Seen::default(), Vec::new());
        let mut under_way = groups.len();
        let mut scratch = vec![0; READ];
        let mut events = vec![EpollEvent::empty(); self.sockets.len()];
        while under_way > 0 {
            let Some(left) = (end + GRACE).checked_duration_since(Instant::now()) else { break };
            let ready = epoll.wait(&mut events, EpollTimeout::try_from(left)?)?;
            for event in &events[..ready] {
                let number = event.data() as usize;
                self.sockets[number].read(&mut scratch)?;
                let which = if self.is_one_group { 0 } else { number };
                while let Some(received) = self.sockets[number].next_message()? {
                    seen.requests += 1;
                    seen.bad_responses += u64::from(fault(&received, self.is_deflated).is_some());
                    let group = &mut groups[which];
                    group.missing = group.missing.saturating_sub(1);
                    if group.missing > 0 {
                        continue;
                    }
                    let now = Instant::now();
                    times.push(u32::try_from((now - group.sent_at).as_micros()).unwrap_or(u32::MAX));
                    if now < end {
                        self.send(which, group, size)?;
                    } else {
                        under_way -= 1;
                    }
                }
            }
        }
        // Messages that never came.
        seen.socket_errors = groups.iter().map(|group| group.missing as u64).sum();
        seen.requests_per_second = seen.requests as f64 / began.elapsed().as_secs_f64();
        [seen.p50_ms, seen.p99_ms] = load::percentiles(times);
        self.close();
        Ok(seen)
    }

    /// Sends the next message of a group from its first client.
    fn send(&mut self, sender: usize, group: &mut Group, size: usize) -> Result<()> {
        let frame = &self.messages[group.next % self.messages.len()].frame;
        *group = Group { sent_at: Instant::now(), missing: size, next: group.next + 1 };
        self.sockets[sender].send(frame)
    }

    /// Closes like a browser, and waits until the server has closed too: no client may be left for the next run.
    fn close(mut self) {
        // Errors do not matter: connections left open end with the server's process.
        self.sockets.iter_mut().for_each(|socket| drop(socket.say_goodbye()));
        let deadline = Instant::now() + GRACE;
        self.sockets.iter_mut().for_each(|socket| drop(socket.wait_for_end(deadline)));
    }
}
