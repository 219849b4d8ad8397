//! The messages to send, prepared before the measurement; and an inflater to check the received ones.

use anyhow::{Result, ensure};
use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress};

use super::frame;

/// The length of each message in bytes.
pub(super) const LENGTH: usize = 128;

/// The number of different messages: a single one would be too easy for a compressor that keeps its window.
const COUNT: usize = 16;

/// The end of a compressed message, omitted on the wire (RFC 7692 §7.2.1).
const TAIL: [u8; 4] = [0, 0, 0xff, 0xff];

/// One message.
pub(super) struct Message {
    pub(super) text: String,
    /// The bytes to send: masked, and compressed if negotiated. The mask may be the same each time, since it need not
    /// be secret here. Each message is compressed independently, so that it can be sent again at any time: the server
    /// has to inflate it, at no cost to the client.
    pub(super) frame: Vec<u8>,
}

/// All messages.
pub(super) fn all(is_deflated: bool) -> Vec<Message> {
    let make = |number| {
        let text = text(number);
        let mask = (0x9e37_79b9_u32.wrapping_mul(number as u32 + 1)).to_be_bytes();
        let deflated = is_deflated.then(|| deflate(text.as_bytes()));
        let payload = deflated.as_deref().unwrap_or(text.as_bytes());
        let frame = frame::write(frame::TEXT, is_deflated, payload, mask);
        Message { text, frame }
    };
    (0..COUNT).map(make).collect()
}

/// A text as in a chat.
fn text(number: usize) -> String {
    let words =
        ["lorem", "ipsum", "dolor", "sit", "amet", "elit", "sed", "eiusmod", "tempor", "magna", "aliqua"];
    let mut text = format!(
        "{{\"type\": \"message\", \"room\": {}, \"user\": \"u{}\", \"text\": \"",
        7 * number,
        31 * number
    );
    let mut at = number;
    while text.len() < LENGTH {
        text.push_str(words[at % words.len()]);
        text.push(' ');
        at = at * 5 + 3;
    }
    text.truncate(LENGTH - 2);
    text + "\"}"
}

fn deflate(text: &[u8]) -> Vec<u8> {
    let mut compressed = Vec::with_capacity(2 * LENGTH);
    let mut compress = Compress::new(Compression::default(), false);
    compress
        .compress_vec(text, &mut compressed, FlushCompress::Sync)
        .expect("a compressor takes any bytes, and there is room for twice their number");
    compressed.truncate(compressed.len() - TAIL.len());
    compressed
}

/// Inflates the messages from a server to one client: a message may refer to earlier ones.
pub(super) struct Inflater(Decompress);

impl Inflater {
    pub(super) fn new() -> Inflater {
        Inflater(Decompress::new(false))
    }

    /// Inflates the payload of one message.
    pub(super) fn inflate(&mut self, payload: &[u8]) -> Result<Vec<u8>> {
        let input = [payload, &TAIL].concat();
        let (before, mut text) = (self.0.total_in(), Vec::with_capacity(64 * LENGTH));
        self.0.decompress_vec(&input, &mut text, FlushDecompress::Sync)?;
        ensure!(self.0.total_in() - before == input.len() as u64, "a compressed message that is too long");
        Ok(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_all_of_one_length_and_differ() {
        let messages = all(false);
        assert!(messages.iter().all(|message| message.text.len() == LENGTH));
        assert!(messages.windows(2).all(|pair| pair[0].text != pair[1].text));
        assert!(messages.iter().all(|message| message.frame.len() == 2 + 2 + 4 + LENGTH));
    }

    #[test]
    fn compressed_messages_are_smaller_and_come_back_in_any_order() {
        let mut inflater = Inflater::new();
        for message in all(true).iter().chain(all(true).iter().rev()) {
            let deflated = deflate(message.text.as_bytes());
            assert!(deflated.len() < LENGTH);
            assert_eq!(inflater.inflate(&deflated).unwrap(), message.text.as_bytes());
        }
    }

    #[test]
    fn the_example_of_the_rfc_is_inflated() {
        // RFC 7692 §7.2.3.2: the second message refers to the first.
        let mut inflater = Inflater::new();
        assert_eq!(inflater.inflate(b"\xf2\x48\xcd\xc9\xc9\x07\x00").unwrap(), b"Hello");
        assert_eq!(inflater.inflate(b"\xf2\x00\x11\x00\x00").unwrap(), b"Hello");
        assert!(inflater.inflate(b"\xff\xff\xff").is_err());
    }
}
