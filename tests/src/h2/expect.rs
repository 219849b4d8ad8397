//! Errors of connections and streams that must follow what was sent (RFC 9113 §5.4).
//!
//! What the RFC allows, though it names something else, passes with a note: a stream error as a connection error
//! (§5.4.1), and PROTOCOL_ERROR in place of a code that says more. `cargo xtask conformance h2` counts the notes.
//!
//! A server that goes on as if nothing were wrong answers a PING sent behind the violation; that is how a test
//! fails at once instead of after a long wait.

use super::client::{Client, Next};
use super::code::Code;
use super::exchange::Ending;
use super::frame::Frame;
use super::received::Event;
use crate::wait::PATIENCE;
use std::time::{Duration, Instant};

/// How long a violation may go without an answer before the server is asked whether it still goes on.
const DOUBT: Duration = Duration::from_millis(700);

/// How often a PING is answered by a server that has not noticed.
const PINGS: u8 = 2;

/// How a server took a violation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reaction {
    /// GOAWAY with an error.
    ConnectionError(Code),
    /// RST_STREAM.
    StreamError(Code),
    /// It closed without a word.
    Closed,
    /// It went on.
    Nothing,
}

/// Holds a code against those that the RFC names.
fn fits(reaction: Reaction, code: Code, codes: &[Code]) {
    assert!(
        codes.contains(&code) || code == Code::PROTOCOL_ERROR,
        "{reaction:?} instead of an error {codes:?}"
    );
    if !codes.contains(&code) {
        allowed(reaction, codes);
    }
}

/// Notes what is allowed, though the RFC names something else.
fn allowed(reaction: Reaction, codes: &[Code]) {
    println!("allowed: {reaction:?} instead of {codes:?}");
}

impl Client {
    /// A connection error with one of `codes`: GOAWAY, then the end of the connection.
    pub fn connection_error(&mut self, codes: &[Code]) {
        let reaction = self.reaction(0);
        let Reaction::ConnectionError(code) = reaction else {
            panic!("{reaction:?} instead of a connection error {codes:?}")
        };
        fits(reaction, code, codes);
        self.is_closed();
    }

    /// A stream error with one of `codes`, after which the connection is as good as before.
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

    /// A stream error, or a connection error where the RFC leaves the choice (§5.4.1 always does; what asks for
    /// the milder of the two says so with [`Client::stream_error`]).
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

    /// A malformed request (§8.1.1): a stream error PROTOCOL_ERROR, before which there may be a response of 4xx. An
    /// error of the connection would take the requests of others along, and is not allowed.
    pub fn malformed(&mut self, stream: u32) {
        let reaction = self.reaction(stream);
        assert_eq!(reaction, Reaction::StreamError(Code::PROTOCOL_ERROR));
        self.lives();
    }

    /// A stream error PROTOCOL_ERROR, or a whole answer with one of `statuses`, where the RFC calls a request wrong
    /// but not malformed.
    pub fn malformed_or_answered(&mut self, stream: u32, statuses: &[u16]) {
        match self.ending(stream) {
            Ending::Whole(response) => {
                assert!(statuses.contains(&response.status), "{statuses:?} wanted: {response:?}");
            }
            Ending::Reset(code, _) => assert_eq!(code, Code::PROTOCOL_ERROR),
        }
        self.lives();
    }

    /// Nothing at all follows what was sent: the connection answers the next request.
    pub fn lives(&mut self) {
        let stream = if self.highest == 0 { 1 } else { self.highest + 2 };
        self.get(stream, "/hello");
        self.response(stream).expect(200);
    }

    /// How the server takes what was sent, looking at `stream` and the connection.
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

    /// What came first of an error, an answer on `stream`, and an answer to a PING sent now.
    pub fn wait_for_error_or_answer(&mut self, stream: u32) -> Event {
        self.send(Frame::ping(b"anything"));
        self.wait_for("an error or an answer", |event| match event {
            Event::Headers { stream: other, .. } | Event::Reset { stream: other, .. } => *other == stream,
            event => matches!(event, Event::GoAway { .. } | Event::PingAck(_)),
        })
    }

    /// The server closes the connection.
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

    /// The PING that is sent now is answered.
    pub fn answers_ping(&mut self) {
        self.send(Frame::ping(b"answer me"[..8].try_into().expect("eight octets")));
        self.wait_for("an answer to PING", |event| *event == Event::PingAck(*b"answer m"));
    }
}
