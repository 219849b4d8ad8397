//! Received frames, each checked against the rules for a server: whatever the subject of a test, a server that
//! breaks one of these rules fails it.

use super::code::Code;
use super::frame::{Frame, flag, kind, number, setting};
use std::collections::HashMap;

/// An event sent by the server. A field block is one event, however many frames it took.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Event {
    Headers {
        stream: u32,
        fields: Vec<(String, String)>,
        end: bool,
    },
    Data {
        stream: u32,
        content: Vec<u8>,
        end: bool,
    },
    Reset {
        stream: u32,
        code: Code,
    },
    Settings(Vec<(u16, u32)>),
    SettingsAck,
    Ping([u8; 8]),
    PingAck([u8; 8]),
    GoAway {
        last: u32,
        code: Code,
    },
    WindowUpdate {
        stream: u32,
        increment: u32,
    },
    /// A frame of an unknown type.
    Other(Frame),
}

impl Event {
    /// The stream it belongs to; 0 for the connection.
    pub fn stream(&self) -> u32 {
        match self {
            Self::Headers { stream, .. }
            | Self::Data { stream, .. }
            | Self::Reset { stream, .. }
            | Self::WindowUpdate { stream, .. } => *stream,
            _ => 0,
        }
    }
}

/// What the server may send, and the parser of its frames.
pub struct Rules {
    decoder: fluke_hpack::Decoder<'static>,
    block: Option<(u32, bool, Vec<u8>)>,
    streams: HashMap<u32, Stream>,
    window: i64,
    initial_window: i64,
    largest_frame: usize,
    settings_seen: bool,
}

/// What the server has sent on a stream so far.
#[derive(Debug, Default)]
struct Stream {
    window: i64,
    has_head: bool,
    is_over: bool,
}

impl Rules {
    /// The state for a client that announces `settings`.
    pub fn of(settings: &[(u16, u32)]) -> Self {
        let mut rules = Self {
            decoder: fluke_hpack::Decoder::new(),
            block: None,
            streams: HashMap::new(),
            window: 65_535,
            initial_window: 65_535,
            largest_frame: 16_384,
            settings_seen: false,
        };
        rules.announced(settings);
        rules
    }

    /// The client has announced `settings`.
    pub fn announced(&mut self, settings: &[(u16, u32)]) {
        for (id, value) in settings {
            match *id {
                setting::INITIAL_WINDOW_SIZE => {
                    let change = i64::from(*value) - self.initial_window;
                    self.initial_window += change;
                    self.streams.values_mut().for_each(|stream| stream.window += change);
                }
                setting::MAX_FRAME_SIZE => self.largest_frame = *value as usize,
                setting::HEADER_TABLE_SIZE => self.decoder.set_max_allowed_table_size(*value as usize),
                _ => {}
            }
        }
    }

    /// The client has sent a frame.
    pub fn sent(&mut self, frame: &Frame) {
        match frame.kind {
            kind::HEADERS => {
                let window = self.initial_window;
                self.streams.entry(frame.stream).or_insert(Stream { window, ..Stream::default() });
            }
            kind::WINDOW_UPDATE if frame.payload.len() == 4 => {
                let increment = i64::from(number(&frame.payload) & 0x7fff_ffff);
                if frame.stream == 0 {
                    self.window += increment;
                } else if let Some(stream) = self.streams.get_mut(&frame.stream) {
                    stream.window += increment;
                }
            }
            _ => {}
        }
    }

    /// Reads a frame of the server. None for a part of a field block.
    pub fn read(&mut self, frame: Frame) -> Option<Event> {
        let size = frame.payload.len();
        assert!(size <= self.largest_frame, "a frame of {size} octets: {:?}", head_of(&frame));
        if let Some((stream, ..)) = &self.block {
            let follows = frame.kind == kind::CONTINUATION && frame.stream == *stream;
            assert!(follows, "in the middle of a field block of stream {stream}: {frame:?}");
        }
        if !self.settings_seen {
            let first = frame.kind == kind::SETTINGS && !frame.has(flag::ACK);
            assert!(first, "the first frame is not SETTINGS but {frame:?}");
            self.settings_seen = true;
        }
        match frame.kind {
            kind::HEADERS => {
                assert!(!frame.has(flag::PRIORITY), "a server has no use for priorities: {frame:?}");
                let (block, end) = (unpadded(&frame), frame.has(flag::END_STREAM));
                self.fields(frame, end, block)
            }
            kind::CONTINUATION => {
                let (_, end, mut block) = self.block.take().expect("CONTINUATION of nothing");
                block.extend(&frame.payload);
                self.fields(frame, end, block)
            }
            kind::DATA => Some(self.data(&frame)),
            kind::PUSH_PROMISE => panic!("a push that nobody asked for: {frame:?}"),
            _ => Some(self.control(frame)),
        }
    }

    fn fields(&mut self, frame: Frame, end: bool, block: Vec<u8>) -> Option<Event> {
        let stream = frame.stream;
        if !frame.has(flag::END_HEADERS) {
            self.block = Some((stream, end, block));
            return None;
        }
        let decoded = self.decoder.decode(&block).unwrap_or_else(|error| panic!("{error:?} in {block:?}"));
        let text = |octets: Vec<u8>| octets.into_iter().map(char::from).collect::<String>();
        let fields = decoded.into_iter().map(|(name, value)| (text(name), text(value))).collect();
        self.check_fields(stream, &fields, end);
        Some(Event::Headers { stream, fields, end })
    }

    /// RFC 9113 §8.1, §8.2 and §8.3.2.
    fn check_fields(&mut self, stream: u32, fields: &Vec<(String, String)>, end: bool) {
        let state = self.open(stream);
        let status = fields.first().filter(|(name, _)| name == ":status").map(|(_, value)| value.as_str());
        match status {
            Some(status) => {
                assert!(!state.has_head, "a second head on stream {stream}: {fields:?}");
                let is_status = status.len() == 3 && status.bytes().all(|digit| digit.is_ascii_digit());
                assert!(is_status && status != "101", "status {status:?} on stream {stream}");
                state.has_head = !status.starts_with('1');
                assert!(state.has_head || !end, "a {status} that ends stream {stream}");
            }
            None => assert!(state.has_head && end, "neither a head nor trailers on {stream}: {fields:?}"),
        }
        state.is_over = end;
        for (name, value) in fields.iter().skip(usize::from(status.is_some())) {
            let is_name = name.bytes().all(|byte| byte.is_ascii_graphic() && !byte.is_ascii_uppercase());
            assert!(is_name && !name.is_empty() && !name.contains(':'), "field name {name:?}");
            let is_value = !value.contains(['\0', '\r', '\n']) && value.trim_matches([' ', '\t']) == value;
            assert!(is_value, "field {name:?}: {value:?}");
            let of_connection =
                ["connection", "proxy-connection", "keep-alive", "transfer-encoding", "upgrade"];
            assert!(!of_connection.contains(&name.as_str()), "{name} is a field of HTTP/1 connections");
        }
    }

    /// RFC 9113 §5.2 and §6.9.
    fn data(&mut self, frame: &Frame) -> Event {
        let (stream, size) = (frame.stream, i64::try_from(frame.payload.len()).expect("it is small"));
        self.window -= size;
        let window = self.window;
        let state = self.open(stream);
        assert!(state.has_head, "DATA before the head on stream {stream}");
        state.window -= size;
        state.is_over = frame.has(flag::END_STREAM);
        if size > 0 {
            let room = state.window >= 0 && window >= 0;
            assert!(room, "{size} octets on stream {stream} leave windows of {} and {window}", state.window);
        }
        Event::Data { stream, content: unpadded(frame), end: frame.has(flag::END_STREAM) }
    }

    fn open(&mut self, stream: u32) -> &mut Stream {
        let state = self.streams.get_mut(&stream);
        let state = state.unwrap_or_else(|| panic!("something on stream {stream}, which nobody opened"));
        assert!(!state.is_over, "something on stream {stream} after its end");
        state
    }

    fn control(&mut self, frame: Frame) -> Event {
        let sized = |octets: usize| assert_eq!(frame.payload.len(), octets, "the size of {frame:?}");
        match frame.kind {
            kind::RST_STREAM => {
                sized(4);
                let stream = frame.stream;
                // Streams below one that was opened are not idle either (§5.1.1).
                let is_idle = self.streams.keys().all(|opened| *opened < stream);
                assert!(!is_idle, "a reset of stream {stream}, which nobody opened");
                // It may follow the end of a response (§8.1).
                self.streams.entry(stream).or_default().is_over = true;
                Event::Reset { stream, code: Code(number(&frame.payload)) }
            }
            kind::SETTINGS if frame.has(flag::ACK) => {
                sized(0);
                Event::SettingsAck
            }
            kind::SETTINGS => {
                assert!(frame.payload.len().is_multiple_of(6) && frame.stream == 0, "{frame:?}");
                let pairs = frame.payload.chunks(6);
                let settings = pairs.map(|pair| (u16::from_be_bytes([pair[0], pair[1]]), number(&pair[2..])));
                Event::Settings(settings.inspect(check_setting).collect())
            }
            kind::PING => {
                sized(8);
                let payload = frame.payload[..].try_into().expect("eight octets");
                if frame.has(flag::ACK) { Event::PingAck(payload) } else { Event::Ping(payload) }
            }
            kind::GOAWAY => {
                assert!(frame.payload.len() >= 8 && frame.stream == 0, "{frame:?}");
                let (last, code) = (number(&frame.payload) & 0x7fff_ffff, Code(number(&frame.payload[4..])));
                Event::GoAway { last, code }
            }
            kind::WINDOW_UPDATE => {
                sized(4);
                let increment = number(&frame.payload);
                assert!((1..=0x7fff_ffff).contains(&increment), "{frame:?}");
                Event::WindowUpdate { stream: frame.stream, increment }
            }
            _ => Event::Other(frame),
        }
    }
}

/// Checks settings (RFC 9113 §6.5.2, for a server).
fn check_setting((id, value): &(u16, u32)) {
    let allowed = match *id {
        setting::ENABLE_PUSH => 0..=0,
        setting::INITIAL_WINDOW_SIZE => 0..=0x7fff_ffff,
        setting::MAX_FRAME_SIZE => 16_384..=16_777_215,
        setting::ENABLE_CONNECT_PROTOCOL => 0..=1,
        _ => 0..=u32::MAX,
    };
    assert!(allowed.contains(value), "setting {id:#x} is {value}");
}

/// A payload without its padding.
fn unpadded(frame: &Frame) -> Vec<u8> {
    if !frame.has(flag::PADDED) {
        return frame.payload.clone();
    }
    let padding = usize::from(frame.payload[0]);
    assert!(padding < frame.payload.len(), "more padding than there is: {frame:?}");
    frame.payload[1..frame.payload.len() - padding].to_vec()
}

fn head_of(frame: &Frame) -> (u8, u8, u32) {
    (frame.kind, frame.flags, frame.stream)
}
