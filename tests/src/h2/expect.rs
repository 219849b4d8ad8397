//! Errors of connections and streams that must follow a violation (RFC 9113 §5.4).
//!
//! Reactions that the RFC allows but does not name pass with a note: a stream error as a connection error
//! (§5.4.1), and PROTOCOL_ERROR instead of a more specific code. `cargo xtask conformance h2` counts the notes.
//!
//! A server that goes on as if nothing were wrong answers a PING sent after the violation, so that a test
//! fails at once instead of after a long wait.

use super::client::{Client, Next};
use super::code::Code;
use super::exchange::Ending;
use super::frame::Frame;
use super::received::Event;
use crate::wait::PATIENCE;
use std::time::{Duration, Instant};

/// How long to wait for a reaction before a PING checks whether the server goes on.
const DOUBT: Duration = Duration::from_millis(700);

/// How many answered PINGs show that the server has not noticed.
const PINGS: u8 = 2;

/// A server's reaction to a violation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reaction {
    /// GOAWAY with an error.
    ConnectionError(Code),
    /// RST_STREAM.
    StreamError(Code),
    /// It closed without GOAWAY.
    Closed,
    /// It went on.
    Nothing,
}

/// Checks a code against those that the RFC names.
fn fits(reaction: Reaction, code: Code, codes: &[Code]) {
    assert!(
        codes.contains(&code) || code == Code::PROTOCOL_ERROR,
        "{reaction:?} instead of an error {codes:?}"
    );
    if !codes.contains(&code) {
        allowed(reaction, codes);
    }
}

/// Notes a reaction that is allowed although the RFC names another.
fn allowed(reaction: Reaction, codes: &[Code]) {
    println!("allowed: {reaction:?} instead of {codes:?}");
}

impl Client {
    /// Expects a connection error with one of `codes`: GOAWAY, then the end of the connection.
    pub fn connection_error(&mut self, codes: &[Code]) {
        let reaction = self.reaction(0);
        let Reaction::ConnectionError(code) = reaction else {
            panic!("{reaction:?} instead of a connection error {codes:?}")
        };
        fits(reaction, code, codes);
        self.is_closed();
    }

    /// Expects a stream error with one of `codes`, after which the connection still works.
    pub fn stream_error(&mut self, stream: u32, codes: &[Code]) {
        let reaction = self.reaction(stream);
        match reaction {
            Reaction::StreamError(code) if codes.contains(&code) => self.lives(),
            Reaction::ConnectionError(code) => {
                fits(reaction, code, codes);
                allowed(reaction, codes);
                self.is_closed();
            }
            _ => panic!("{reaction:?} instead of a stream error {codes:?}"),
        }
    }

    /// Expects a stream error, or a connection error where the RFC leaves the choice (§5.4.1 always does; tests that
    /// require the milder one use [`Client::stream_error`]).
    pub fn stream_or_connection_error(&mut self, stream: u32, codes: &[Code]) {
        let reaction = self.reaction(stream);
        match reaction {
            Reaction::StreamError(code) => {
                fits(reaction, code, codes);
                self.lives();
            }
            Reaction::ConnectionError(code) => {
                fits(reaction, code, codes);
                self.is_closed();
            }
            _ => panic!("{reaction:?} instead of an error {codes:?}"),
        }
    }

    /// Expects the reaction to a malformed request (§8.1.1): a stream error PROTOCOL_ERROR, perhaps after a 4xx. A
    /// connection error is not allowed, because it would end other requests too.
    pub fn malformed(&mut self, stream: u32) {
        let reaction = self.reaction(stream);
        assert_eq!(reaction, Reaction::StreamError(Code::PROTOCOL_ERROR));
        self.lives();
    }

    /// Expects a stream error PROTOCOL_ERROR, or a whole answer with one of `statuses`, for requests that the RFC
    /// calls wrong but not malformed.
    pub fn malformed_or_answered(&mut self, stream: u32, statuses: &[u16]) {
        match self.ending(stream) {
            Ending::Whole(response) => {
                assert!(statuses.contains(&response.status), "{statuses:?} wanted: {response:?}");
            }
            Ending::Reset(code, _) => assert_eq!(code, Code::PROTOCOL_ERROR),
        }
        self.lives();
    }

    /// Expects no reaction: the connection answers the next request.
    pub fn lives(&mut self) {
        let stream = if self.highest == 0 { 1 } else { self.highest + 2 };
        self.get(stream, "/hello");
        self.response(stream).expect(200);
    }

    /// The server's reaction on `stream` or the connection.
    pub fn reaction(&mut self, stream: u32) -> Reaction {
        let deadline = Instant::now() + PATIENCE;
        let (mut pings, mut wait) = (0, DOUBT);
        let mut passed_over = Vec::new();
        let reaction = loop {
            match self.next(wait) {
                Next::Event(Event::GoAway { code, last }) if code != Code::NO_ERROR => {
                    assert!(last <= self.highest, "GOAWAY names stream {last}, {} is the last", self.highest);
                    break Reaction::ConnectionError(code);
                }
                Next::Event(Event::Reset { stream: other, code }) if other == stream => {
                    break Reaction::StreamError(code);
                }
                Next::Event(Event::PingAck(_)) if pings >= PINGS => break Reaction::Nothing,
                Next::Event(Event::PingAck(_)) => wait = DOUBT,
                Next::Event(Event::Headers { stream: other, fields, end })
                    if other == stream && stream != 0 =>
                {
                    let status = fields.first().map_or("", |(_, status)| status);
                    assert!(status.starts_with('4'), "an answer: {fields:?}");
                    passed_over.push(Event::Headers { stream, fields, end });
                }
                Next::Event(event) => passed_over.push(event),
                Next::End => break Reaction::Closed,
                Next::Nothing if Instant::now() > deadline => {
                    panic!("neither an error nor an answer to PING")
                }
                Next::Nothing => {
                    if wait == DOUBT && pings < PINGS {
                        self.send(Frame::ping(b"still on"));
                        pings += 1;
                    }
                    wait = Duration::from_secs(1);
                }
            }
        };
        passed_over.into_iter().for_each(|event| self.put_back(event));
        reaction
    }

    /// Waits for the first of an error, an answer on `stream`, and an answer to a PING sent now.
    pub fn wait_for_error_or_answer(&mut self, stream: u32) -> Event {
        self.send(Frame::ping(b"anything"));
        self.wait_for("an error or an answer", |event| match event {
            Event::Headers { stream: other, .. } | Event::Reset { stream: other, .. } => *other == stream,
            event => matches!(event, Event::GoAway { .. } | Event::PingAck(_)),
        })
    }

    /// Expects the server to close the connection.
    pub fn is_closed(&mut self) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match self.next(Duration::from_secs(1)) {
                Next::End => return,
                Next::Event(Event::Headers { fields, .. }) => panic!("an answer after the error: {fields:?}"),
                Next::Event(_) => {}
                Next::Nothing => assert!(Instant::now() < deadline, "the connection is not closed"),
            }
        }
    }

    /// Sends a PING and expects its answer.
    pub fn answers_ping(&mut self) {
        self.send(Frame::ping(b"answer me"[..8].try_into().expect("eight octets")));
        self.wait_for("an answer to PING", |event| *event == Event::PingAck(*b"answer m"));
    }
}
