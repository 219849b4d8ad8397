//! The screen in front of the real `h2`: the outcomes of requests with valid and invalid fields, while both ends keep a
//! dynamic table.

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use proptest::prelude::*;
use proptest::sample::{Index, select};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::super::huffman::tests::encode;
use super::super::{Unfit, read_request};
use super::*;
use crate::http1::RequestLimits;

/// The bytes that `h2` reads, and the bytes it has written.
#[derive(Default)]
struct Pipe {
    input: VecDeque<u8>,
    output: Rc<RefCell<Vec<u8>>>,
}

impl AsyncRead for Pipe {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let count = self.input.len().min(buffer.remaining());
        if count == 0 {
            return Poll::Pending;
        }
        buffer.put_slice(&self.input.drain(..count).collect::<Vec<_>>());
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Pipe {
    fn poll_write(self: Pin<&mut Self>, _cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.output.borrow_mut().extend_from_slice(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// The output of the screen for `input`, which arrives in pieces that end at `cuts`.
fn screened(input: &[u8], cuts: &[Index]) -> Vec<u8> {
    let mut screen = Screen::new(16 * 1024);
    let mut output = Vec::new();
    let (mut gone, mut ends) = (0, cuts.iter().map(|cut| cut.index(input.len())).collect::<Vec<_>>());
    ends.push(input.len());
    ends.sort_unstable();
    for end in ends {
        loop {
            match screen.look(&input[gone..end]) {
                Screened::Hold => break,
                Screened::Pass(count) => {
                    output.extend_from_slice(&input[gone..][..count]);
                    gone += count;
                }
                Screened::Replace(count, bytes) => {
                    output.extend_from_slice(&bytes);
                    gone += count;
                }
            }
        }
    }
    output.extend_from_slice(&input[gone..]);
    output
}

/// The outcome of a request.
#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    /// `h2` resets its stream.
    Reset,
    /// [`read_request`] refuses it.
    Refused,
    /// It is accepted, with these fields.
    Taken(Vec<(String, String)>),
}

/// Lets `h2` serve `input`. None if it ends the connection.
fn served(input: Vec<u8>) -> Option<BTreeMap<u32, Outcome>> {
    let cx = &mut Context::from_waker(Waker::noop());
    let pipe = Pipe { input: input.into(), output: Rc::default() };
    let output = Rc::clone(&pipe.output);
    let mut handshake = Box::pin(h2::server::handshake(pipe));
    let Poll::Ready(Ok(mut connection)) = handshake.as_mut().poll(cx) else {
        return None;
    };
    let mut outcomes = BTreeMap::new();
    let mut held = Vec::new();
    while let Poll::Ready(request) = connection.poll_accept(cx) {
        let (request, respond) = request?.ok()?;
        let (parts, body) = request.into_parts();
        let outcome = match read_request(&parts, &RequestLimits::default()) {
            Ok(_) => {
                let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
                let fields = parts.headers.iter();
                let mut fields: Vec<_> =
                    fields.map(|(name, value)| (name.to_string(), text(value.as_bytes()))).collect();
                fields.sort_unstable();
                Outcome::Taken(fields)
            }
            Err(Unfit::Reset(_)) => Outcome::Refused,
            Err(Unfit::Answer(fault)) => panic!("{fault:?}"),
        };
        outcomes.insert(respond.stream_id().as_u32(), outcome);
        held.push((respond, body));
    }
    let output = output.borrow();
    let mut rest = &output[..];
    while let Some(frame) = Frame::read(rest) {
        match frame.kind {
            3 => assert!(outcomes.insert(frame.stream, Outcome::Reset).is_none()),
            7 => return None,
            _ => {}
        }
        rest = &rest[frame.length..];
    }
    Some(outcomes)
}

/// How a field is encoded.
#[derive(Debug, Clone)]
enum Field {
    /// As a literal whose representation begins like this, Huffman-coded or not.
    Literal { first: u8, name: Name, value: Vec<u8>, coded: bool },
    /// From the dynamic table.
    Indexed(Index),
}

#[derive(Debug, Clone)]
enum Name {
    Literal(&'static str),
    Static(u8, &'static str),
    Dynamic(Index),
}

fn field() -> impl Strategy<Value = Field> {
    let name = prop_oneof![
        3 => select(vec!["x-a", "x-a-longer-name", "cookie", "x\"y", "X-Upper", "", "x y", "x\0", "x\u{e9}"])
            .prop_map(Name::Literal),
        2 => select(vec![":", ":unknown", ":status", ":method", ":path", ":authority", "connection"])
            .prop_map(Name::Literal),
        2 => select(vec![(19, "accept"), (32, "cookie"), (58, "user-agent"), (60, "via")])
            .prop_map(|(index, name)| Name::Static(index, name)),
        1 => select(vec![(1, ":authority"), (3, ":method"), (4, ":path"), (6, ":scheme"), (9, ":status")])
            .prop_map(|(index, name)| Name::Static(index, name)),
        2 => any::<Index>().prop_map(Name::Dynamic),
    ];
    let value = prop_oneof![
        4 => select(vec!["v", "", "some value", "\u{e9}"]).prop_map(|value| value.as_bytes().to_vec()),
        2 => select(vec![&b"\0"[..], b"a\r\nb", b"\x7f", b"\xff", b"\xff\0"]).prop_map(<[u8]>::to_vec),
        1 => (select(vec![b'v', 0]), 1000..5000_usize).prop_map(|(octet, length)| vec![octet; length]),
    ];
    // Blocks stay smaller than a frame: `h2` ends the connection if it resets a stream in the middle of a block.
    let literal = (select(vec![0x40, 0x40, 0x00, 0x10]), name, value, any::<bool>());
    prop_oneof![
        4 => literal.prop_map(|(first, name, value, coded)| {
            let coded = coded && value.len() < 1000;
            Field::Literal { first, name, value, coded }
        }),
        1 => any::<Index>().prop_map(Field::Indexed),
    ]
}

fn integer(first: u8, prefix: u32, value: usize, block: &mut Vec<u8>) {
    let most = (1_usize << prefix) - 1;
    if value < most {
        return block.push(first | value as u8);
    }
    block.push(first | most as u8);
    let mut rest = value - most;
    while rest >= 0x80 {
        block.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    block.push(rest as u8);
}

fn string(text: &[u8], coded: bool, block: &mut Vec<u8>) {
    let coding = if coded { encode(text) } else { text.to_vec() };
    integer(if coded { 0x80 } else { 0 }, 7, coding.len(), block);
    block.extend_from_slice(&coding);
}

/// A field in the table.
#[derive(Debug, Clone)]
struct Entry {
    name: String,
    value: Vec<u8>,
}

impl Entry {
    /// Whether it is invalid after the pseudo-header fields of a request.
    fn is_wrong(&self) -> bool {
        self.has_wrong_name() || self.has_wrong_value()
    }

    fn has_wrong_name(&self) -> bool {
        self.name.is_empty()
            || !self.name.bytes().all(|byte| pounce_asgi::is_token_byte(byte) && !byte.is_ascii_uppercase())
    }

    fn has_wrong_value(&self) -> bool {
        !pounce_asgi::is_field_value(&self.value) || self.value.trim_ascii() != self.value
    }

    /// The entry that `h2` has in its table for this field.
    fn replaced(self, has_own_name: bool) -> Self {
        let is_readable = match &*self.name {
            ":method" => pounce_asgi::is_field_name(&self.value),
            ":path" | ":authority" | ":scheme" => std::str::from_utf8(&self.value).is_ok(),
            _ if has_own_name || self.name.starts_with(':') => !self.is_wrong(),
            _ if self.has_wrong_value() => {
                return Self { value: vec![b' '; self.value.len()], ..self };
            }
            _ => true,
        };
        if is_readable {
            return self;
        }
        Self { name: "\"".repeat(self.size() - 32), value: Vec::new() }
    }

    fn size(&self) -> usize {
        32 + self.name.len() + self.value.len()
    }
}

/// The client: writes requests, and knows their expected outcomes.
#[derive(Default)]
struct Client {
    table: VecDeque<Entry>,
    bytes: Vec<u8>,
    outcomes: BTreeMap<u32, Outcome>,
}

impl Client {
    fn request(&mut self, stream: u32, fields: &[Field], padding: Option<u8>, cuts: &[Index]) {
        let mut block = b"\x82\x86\x84\x41\x04test".to_vec();
        self.insert(Entry { name: ":authority".into(), value: b"test".into() });
        let (mut is_reset, mut is_refused, mut told) = (false, false, Vec::new());
        for field in fields {
            let entry = match field {
                Field::Indexed(_) if self.table.is_empty() => continue,
                Field::Indexed(at) => {
                    let at = at.index(self.table.len());
                    integer(0x80, 7, 62 + at, &mut block);
                    let entry = self.table[at].clone();
                    is_reset |= entry.name.starts_with(':') || entry.name == "connection";
                    is_refused |= entry.is_wrong();
                    entry
                }
                Field::Literal { first, name: source, value, coded } => {
                    let prefix = if *first == 0x40 { 6 } else { 4 };
                    let name = match source {
                        // No replacement can have the size of this empty field.
                        Name::Literal("") if value.is_empty() => continue,
                        Name::Literal(name) => {
                            block.push(*first);
                            string(name.as_bytes(), *coded, &mut block);
                            (*name).to_owned()
                        }
                        Name::Static(index, name) => {
                            integer(*first, prefix, usize::from(*index), &mut block);
                            (*name).to_owned()
                        }
                        Name::Dynamic(_) if self.table.is_empty() => continue,
                        Name::Dynamic(at) => {
                            let at = at.index(self.table.len());
                            let name = self.table[at].name.clone();
                            // The screen cannot know that this name is a pseudo-header field.
                            if name.starts_with(':') {
                                continue;
                            }
                            integer(*first, prefix, 62 + at, &mut block);
                            name
                        }
                    };
                    string(value, *coded, &mut block);
                    let entry = Entry { name, value: value.clone() };
                    let has_wrong_name = !matches!(source, Name::Dynamic(_)) && entry.has_wrong_name();
                    is_reset |= has_wrong_name || entry.has_wrong_value() || entry.name == "connection";
                    is_refused |= entry.is_wrong();
                    if *first == 0x40 {
                        self.insert(entry.clone().replaced(matches!(source, Name::Literal(_))));
                    }
                    entry
                }
            };
            told.push((entry.name, String::from_utf8_lossy(&entry.value).into_owned()));
        }
        told.sort_unstable();
        let outcome = match (is_reset, is_refused) {
            (true, _) => Outcome::Reset,
            (_, true) => Outcome::Refused,
            _ => Outcome::Taken(told),
        };
        self.outcomes.insert(stream, outcome);
        self.frames(stream, &block, padding, cuts);
    }

    fn insert(&mut self, entry: Entry) {
        self.table.push_front(entry);
        while self.table.iter().map(Entry::size).sum::<usize>() > 4096 {
            self.table.pop_back();
        }
    }

    fn frames(&mut self, stream: u32, block: &[u8], padding: Option<u8>, cuts: &[Index]) {
        let mut ends: Vec<_> = cuts.iter().map(|cut| cut.index(block.len())).collect();
        ends.extend((1..).map(|frame| frame * 16_000).take_while(|&end| end < block.len()));
        ends.push(block.len());
        ends.sort_unstable();
        let mut start = 0;
        for (number, &end) in ends.iter().enumerate() {
            let mut fragment = block[start..end].to_vec();
            let mut flags = if number + 1 == ends.len() { END_HEADERS } else { 0 };
            if number == 0 {
                flags |= END_STREAM;
                if let Some(padding) = padding {
                    flags |= PADDED | PRIORITY;
                    fragment =
                        [&[padding, 0x80, 0, 0, 0, 7], &fragment[..], &vec![0; padding.into()]].concat();
                }
            }
            let kind = if number == 0 { HEADERS } else { CONTINUATION };
            self.bytes.extend_from_slice(&(fragment.len() as u32).to_be_bytes()[1..]);
            self.bytes.extend_from_slice(&[kind, flags]);
            self.bytes.extend_from_slice(&stream.to_be_bytes());
            self.bytes.extend_from_slice(&fragment);
            start = end;
        }
    }
}

/// The first bytes of every client.
fn opening() -> Vec<u8> {
    [PREFACE, &[0, 0, 0, 4, 0, 0, 0, 0, 0]].concat()
}

proptest! {
    #[test]
    fn invalid_fields_affect_only_their_streams_and_both_tables_stay_the_same(
        requests in prop::collection::vec(
            (
                prop::collection::vec(field(), 0..4),
                prop::option::of(0..9_u8),
                prop::collection::vec(any::<Index>(), 0..3),
            ),
            1..12,
        ),
        cuts: Vec<Index>,
    ) {
        let mut client = Client { bytes: opening(), ..Client::default() };
        for (number, (fields, padding, cuts)) in (0..).zip(&requests) {
            client.request(1 + 2 * number, fields, *padding, cuts);
        }
        let outcomes = served(screened(&client.bytes, &cuts)).expect("the connection lives");
        prop_assert_eq!(outcomes, client.outcomes);
    }

    #[test]
    fn requests_as_h2_sends_them_pass_unchanged(
        requests in prop::collection::vec(prop::collection::vec(("[a-z0-9!_-]{1,80}", "[!-~\u{e9}]{0,200}"), 0..9), 1..5),
        cuts: Vec<Index>,
    ) {
        let cx = &mut Context::from_waker(Waker::noop());
        let pipe = Pipe::default();
        let output = Rc::clone(&pipe.output);
        let mut handshake = Box::pin(h2::client::handshake(pipe));
        let Poll::Ready(Ok((mut sender, mut connection))) = handshake.as_mut().poll(cx) else {
            panic!("it waits for nothing");
        };
        for fields in requests {
            let mut request = http::Request::get("http://test/path?query");
            for (name, value) in fields {
                request = request.header(format!("x-{name}"), value.as_bytes());
            }
            prop_assert!(sender.poll_ready(cx).is_ready());
            let _response = sender.send_request(request.body(()).unwrap(), true).unwrap();
            prop_assert!(Pin::new(&mut connection).poll(cx).is_pending());
        }
        let sent = output.borrow();
        prop_assert!(sent.len() > PREFACE.len());
        prop_assert_eq!(&screened(&sent, &cuts), &*sent);
    }

    #[test]
    fn anything_else_passes_unchanged_or_does_not_decode(
        bytes: Vec<u8>, kind in 0..12_u8, flags: u8, cuts: Vec<Index>,
    ) {
        let length = (bytes.len() as u32).to_be_bytes();
        let head = [&length[1..], &[kind, flags, 0, 0, 0, 1]].concat();
        let input = [&opening()[..], &head, &bytes, &head, &bytes].concat();
        let output = screened(&input, &cuts);
        if kind != HEADERS {
            prop_assert_eq!(output, input);
        }
    }
}
