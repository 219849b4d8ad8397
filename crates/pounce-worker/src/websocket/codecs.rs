//! Compression of messages (RFC 7692), shared by all connections of a worker.
//!
//! Every message is compressed by itself, in both directions (`server_no_context_takeover`,
//! `client_no_context_takeover`): a connection holds no compressor and no window, however many there are, and a
//! message that goes to many clients is compressed once.

use std::cell::RefCell;

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};
use pounce_asgi::MessageKind;

use super::FrameFault;

/// The end of a compressed message, which is not sent (RFC 7692 section 7.2.1).
const TAIL: [u8; 4] = [0, 0, 0xff, 0xff];

/// Messages from this size on are not remembered.
const REMEMBERED: usize = 64 * 1024;

/// How much is inflated at once.
const PIECE: usize = 16 * 1024;

/// The size of the window that messages are compressed with, in bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WindowBits(u8);

/// The number of window sizes: 9 bits to 15. zlib cannot compress with a window of 8 bits.
const WINDOWS: usize = 7;

impl WindowBits {
    /// The largest window, for clients that do not ask for less.
    pub const MAX: Self = Self(15);

    /// From 9 to 15.
    pub fn new(bits: u8) -> Option<Self> {
        (9..=15).contains(&bits).then_some(Self(bits))
    }
}

/// Compressors for a worker's messages, made on demand.
#[derive(Debug, Default)]
pub struct Codecs {
    /// One for each window size that clients ask for.
    deflaters: RefCell<[Option<Box<Deflater>>; WINDOWS]>,
    inflater: RefCell<Option<Inflater>>,
}

/// Compresses whole messages.
#[derive(Debug)]
struct Deflater {
    compress: Compress,
    /// The last message, and its compressed form.
    plain: Vec<u8>,
    packed: Vec<u8>,
}

/// Inflates one message at a time.
#[derive(Debug)]
struct Inflater(Box<Decompress>);

impl Codecs {
    /// Nothing made yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Calls `with` with `plain` compressed, unless that would not make it smaller.
    pub(super) fn deflate<R>(
        &self,
        plain: &[u8],
        window: WindowBits,
        with: impl FnOnce(&[u8]) -> R,
    ) -> Option<R> {
        let mut deflaters = self.deflaters.borrow_mut();
        let deflater = deflaters[usize::from(window.0) - 9].get_or_insert_with(|| {
            Box::new(Deflater {
                compress: Compress::new_with_window_bits(Compression::fast(), false, window.0),
                plain: Vec::new(),
                packed: Vec::new(),
            })
        });
        let packed = deflater.pack(plain)?;
        (packed.len() < plain.len()).then(|| with(packed))
    }

    /// Inflates a message, which must not be larger than `limit`. A text is UTF-8.
    ///
    /// # Errors
    /// The client's fault.
    pub fn inflate(&self, kind: MessageKind, packed: &[u8], limit: usize) -> Result<Vec<u8>, FrameFault> {
        let mut inflater = self.inflater.borrow_mut();
        let inflater = inflater.get_or_insert_with(|| Inflater(Box::new(Decompress::new(false))));
        inflater.0.reset(false);
        let mut message = Vec::new();
        inflater.inflate(packed, &mut message, limit)?;
        inflater.inflate(&TAIL, &mut message, limit)?;
        if kind == MessageKind::Text && std::str::from_utf8(&message).is_err() {
            return Err(FrameFault::Data("the text is not UTF-8"));
        }
        Ok(message)
    }
}

impl Deflater {
    fn pack(&mut self, plain: &[u8]) -> Option<&[u8]> {
        if !self.plain.is_empty() && self.plain == plain {
            return Some(&self.packed);
        }
        self.plain.clear();
        self.packed.clear();
        self.packed.shrink_to(2 * REMEMBERED);
        self.compress.reset();
        // Enough for incompressible data and the end of the block.
        self.packed.reserve(plain.len() + plain.len() / 8 + 64);
        let before = self.compress.total_in();
        loop {
            let taken = (self.compress.total_in() - before) as usize;
            let room = self.packed.capacity() - self.packed.len();
            self.compress.compress_vec(&plain[taken..], &mut self.packed, FlushCompress::Sync).ok()?;
            let taken = (self.compress.total_in() - before) as usize;
            if taken == plain.len() && self.packed.len() < self.packed.capacity() {
                break;
            }
            self.packed.reserve(room.max(PIECE));
        }
        if self.packed.ends_with(&TAIL) {
            self.packed.truncate(self.packed.len() - TAIL.len());
        }
        if plain.len() < REMEMBERED {
            self.plain.extend_from_slice(plain);
        }
        Some(&self.packed)
    }
}

impl Inflater {
    /// Inflates a piece of a message and appends it to `message`, which must not grow beyond `limit`.
    fn inflate(&mut self, piece: &[u8], message: &mut Vec<u8>, limit: usize) -> Result<(), FrameFault> {
        let mut taken = 0;
        loop {
            let length = message.len();
            if length > limit {
                return Err(FrameFault::TooBig("the message is larger than this server allows"));
            }
            message.reserve(PIECE.min(limit - length + 1));
            let before = self.0.total_in();
            let status = self
                .0
                .decompress_vec(&piece[taken..], message, FlushDecompress::Sync)
                .map_err(|_| FrameFault::Data("the message cannot be inflated"))?;
            taken += (self.0.total_in() - before) as usize;
            if status == Status::StreamEnd {
                // A final block: another may follow (RFC 7692 section 7.2.3.5).
                self.0.reset(false);
            } else if message.len() < message.capacity() && taken == piece.len() {
                break;
            } else if message.len() == length && self.0.total_in() == before {
                return Err(FrameFault::Data("the message cannot be inflated"));
            }
            if taken == piece.len() && status == Status::StreamEnd {
                break;
            }
        }
        if message.len() > limit {
            return Err(FrameFault::TooBig("the message is larger than this server allows"));
        }
        Ok(())
    }
}
