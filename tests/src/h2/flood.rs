//! Endless frames: sent from one thread while another reads, or none does.

use super::client::Client;
use super::code::Code;
use super::frame::{Frame, HEADER, kind, number};
use std::collections::HashMap;
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::thread::JoinHandle;
use std::time::Duration;

/// After this long without reading, a server counts as holding the client back.
const HELD_BACK: Duration = Duration::from_secs(4);

/// The outcome of a flood.
#[derive(Debug)]
pub struct Outcome {
    /// Octets sent.
    pub sent: usize,
    /// Whether everything was sent.
    pub is_done: bool,
    /// The code of the server's GOAWAY, if one was read.
    pub goaway: Option<Code>,
    /// RST_STREAM frames of the server by their codes.
    pub resets: HashMap<u32, usize>,
}

impl Outcome {
    /// Shows that the server ended the flood, with a reason if the client was reading.
    pub fn was_cut_off(&self) {
        assert!(!self.is_done || self.goaway.is_some(), "the server took it all: {self:?}");
        assert!(self.goaway != Some(Code::NO_ERROR), "a polite end to a flood: {self:?}");
    }

    /// Shows that the server sent ENHANCE_YOUR_CALM.
    pub fn was_calmed(&self) {
        assert_eq!(self.goaway, Some(Code::ENHANCE_YOUR_CALM), "{self:?}");
    }
}

impl Client {
    /// Sends pieces until they end, the server closes, or it stops reading, while another thread reads
    /// everything that the server sends.
    pub fn flood(self, pieces: impl Iterator<Item = Vec<u8>>) -> Outcome {
        let reader = read_everything(self.socket());
        let (sent, is_done) = pour(&self.socket(), pieces);
        if is_done {
            // A GOAWAY may follow the last piece; closing the sending side makes the server end too.
            drop(self.socket().shutdown(std::net::Shutdown::Write));
        }
        let seen = reader.join().expect("the reader does not panic");
        Outcome { sent, is_done, ..seen }
    }

    /// The same without reading: the server's output stays unread.
    pub fn flood_unread(&self, pieces: impl Iterator<Item = Vec<u8>>) -> Outcome {
        let (sent, is_done) = pour(&self.socket(), pieces);
        Outcome { sent, is_done, goaway: None, resets: HashMap::new() }
    }
}

/// Octets of frames.
pub fn octets(frames: impl IntoIterator<Item = Frame>) -> Vec<u8> {
    frames.into_iter().flat_map(|frame| frame.encode()).collect()
}

fn pour(mut socket: &TcpStream, pieces: impl Iterator<Item = Vec<u8>>) -> (usize, bool) {
    socket.set_write_timeout(Some(HELD_BACK)).expect("not zero");
    let mut sent = 0;
    for piece in pieces {
        let mut rest = piece.as_slice();
        while !rest.is_empty() {
            match socket.write(rest) {
                Ok(count) => {
                    sent += count;
                    rest = &rest[count..];
                }
                Err(_) => return (sent, false),
            }
        }
    }
    (sent, true)
}

fn read_everything(mut socket: TcpStream) -> JoinHandle<Outcome> {
    std::thread::spawn(move || {
        let mut seen = Outcome { sent: 0, is_done: false, goaway: None, resets: HashMap::new() };
        let mut unread = Vec::new();
        let mut block = vec![0; 65536];
        // Silence this long means that nothing more comes.
        socket.set_read_timeout(Some(HELD_BACK * 2)).expect("not zero");
        loop {
            match socket.read(&mut block) {
                Ok(0) => return seen,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(_) => return seen,
                Ok(count) => unread.extend(&block[..count]),
            }
            let mut read = 0;
            while let Some((frame, size)) = Frame::decode(&unread[read..]) {
                read += size;
                debug_assert!(size >= HEADER);
                match frame.kind {
                    kind::GOAWAY if seen.goaway.is_none_or(|code| code == Code::NO_ERROR) => {
                        seen.goaway = Some(Code(number(&frame.payload[4..])));
                    }
                    kind::RST_STREAM => *seen.resets.entry(number(&frame.payload)).or_default() += 1,
                    _ => {}
                }
            }
            unread.drain(..read);
        }
    })
}
