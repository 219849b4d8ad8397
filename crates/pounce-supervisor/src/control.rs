//! The control messages between supervisor and worker, in every mode.
//!
//! Between processes each message is one line of JSON; within a process it stays a value.

use pounce_config::LogLevel;
use serde::{Deserialize, Serialize};

/// A command that ends a worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "snake_case")]
pub enum Command {
    /// The server stops: accept the queued connections, finish running requests, end.
    Shutdown,
    /// The worker's slot closes: do the same.
    Drain,
    /// A successor serves: leave queued connections to it, finish running requests, end.
    ReloadDrain,
}

/// What a worker does for the operator, and goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "request", rename_all = "snake_case")]
pub enum OperatorRequest {
    /// Answer with the stack of the event loop's thread.
    ShowStack,
    /// Log from this level on.
    SetLogLevel {
        /// The least severe level that is logged.
        least: LogLevel,
    },
}

/// Either, on its way to a worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub(crate) enum Message {
    Command(Command),
    Request(OperatorRequest),
}

/// A worker's report, in the order of its life.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "status", rename_all = "snake_case")]
pub enum Status {
    /// The worker has its plan and loads its application.
    Started,
    /// It accepts connections.
    Serving,
    /// It accepts no more connections, and finishes running requests.
    Draining,
    /// No request runs any more; the application shuts down.
    Idle,
    /// The application has shut down; the worker ends.
    Stopped,
    /// It cannot serve, and ends.
    Error {
        /// Why, for the operator.
        detail: String,
    },
    /// It is alive.
    Heartbeat(Heartbeat),
    /// The answer to a question of the operator.
    Answer {
        /// For the operator.
        text: String,
    },
}

/// A sign of life. A busy worker sends several within the health check's timeout; a worker that becomes idle sends
/// one that says so and is silent until it is busy again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Heartbeat {
    /// Whether another heartbeat must follow within the timeout.
    pub busy: bool,
    /// Requests served so far.
    pub requests: u64,
    /// Bytes of memory (RSS) of the process; 0 if not measured.
    pub rss: u64,
}

/// One message as a line, with its line break.
pub(crate) fn to_line(message: &impl Serialize) -> Vec<u8> {
    // Maps with text keys and plain values: serialising these to JSON cannot fail.
    let mut line = serde_json::to_vec(message).unwrap_or_default();
    line.push(b'\n');
    line
}

/// The message of a line. A malformed or unknown message is logged and ignored.
pub(crate) fn from_line<'a, T: Deserialize<'a>>(line: &'a str, from: &str) -> Option<T> {
    match serde_json::from_str(line) {
        Ok(message) => Some(message),
        Err(error) => {
            let line: String = line.chars().take(200).collect();
            tracing::warn!(target: "pounce", "ignored a message from {from}: {error}: {line:?}");
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_lines_of_json_that_read_back() {
        assert_eq!(to_line(&Command::ReloadDrain), b"{\"command\":\"reload_drain\"}\n");
        assert_eq!(to_line(&Status::Serving), b"{\"status\":\"serving\"}\n");
        let heartbeat = Status::Heartbeat(Heartbeat { busy: true, requests: 7, rss: 1 << 20 });
        for status in [heartbeat, Status::Error { detail: "line\nbreak".into() }, Status::Stopped] {
            let line = String::from_utf8(to_line(&status)).expect("JSON is UTF-8");
            assert_eq!(line.matches('\n').count(), 1);
            assert_eq!(from_line(&line, "a test"), Some(status));
        }
    }

    #[test]
    fn a_message_is_a_command_or_a_request() {
        for message in [
            Message::Command(Command::Drain),
            Message::Request(OperatorRequest::ShowStack),
            Message::Request(OperatorRequest::SetLogLevel { least: LogLevel::Debug }),
        ] {
            let line = String::from_utf8(to_line(&message)).expect("JSON is UTF-8");
            assert_eq!(from_line(&line, "a test"), Some(message), "{line}");
        }
    }

    #[test]
    fn unknown_and_malformed_messages_are_ignored() {
        for line in ["", "{}", "{\"command\":\"dance\"}", "[1]", "{\"command\":\"drain\"", "drain", "null"] {
            assert_eq!(from_line::<Command>(line, "a test"), None, "{line:?}");
        }
    }
}
