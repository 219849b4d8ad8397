//! Redis, without persistence.

use super::daemon::{self, Daemon, Program};
use crate::wait::{PATIENCE, eventually};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::sync::OnceLock;

/// A running Redis.
#[derive(Debug)]
pub struct Redis {
    port: u16,
    _daemon: Daemon,
}

impl Redis {
    /// The Redis of this test program; if not installed, prints on stderr that the test is skipped.
    pub fn shared() -> Option<&'static Self> {
        static SHARED: OnceLock<Option<Redis>> = OnceLock::new();
        let shared = SHARED.get_or_init(|| daemon::find("redis-server", []).map(|_| Self::start()));
        if shared.is_none() {
            eprintln!("skipped: no Redis here");
        }
        shared.as_ref()
    }

    fn start() -> Self {
        let folder = daemon::folder("pounce-redis-");
        let (daemon, port) = Program {
            command: &|port| {
                let (port, folder) = (port.to_string(), folder.display().to_string());
                let arguments = ["--port", &port, "--bind", "127.0.0.1", "--dir", &folder, "--save", ""];
                ["redis-server"].iter().chain(&arguments).map(|word| String::from(*word)).collect()
            },
            signal: "TERM",
            ready: "Ready to accept connections",
        }
        .start(&folder);
        Self { port, _daemon: daemon }
    }

    /// Its address.
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Runs one command on a new connection, and returns the raw answer (RESP).
    pub fn run(&self, words: &[&str]) -> String {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).expect("it listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("timeouts are not zero");
        let mut command = format!("*{}\r\n", words.len());
        for word in words {
            command += &format!("${}\r\n{word}\r\n", word.len());
        }
        // Redis ends the stream after its answer to QUIT.
        command += "*1\r\n$4\r\nQUIT\r\n";
        stream.write_all(command.as_bytes()).expect("it takes commands");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("it answers in UTF-8");
        answer.strip_suffix("+OK\r\n").expect("the answer to QUIT comes last").trim_end().to_owned()
    }

    /// Waits until a client is blocked in `command` for `key`.
    pub fn wait_blocked_on(&self, key: &str, command: &str) {
        eventually(&format!("a client waits in {command} for {key}"), || {
            let blocked = self.run(&["CLIENT", "LIST"]).contains(&format!("cmd={command} "));
            (blocked && self.run(&["EXISTS", key]) == ":0").then_some(())
        });
    }
}
