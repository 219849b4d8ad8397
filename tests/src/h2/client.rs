//! One connection: sending, and received events. Every wait on it is bounded.

use super::frame::{Frame, flag, kind, setting};
use super::received::{Event, Rules};
use crate::server::Server;
use crate::tls::TlsStream;
use crate::wait::PATIENCE;
use std::collections::{HashMap, VecDeque};
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// The first bytes of a client (RFC 9113 §3.4).
pub const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// The result of waiting for an event.
#[derive(Debug)]
pub enum Next {
    /// The next event.
    Event(Event),
    /// The server has closed.
    End,
    /// No event came in time.
    Nothing,
}

/// The stream of the frames: a socket, or a layer over one, such as TLS after ALPN `h2`.
pub trait Transport: Read + Write {
    /// The underlying socket.
    fn socket(&self) -> &TcpStream;
}

impl Transport for TcpStream {
    fn socket(&self) -> &TcpStream {
        self
    }
}

/// A connection.
pub struct Client {
    stream: Box<dyn Transport>,
    unread: Vec<u8>,
    rules: Rules,
    waiting: VecDeque<Event>,
    /// Whether windows are refilled as soon as data comes. Tests that hold the server back turn this off.
    pub gives_back: bool,
    /// The settings that the server has announced.
    pub settings: HashMap<u16, u32>,
    /// The windows that the server grants: of the connection (0) and of each stream.
    pub(super) windows: HashMap<u32, i64>,
    /// The highest stream opened so far.
    pub(super) highest: u32,
}

impl Transport for TlsStream {
    fn socket(&self) -> &TcpStream {
        Self::socket(self)
    }
}

impl Client {
    /// Connects and exchanges prefaces and settings.
    pub fn connect(address: SocketAddr) -> Self {
        Self::connect_with(address, &[])
    }

    /// Connects and announces `settings`.
    pub fn connect_with(address: SocketAddr, settings: &[(u16, u32)]) -> Self {
        Self::silent(address).introduced(settings)
    }

    /// Returns itself, once prefaces and settings are exchanged.
    pub fn introduced(mut self, settings: &[(u16, u32)]) -> Self {
        self.rules.announced(settings);
        self.send_octets(PREFACE).send(Frame::settings(settings));
        self.settle();
        self
    }

    /// Connects and sends nothing.
    pub fn silent(address: SocketAddr) -> Self {
        let stream = TcpStream::connect_timeout(&address, PATIENCE);
        let stream = stream.unwrap_or_else(|error| panic!("connect to {address}: {error}"));
        Self::over(Box::new(stream))
    }

    /// Connects with a receive buffer of about `size` octets, so that a stopped reader is noticed soon; sends nothing.
    pub fn silent_with_receive_buffer(address: SocketAddr, size: usize) -> Self {
        let stream = crate::client::socket(address, Some(size));
        Self::over(Box::new(stream.unwrap_or_else(|error| panic!("connect to {address}: {error}"))))
    }

    /// Uses a fresh transport.
    pub fn over(stream: Box<dyn Transport>) -> Self {
        stream.socket().set_nodelay(true).expect("an open socket takes options");
        stream.socket().set_write_timeout(Some(PATIENCE)).expect("timeouts are not zero");
        Self {
            stream,
            unread: Vec::new(),
            rules: Rules::of(&[]),
            waiting: VecDeque::new(),
            gives_back: true,
            settings: HashMap::new(),
            windows: HashMap::from([(0, 65_535)]),
            highest: 0,
        }
    }

    /// Waits until the server has announced its settings and acknowledged the client's.
    pub fn settle(&mut self) {
        self.wait_for("the server's SETTINGS", |event| matches!(event, Event::Settings(_)));
        self.wait_for("an acknowledgment of SETTINGS", |event| *event == Event::SettingsAck);
    }

    /// Announces further settings, and waits until they are in force.
    pub fn announce(&mut self, settings: &[(u16, u32)]) -> &mut Self {
        self.send(Frame::settings(settings));
        self.wait_for("an acknowledgment of SETTINGS", |event| *event == Event::SettingsAck);
        self.rules.announced(settings);
        self
    }

    /// Sends a frame. If the server has closed, the next expectation finds out.
    pub fn send(&mut self, frame: Frame) -> &mut Self {
        self.send_all([frame])
    }

    /// Sends frames in one piece.
    pub fn send_all(&mut self, frames: impl IntoIterator<Item = Frame>) -> &mut Self {
        let mut octets = Vec::new();
        for frame in frames {
            self.note_sent(&frame);
            octets.extend(frame.encode());
        }
        self.send_octets(&octets)
    }

    /// Sends octets that need not be frames.
    pub fn send_octets(&mut self, octets: &[u8]) -> &mut Self {
        match self.stream.write_all(octets) {
            Err(error) if !is_gone(&error) => panic!("the server does not take what is sent: {error}"),
            _ => self,
        }
    }

    /// A second handle on the socket, for tests that bypass this vocabulary.
    pub fn socket(&self) -> TcpStream {
        self.stream.socket().try_clone().expect("an open socket can be duplicated")
    }

    /// Closes the sending side only.
    pub fn finish_sending(&mut self) {
        // The server may already have closed.
        let _ = self.stream.socket().shutdown(Shutdown::Write);
    }

    /// Notes a stream that was opened by octets this vocabulary does not parse.
    pub fn has_opened(&mut self, stream: u32) -> &mut Self {
        self.note_sent(&Frame::headers(stream, []));
        self
    }

    fn note_sent(&mut self, frame: &Frame) {
        self.rules.sent(frame);
        if frame.kind == kind::HEADERS {
            self.highest = self.highest.max(frame.stream);
            let initial = self.server_setting(setting::INITIAL_WINDOW_SIZE, 65_535);
            self.windows.entry(frame.stream).or_insert(i64::from(initial));
        }
        if frame.kind == kind::DATA {
            let size = i64::try_from(frame.payload.len()).expect("it is small");
            for stream in [0, frame.stream] {
                *self.windows.entry(stream).or_default() -= size;
            }
        }
    }

    /// A setting of the server, or its default if not announced.
    pub fn server_setting(&self, id: u16, default: u32) -> u32 {
        self.settings.get(&id).copied().unwrap_or(default)
    }

    /// The next event of any kind, skipped ones first.
    pub fn next(&mut self, limit: Duration) -> Next {
        match self.waiting.pop_front() {
            Some(event) => Next::Event(event),
            None => self.next_unread(limit),
        }
    }

    /// Waits for a `wanted` event, and keeps skipped ones for later.
    pub fn wait_for(&mut self, what: &str, mut wanted: impl FnMut(&Event) -> bool) -> Event {
        if let Some(at) = self.waiting.iter().position(&mut wanted) {
            return self.waiting.remove(at).expect("it is there");
        }
        let deadline = Instant::now() + PATIENCE;
        loop {
            match self.next_unread(deadline.saturating_duration_since(Instant::now())) {
                Next::Event(event) if wanted(&event) => return event,
                Next::Event(event) => self.waiting.push_back(event),
                Next::End => panic!("closed instead of {what}; unexpected: {:?}", self.waiting),
                Next::Nothing => panic!("no {what}; unexpected: {:?}", self.waiting),
            }
        }
    }

    /// Reads events into the queue until the server is silent for `time`.
    pub fn listen(&mut self, time: Duration) {
        while let Next::Event(event) = self.next_unread(time) {
            self.waiting.push_back(event);
        }
    }

    /// Events received and not consumed yet.
    pub fn waiting(&self) -> impl Iterator<Item = &Event> {
        self.waiting.iter()
    }

    /// Puts an event back into the queue.
    pub(super) fn put_back(&mut self, event: Event) {
        self.waiting.push_back(event);
    }

    pub(super) fn next_unread(&mut self, limit: Duration) -> Next {
        let deadline = Instant::now() + limit;
        loop {
            while let Some((frame, size)) = Frame::decode(&self.unread) {
                self.unread.drain(..size);
                let flow = if frame.kind == kind::DATA { frame.payload.len() } else { 0 };
                if let Some(event) = self.rules.read(frame) {
                    self.react(&event, flow);
                    return Next::Event(event);
                }
            }
            let left = deadline.saturating_duration_since(Instant::now());
            // A timeout of zero would mean none.
            self.stream
                .socket()
                .set_read_timeout(Some(left.max(Duration::from_millis(1))))
                .expect("not zero");
            let mut block = [0; 65536];
            match self.stream.read(&mut block) {
                Ok(0) => return Next::End,
                Ok(count) => self.unread.extend(&block[..count]),
                Err(error) if is_gone(&error) => return Next::End,
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                    if left.is_zero() {
                        return Next::Nothing;
                    }
                }
                Err(error) => panic!("{error}"),
            }
        }
    }

    /// Does what every client must do for a received event.
    fn react(&mut self, event: &Event, flow: usize) {
        match event {
            Event::Settings(settings) => {
                let before = i64::from(self.server_setting(setting::INITIAL_WINDOW_SIZE, 65_535));
                self.settings.extend(settings.iter().copied());
                let change = i64::from(self.server_setting(setting::INITIAL_WINDOW_SIZE, 65_535)) - before;
                let streams = self.windows.iter_mut().filter(|(stream, _)| **stream != 0);
                streams.for_each(|(_, window)| *window += change);
                self.send(Frame::settings_ack());
            }
            Event::Ping(payload) => {
                self.send(Frame::ping(payload).with(flag::ACK));
            }
            Event::WindowUpdate { stream, increment } => {
                *self.windows.entry(*stream).or_default() += i64::from(*increment);
            }
            Event::Data { stream, end, .. } if self.gives_back && flow > 0 => {
                let flow = u32::try_from(flow).expect("less than 16 MiB");
                self.send(Frame::window_update(0, flow));
                if !end {
                    self.send(Frame::window_update(*stream, flow));
                }
            }
            _ => {}
        }
    }

    /// Received octets that are not a whole frame: an HTTP/1 answer, for example.
    pub fn rest(&mut self) -> Vec<u8> {
        self.stream.socket().set_read_timeout(Some(PATIENCE)).expect("not zero");
        let mut rest = std::mem::take(&mut self.unread);
        match self.stream.read_to_end(&mut rest) {
            Err(error) if !is_gone(&error) => panic!("{error} after {:?}", String::from_utf8_lossy(&rest)),
            _ => rest,
        }
    }
}

fn is_gone(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::ConnectionReset | ErrorKind::BrokenPipe | ErrorKind::ConnectionAborted)
}

impl Server {
    /// Opens an HTTP/2 connection by prior knowledge.
    pub fn h2(&self) -> Client {
        Client::connect(self.address())
    }

    /// Opens an HTTP/2 connection that announces `settings`.
    pub fn h2_with(&self, settings: &[(u16, u32)]) -> Client {
        Client::connect_with(self.address(), settings)
    }
}
