//! The open load: one thread that sends requests when they are due, over keep-alive connections, and never sleeps.
//!
//! A due request takes the connection that has been free the longest. If none is free, it waits, and the wait counts:
//! a request's time begins when it is due. Requests that were due but never sent count up to the end of the run.
//! Omitting them is what Gil Tene calls coordinated omission: a server that stalls would get fewer requests and look
//! good.
//!
//! The thread polls its sockets without waiting, because kernel timers are too coarse for the distances between
//! requests. So it needs a core for itself.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use serde::Serialize;

use super::connection::Connection;
use super::schedule::Schedule;
use crate::bench::load;

/// How long to wait at the end for responses under way.
const GRACE: Duration = Duration::from_secs(2);

/// How many bytes are read at once.
const READ: usize = 64 * 1024;

/// The task of a run.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked<'a> {
    /// The bytes of one request.
    pub(super) request: &'a [u8],
    pub(super) port: u16,
    pub(super) connections: u32,
    /// Requests a second.
    pub(super) rate: f64,
    pub(super) duration: Duration,
}

/// The results of a run.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Seen {
    /// Requests that were due; the percentiles include all of them.
    pub(super) due: usize,
    /// Requests that were answered, including those after the end.
    pub(super) requests: u64,
    /// Requests answered before the end, per second.
    pub(super) requests_per_second: f64,
    pub(super) p50_ms: f64,
    pub(super) p99_ms: f64,
    pub(super) p999_ms: f64,
    /// How late the generator sent requests for which a connection was free: the 99.9th percentile.
    pub(super) late_ms: f64,
    /// The share of time in which the generator was busy; at 1, the generator limits the rate.
    pub(super) busy: f64,
    /// Responses that were neither 2xx nor 3xx.
    pub(super) bad_responses: u64,
    /// Connections that failed, and requests that were sent and not answered.
    pub(super) socket_errors: u64,
}

/// Drives a server from the calling thread.
pub(super) fn run(asked: &Asked<'_>) -> Result<Seen> {
    ensure!(asked.rate > 0.0, "a rate of {} requests/s", asked.rate);
    Generator::connect(asked)?.drive()
}

struct Generator<'a> {
    asked: &'a Asked<'a>,
    epoll: Epoll,
    connections: Vec<Connection>,
    /// The connections without a request, the longest free first.
    free: VecDeque<usize>,
    schedule: Schedule,
    end: Instant,
    /// The next request to send.
    next: u64,
    /// Microseconds from when a request was due until it was answered.
    times: Vec<u32>,
    /// Microseconds that the generator itself was late.
    late: Vec<u32>,
    answered_in_time: u64,
    bad_responses: u64,
    socket_errors: u64,
}

impl<'a> Generator<'a> {
    fn connect(asked: &'a Asked<'a>) -> Result<Generator<'a>> {
        let open = |_| Connection::open(asked.port);
        let connections: Vec<Connection> = (0..asked.connections).map(open).collect::<Result<_>>()?;
        let epoll = Epoll::new(EpollCreateFlags::empty())?;
        for (number, connection) in connections.iter().enumerate() {
            epoll.add(&connection.stream, EpollEvent::new(EpollFlags::EPOLLIN, number as u64))?;
        }
        let began = Instant::now();
        let schedule = Schedule::new(began, asked.rate, asked.duration);
        let room = schedule.count as usize;
        Ok(Generator {
            asked,
            epoll,
            free: (0..connections.len()).collect(),
            connections,
            schedule,
            end: began + asked.duration,
            next: 0,
            times: Vec::with_capacity(room),
            late: Vec::with_capacity(room),
            answered_in_time: 0,
            bad_responses: 0,
            socket_errors: 0,
        })
    }

    fn drive(mut self) -> Result<Seen> {
        let mut scratch = vec![0; READ];
        let mut events = vec![EpollEvent::empty(); self.connections.len()];
        let mut idle = Duration::ZERO;
        loop {
            let now = Instant::now();
            let is_over = now >= self.end;
            let has_all = self.free.len() == self.connections.len();
            if is_over && (has_all || now >= self.end + GRACE) {
                break;
            }
            let has_sent = !is_over && self.send_due(now)?;
            let ready = self.epoll.wait(&mut events, EpollTimeout::ZERO)?;
            for event in &events[..ready] {
                self.proceed(event.data() as usize, event.events(), &mut scratch)?;
            }
            if !is_over && !has_sent && ready == 0 {
                idle += now.elapsed();
            }
        }
        Ok(self.seen(idle))
    }

    /// Sends due requests on free connections. Returns whether there were any.
    fn send_due(&mut self, now: Instant) -> Result<bool> {
        let due = self.schedule.due(now);
        let before = self.next;
        while self.next < due
            && let Some(number) = self.free.pop_front()
        {
            let request = self.next;
            self.next += 1;
            let connection = &mut self.connections[number];
            let could_be_sent = self.schedule.at(request).max(connection.free_since);
            let late = Instant::now().saturating_duration_since(could_be_sent);
            self.late.push(u32::try_from(late.as_micros()).unwrap_or(u32::MAX));
            match connection.begin(request, self.asked.request) {
                Ok(true) => {}
                Ok(false) => self.watch(number, EpollFlags::EPOLLIN | EpollFlags::EPOLLOUT)?,
                Err(_) => self.fail(number)?,
            }
        }
        Ok(self.next > before)
    }

    /// Sends or receives on a ready connection.
    fn proceed(&mut self, number: usize, flags: EpollFlags, scratch: &mut [u8]) -> Result<()> {
        let connection = &mut self.connections[number];
        if flags.contains(EpollFlags::EPOLLOUT) {
            match connection.send(self.asked.request) {
                Ok(true) => return self.watch(number, EpollFlags::EPOLLIN),
                Ok(false) => {}
                Err(_) => return self.fail(number),
            }
        }
        match self.connections[number].receive(scratch) {
            Ok(Some(status)) => self.complete(number, status),
            Ok(None) => {}
            Err(_) => self.fail(number)?,
        }
        Ok(())
    }

    fn complete(&mut self, number: usize, status: u16) {
        let now = Instant::now();
        let connection = &mut self.connections[number];
        if let Some(request) = connection.request.take() {
            self.times.push(self.schedule.microseconds(request, now));
        }
        connection.free_since = now;
        self.free.push_back(number);
        self.answered_in_time += u64::from(now < self.end);
        self.bad_responses += u64::from(!(200..400).contains(&status));
    }

    /// Replaces a connection that has ended. Between two requests that is no error: a server may end it at any time.
    fn fail(&mut self, number: usize) -> Result<()> {
        let new = Connection::open(self.asked.port)?;
        self.epoll.add(&new.stream, EpollEvent::new(EpollFlags::EPOLLIN, number as u64))?;
        let old = std::mem::replace(&mut self.connections[number], new);
        if let Some(request) = old.request {
            self.socket_errors += 1;
            self.times.push(self.schedule.microseconds(request, Instant::now()));
            self.free.push_back(number);
        }
        Ok(())
    }

    fn watch(&self, number: usize, flags: EpollFlags) -> Result<()> {
        let mut event = EpollEvent::new(flags, number as u64);
        Ok(self.epoll.modify(&self.connections[number].stream, &mut event)?)
    }

    fn seen(mut self, idle: Duration) -> Seen {
        let requests = self.times.len() as u64 - self.socket_errors;
        let now = Instant::now();
        for request in self.connections.iter().filter_map(|connection| connection.request) {
            self.socket_errors += 1;
            self.times.push(self.schedule.microseconds(request, now));
        }
        // Unsent requests would have taken an unknown time, but at least until the end.
        let unsent = self.next..self.schedule.count;
        self.times.extend(unsent.map(|request| self.schedule.microseconds(request, self.end)));
        let due = self.times.len();
        let [p50_ms, p99_ms, p999_ms] = load::quantiles(self.times, [500, 990, 999]);
        let [late_ms] = load::quantiles(self.late, [999]);
        let seconds = self.asked.duration.as_secs_f64();
        Seen {
            due,
            requests,
            requests_per_second: self.answered_in_time as f64 / seconds,
            p50_ms,
            p99_ms,
            p999_ms,
            late_ms,
            busy: 1.0 - idle.as_secs_f64() / seconds,
            bad_responses: self.bad_responses,
            socket_errors: self.socket_errors,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::{Ipv4Addr, TcpListener};
    use std::thread;

    use super::*;

    const RESPONSE: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

    /// Drives a server that answers the first request of each connection with `first` after `stall`, and all others at
    /// once.
    fn drive(connections: u32, rate: f64, first: &'static [u8], stall: Duration) -> Seen {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                thread::spawn(move || {
                    let (mut request, mut answer, mut stall) = ([0; 4096], first, stall);
                    while stream.read(&mut request).is_ok_and(|length| length > 0) {
                        thread::sleep(stall);
                        if answer.is_empty() || stream.write_all(answer).is_err() {
                            return;
                        }
                        (answer, stall) = (RESPONSE, Duration::ZERO);
                    }
                });
            }
        });
        let duration = Duration::from_millis(500);
        run(&Asked { request: b"GET / HTTP/1.1\r\n\r\n", port, connections, rate, duration }).unwrap()
    }

    #[test]
    fn every_request_that_was_due_counts() {
        let seen = drive(4, 200.0, RESPONSE, Duration::ZERO);
        assert_eq!((seen.due, seen.bad_responses, seen.socket_errors), (100, 0, 0));
        assert!(seen.requests_per_second > 0.0 && seen.requests <= 100, "{seen:?}");
    }

    #[test]
    fn a_stall_counts_for_all_requests_that_were_due_meanwhile() {
        // Of 100 requests, 80 are due in the 400 ms during which the only connection waits, so at least half of all
        // wait longer than 100 ms. If times began when requests are sent, only one would.
        let seen = drive(1, 200.0, RESPONSE, Duration::from_millis(400));
        assert!(seen.p50_ms > 100.0, "{seen:?}");
    }

    #[test]
    fn requests_that_were_never_sent_count_up_to_the_end() {
        let seen = drive(1, 200.0, RESPONSE, Duration::from_millis(600));
        assert_eq!((seen.due, seen.requests, seen.requests_per_second), (100, 1, 0.0));
        assert!(seen.p50_ms > 200.0 && seen.p999_ms >= 600.0, "{seen:?}");
    }

    #[test]
    fn a_connection_that_ends_is_an_error_and_is_replaced() {
        let seen = drive(1, 20.0, b"", Duration::ZERO);
        assert_eq!((seen.due, seen.requests), (10, 0));
        assert!(seen.socket_errors > 1, "{seen:?}");
    }

    #[test]
    fn a_response_that_is_no_success_is_counted() {
        let seen = drive(1, 20.0, b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n", Duration::ZERO);
        assert_eq!((seen.due, seen.bad_responses, seen.socket_errors), (10, 1, 0));
    }
}
