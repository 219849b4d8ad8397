//! Compression (RFC 7692) against plain flate2: every window, every kind of block, both ways.

use crate::frames::*;
use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};
use pounce_asgi::{MessageKind, Payload};
use pounce_worker::http1::Output;
use pounce_worker::websocket::{Codecs, Sender, WindowBits};
use std::io::IoSlice;
use std::rc::Rc;

/// Compresses one message by itself, without the tail.
pub(crate) fn deflate(plain: &[u8], window: u8) -> Vec<u8> {
    deflate_at(plain, window, Compression::default(), FlushCompress::Sync)
}

fn deflate_at(plain: &[u8], window: u8, level: Compression, flush: FlushCompress) -> Vec<u8> {
    let mut compress = Compress::new_with_window_bits(level, false, window);
    let mut packed = Vec::with_capacity(plain.len() + plain.len() / 8 + 1024);
    compress.compress_vec(plain, &mut packed, flush).expect("it compresses");
    assert_eq!(compress.total_in(), plain.len() as u64);
    if packed.ends_with(&[0, 0, 255, 255]) {
        packed.truncate(packed.len() - 4);
    }
    packed
}

/// Inflates one message by itself with a window of at most this size.
pub(crate) fn inflate(packed: &[u8], window: u8) -> Vec<u8> {
    let mut decompress = Decompress::new_with_window_bits(false, window);
    let packed = [packed, &[0, 0, 255, 255]].concat();
    let mut plain = Vec::with_capacity(1 << 16);
    loop {
        let taken = decompress.total_in() as usize;
        let status = decompress.decompress_vec(&packed[taken..], &mut plain, FlushDecompress::Sync);
        assert_ne!(status.expect("it inflates"), Status::StreamEnd, "a final block would end the connection");
        if decompress.total_in() as usize == packed.len() && plain.len() < plain.capacity() {
            return plain;
        }
        plain.reserve(1 << 16);
    }
}

pub(crate) fn written(output: &mut Output) -> Vec<u8> {
    let mut all = Vec::new();
    while !output.is_empty() {
        let count = {
            let mut slices = [IoSlice::new(&[]); 8];
            let filled = output.slices(&mut slices);
            slices[..filled].iter().map(|slice| (all.extend_from_slice(slice), slice.len()).1).sum()
        };
        output.advance(count);
    }
    all
}

/// A sender's frame for a message: its first byte and its payload.
fn sent(codecs: &Rc<Codecs>, window: u8, plain: &[u8]) -> (u8, Vec<u8>) {
    let window = WindowBits::new(window).expect("from 9 to 15");
    let sender = Sender::new(Some((Rc::clone(codecs), window)));
    let mut output = Output::new();
    sender.message(MessageKind::Binary, Payload::Borrowed(plain), &mut output);
    let mut frames = read(&written(&mut output));
    assert_eq!(frames.len(), 1);
    frames.remove(0)
}

/// Samples that repeat near, far, never, and always.
fn samples() -> Vec<Vec<u8>> {
    let noise: Vec<u8> = (0..40_000u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 21) as u8).collect();
    vec![
        b"".to_vec(),
        b"short".to_vec(),
        b"a line that repeats\n".repeat(100),
        vec![0; 300_000],
        noise.clone(),
        [&noise[..], &noise[..], b"and text that repeats ".repeat(20).as_slice()].concat(),
        (0..=255).cycle().take(70_000).collect(),
    ]
}

#[test]
fn every_window_keeps_to_its_size_and_comes_back() {
    let codecs = Rc::new(Codecs::new());
    for window in 9..=15 {
        for plain in samples() {
            let (first, payload) = sent(&codecs, window, &plain);
            let back = if first & RSV1 == 0 { payload } else { inflate(&payload, window) };
            assert!(back == plain, "window {window}, {} bytes", plain.len());
        }
    }
}

#[test]
fn only_messages_that_get_smaller_are_compressed() {
    let codecs = Rc::new(Codecs::new());
    let (first, payload) = sent(&codecs, 15, &b"again and ".repeat(1000));
    assert_eq!(first, FIN | RSV1 | BINARY);
    assert!(payload.len() < 500, "{}", payload.len());
    let noise: Vec<u8> = (0..5_000u64)
        .map(|at| {
            (at.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(31).wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 56)
                as u8
        })
        .collect();
    let (first, payload) = sent(&codecs, 15, &noise);
    assert!(payload.len() <= noise.len(), "{}", payload.len());
    assert!(first == FIN | BINARY || payload.len() < noise.len());
}

#[test]
fn messages_do_not_depend_on_earlier_ones() {
    let codecs = Rc::new(Codecs::new());
    let plain = b"the same message for everybody ".repeat(30);
    let first = sent(&codecs, 15, &plain);
    for other in samples() {
        sent(&codecs, 15, &other);
        sent(&codecs, 9, &plain);
        assert_eq!(sent(&codecs, 15, &plain), first);
    }
}

#[test]
fn there_are_windows_from_9_to_15() {
    for bits in 0..=u8::MAX {
        assert_eq!(WindowBits::new(bits).is_some(), (9..=15).contains(&bits), "{bits}");
    }
}

#[test]
fn every_form_of_flate2_output_is_inflated() {
    for plain in samples() {
        for window in 9..=15 {
            for level in [Compression::none(), Compression::fast(), Compression::best()] {
                for flush in [FlushCompress::Sync, FlushCompress::Full, FlushCompress::Finish] {
                    let packed = deflate_at(&plain, window, level, flush);
                    let story = tell(receiver(LIMITS, true), &frame(FIN | RSV1 | BINARY, &packed), &[]);
                    let wanted = Told::Message(MessageKind::Binary, plain.clone());
                    assert!(
                        story.fault.is_none() && story.told == [wanted],
                        "{} bytes, window {window}, {level:?}, {flush:?}: {:?}",
                        plain.len(),
                        story.fault
                    );
                }
            }
        }
    }
}

#[test]
fn the_examples_of_the_rfc_are_inflated() {
    // RFC 7692 section 7.2.3.
    for packed in [
        &[0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00][..],
        &[0x00, 0x05, 0x00, 0xfa, 0xff, 0x48, 0x65, 0x6c, 0x6c, 0x6f, 0x00],
        &[0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0x00],
        &[0xf2, 0x48, 0x05, 0x00, 0x00, 0x00, 0xff, 0xff, 0xca, 0xc9, 0xc9, 0x07, 0x00],
    ] {
        let input = frame(FIN | RSV1 | TEXT, packed);
        for cut in 0..input.len() {
            let story = tell(receiver(LIMITS, true), &input, &[cut]);
            assert_eq!((story.told, story.fault), (vec![text("Hello")], None), "{packed:x?} cut at {cut}");
        }
    }
    for empty in [&[0][..], &[2, 0], &[]] {
        let story = tell(receiver(LIMITS, true), &frame(FIN | RSV1 | TEXT, empty), &[]);
        assert_eq!((story.told, story.fault), (vec![text("")], None), "{empty:x?}");
    }
}
