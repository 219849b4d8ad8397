//! HTTP/2 floods: frames that are cheap to send and expensive to answer, or that never end. The server ends
//! them, or holds the client back; either way the same worker answers the next client, its memory stays flat, and the
//! running calls of the application are bounded and end with their connection.

use pounce_tests::h2::flood::{Outcome, octets};
use pounce_tests::h2::{Client, Code, Frame, Request, flag, hpack, kind, setting};
use pounce_tests::process::{forget_peak, peak_kib};
use pounce_tests::{Options, Server, eventually};
use std::iter::repeat_n;
use std::time::Duration;

/// The allowed growth of resident memory in each of these tests, in KiB.
const GROWTH_KIB: u64 = 16 * 1024;

/// The most calls of the application that a single connection may have running. Servers allow 100 to
/// 256 streams; calls of reset streams may still run.
const MOST_TASKS: u64 = 1000;

fn start() -> Server {
    // The log lines that a flood causes do not count.
    let server = Server::start_silent(Options::app("counted:app").flag("--no-access-log"), "critical");
    // One-time allocations are not growth.
    let mut client = server.h2();
    for number in 0..200 {
        client.ask(1 + 2 * number, &Request::get("/hello")).expect(200);
    }
    server.h2().ask(1, &Request::get("/in-one-piece")).expect(200);
    server
}

fn tasks(server: &Server, which: &str) -> u64 {
    server.get("/tasks").expect(200).json()[which].as_u64().expect("a number")
}

/// Shows that the server survives `attack`, and that nothing of it is left.
fn stands<T>(attack: impl FnOnce(&Server) -> T) -> T {
    let server = start();
    let process = server.worker();
    let before = server.rss_kib();
    forget_peak(server.pid());
    let outcome = attack(&server);
    // Another client is answered at once.
    server.h2().ask(1, &Request::get("/hello")).expect(200);
    // Memory given back in the meantime counts too.
    let growth = peak_kib(server.pid()).saturating_sub(before);
    assert!(growth < GROWTH_KIB, "grew by {growth} KiB");
    assert_eq!(server.worker(), process, "another process");
    let most = tasks(&server, "most");
    assert!(most <= MOST_TASKS, "{most} calls of the application at once");
    eventually("the calls of the application end", || (tasks(&server, "running") <= 1).then_some(()));
    outcome
}

/// The frames that `frames` makes for `count` streams, several in one piece.
fn many(count: u32, frames: impl Fn(u32) -> Vec<Frame>) -> impl Iterator<Item = Vec<u8>> {
    let streams: Vec<u32> = (0..count).map(|number| 1 + 2 * number).collect();
    let pieces: Vec<Vec<u32>> = streams.chunks(50).map(<[u32]>::to_vec).collect();
    pieces.into_iter().map(move |streams| octets(streams.into_iter().flat_map(&frames)))
}

/// `frame` again and again, `count` times.
fn again(frame: &Frame, count: usize) -> impl Iterator<Item = Vec<u8>> {
    repeat_n(octets(repeat_n(frame.clone(), 100)), count / 100)
}

/// A connection with an open request whose body the application reads.
fn open(server: &Server) -> Client {
    let mut client = server.h2();
    client.post(1, "/count");
    client
}

fn rapid_reset(path: &'static str) -> Outcome {
    stands(|server| {
        let frames = |stream| vec![Request::get(path).whole(stream), Frame::reset(stream, Code::CANCEL)];
        server.h2().flood(many(10_000, frames))
    })
}

#[test]
fn ten_thousand_requests_that_are_reset_at_once() {
    rapid_reset("/hello").was_calmed();
}

#[test]
fn ten_thousand_requests_that_are_reset_at_once_and_notice() {
    rapid_reset("/watch/rapid").was_calmed();
}

#[test]
fn ten_thousand_requests_that_are_reset_at_once_and_do_not_notice() {
    rapid_reset("/deaf").was_calmed();
}

#[test]
fn ten_thousand_bodies_that_are_reset_at_once() {
    stands(|server| {
        let frames = |stream| {
            let data = Frame::data(stream, *b"some");
            vec![Request::post("/count").open(stream), data, Frame::reset(stream, Code::CANCEL)]
        };
        server.h2().flood(many(10_000, frames))
    })
    .was_calmed();
}

/// The client makes the server reset every one of its requests.
fn made_resets(wrong: impl Fn(u32) -> Vec<Frame>) -> Outcome {
    stands(|server| server.h2().flood(many(10_000, wrong)))
}

#[test]
fn resets_made_by_windows_of_zero() {
    made_resets(|stream| vec![Request::get("/deaf").whole(stream), Frame::window_update(stream, 0)])
        .was_cut_off();
}

#[test]
fn resets_made_by_windows_that_overflow() {
    made_resets(|stream| {
        vec![Request::get("/deaf").whole(stream), Frame::window_update(stream, 0x7fff_ffff)]
    })
    .was_cut_off();
}

#[test]
fn resets_made_by_data_on_half_closed_streams() {
    made_resets(|stream| vec![Request::get("/deaf").whole(stream), Frame::data(stream, *b"x")]).was_cut_off();
}

#[test]
fn resets_made_by_headers_on_half_closed_streams() {
    made_resets(|stream| vec![Request::get("/deaf").whole(stream), Request::get("/hello").whole(stream)])
        .was_cut_off();
}

#[test]
fn resets_made_by_wrong_priorities() {
    made_resets(|stream| {
        vec![Request::get("/deaf").whole(stream), Frame::new(kind::PRIORITY, 0, stream, [0; 4])]
    })
    .was_cut_off();
}

#[test]
fn resets_made_by_malformed_fields() {
    made_resets(|stream| vec![Request::get("/deaf").field("X-Upper", "\0").whole(stream)]).was_cut_off();
}

#[test]
fn resets_made_by_field_blocks_that_grow_when_they_are_replaced() {
    // `:method` without a value, into the table, again and again.
    let block = [Request::get("/deaf").block(), [0x43, 0x00].repeat(8000)].concat();
    let wrong = Frame::headers(1, block).without(flag::END_HEADERS);
    let more = Frame::continuation(1, [0x43, 0x00].repeat(8000));
    let frames = |stream| vec![Frame { stream, ..wrong.clone() }, Frame { stream, ..more.clone() }];
    stands(|server| server.h2().flood(many(2000, frames))).was_cut_off();
}

#[test]
fn pieces_of_one_octet_without_end() {
    stands(|server| {
        let first = Frame::headers(1, hpack::integer(0x00, 7, 0)).without(flag::END_HEADERS);
        let piece = Frame::continuation(1, [0x82]).without(flag::END_HEADERS);
        server.h2().flood([octets([first])].into_iter().chain(again(&piece, 500_000)))
    })
    .was_cut_off();
}

#[test]
fn resets_made_by_malformed_requests() {
    made_resets(|stream| vec![Request::get("/deaf").field("connection", "close").whole(stream)])
        .was_cut_off();
}

#[test]
fn resets_made_by_more_streams_than_are_allowed() {
    stands(|server| server.h2().flood(many(10_000, |stream| vec![Request::get("/deaf").whole(stream)])))
        .was_cut_off();
}

#[test]
fn a_field_block_without_end() {
    stands(|server| {
        let client = server.h2();
        let first = Frame::headers(1, Request::get("/hello").block()).without(flag::END_HEADERS);
        let more = hpack::literal(b"x-more", &[b'v'; 16_000]);
        let piece = Frame::continuation(1, more).without(flag::END_HEADERS);
        // 256 MiB of it.
        client.flood([octets([first])].into_iter().chain(repeat_n(octets([piece]), 16_384)))
    })
    .was_cut_off();
}

#[test]
fn a_field_block_without_end_in_one_field() {
    stands(|server| {
        let mut start = Request::get("/hello").block();
        // A name, and a value of 200 MiB.
        start.extend([vec![0x00], hpack::string(b"x-large"), hpack::integer(0x00, 7, 200 << 20)].concat());
        let first = Frame::headers(1, start).without(flag::END_HEADERS);
        let piece = Frame::continuation(1, [b'v'; 16_384]).without(flag::END_HEADERS);
        server.h2().flood([octets([first])].into_iter().chain(repeat_n(octets([piece]), 12_000)))
    })
    .was_cut_off();
}

#[test]
fn empty_continuations_without_end() {
    stands(|server| {
        let first = Frame::headers(1, []).without(flag::END_HEADERS);
        let piece = Frame::continuation(1, []).without(flag::END_HEADERS);
        server.h2().flood([octets([first])].into_iter().chain(again(&piece, 500_000)))
    })
    .was_cut_off();
}

#[test]
fn trailers_without_end() {
    stands(|server| {
        let client = open(server);
        let first = Frame::headers(1, hpack::literal(b"x", b"v")).without(flag::END_HEADERS).end();
        let piece =
            Frame::continuation(1, hpack::literal(b"x-more", &[b'v'; 16_000])).without(flag::END_HEADERS);
        client.flood([octets([first])].into_iter().chain(repeat_n(octets([piece]), 16_384)))
    })
    .was_cut_off();
}

#[test]
fn empty_data_without_end() {
    stands(|server| open(server).flood(again(&Frame::data(1, []), 500_000))).was_calmed();
}

#[test]
fn data_of_padding_alone_without_end() {
    // The window bounds it; the test does not wait for it to be refilled.
    let outcome = stands(|server| open(server).flood(again(&Frame::data(1, []).padded(255), 100_000)));
    assert!(outcome.goaway.is_some() || !outcome.is_done || !outcome.resets.is_empty(), "{outcome:?}");
}

#[test]
fn pings_without_end() {
    stands(|server| server.h2().flood(again(&Frame::ping(b"flooding"), 500_000))).was_cut_off();
}

#[test]
fn pings_without_end_whose_answers_are_not_read() {
    stands(|server| {
        let client = server.h2();
        let outcome = client.flood_unread(again(&Frame::ping(b"flooding"), 5_000_000));
        assert!(!outcome.is_done, "the server took it all: {outcome:?}");
        // Another client is answered while this one is still there.
        server.h2().lives();
    });
}

#[test]
fn settings_without_end() {
    stands(|server| {
        server.h2().flood(again(&Frame::settings(&[(setting::INITIAL_WINDOW_SIZE, 1000)]), 500_000))
    })
    .was_cut_off();
}

#[test]
fn settings_without_end_whose_answers_are_not_read() {
    stands(|server| {
        let client = server.h2();
        let outcome = client.flood_unread(again(&Frame::settings(&[]), 5_000_000));
        assert!(!outcome.is_done, "the server took it all: {outcome:?}");
        server.h2().lives();
    });
}

#[test]
fn settings_that_move_every_window_without_end() {
    stands(|server| {
        let mut client = server.h2_with(&[(setting::INITIAL_WINDOW_SIZE, 0)]);
        for number in 0..100 {
            client.get(1 + 2 * number, "/in-pieces");
        }
        let up = Frame::settings(&[(setting::INITIAL_WINDOW_SIZE, 1)]);
        let down = Frame::settings(&[(setting::INITIAL_WINDOW_SIZE, 0)]);
        let both = octets([up, down].into_iter().cycle().take(100));
        client.flood(repeat_n(both, 2_000))
    })
    .was_cut_off();
}

/// These cost the server only reading them: it may end or tolerate them.
fn harmless(frame: &Frame) {
    stands(|server| open(server).flood(again(frame, 500_000)));
}

#[test]
fn priorities_without_end() {
    harmless(&Frame::priority(1, 0));
    stands(|server| {
        let streams = (0..500_000_u32).map(|number| octets([Frame::priority(1 + 2 * number, 0)]));
        server.h2().flood(streams)
    });
}

#[test]
fn window_updates_without_end() {
    harmless(&Frame::window_update(0, 1));
    harmless(&Frame::window_update(1, 1));
}

#[test]
fn unknown_frames_without_end() {
    harmless(&Frame::new(kind::UNKNOWN, 0, 0, []));
    stands(|server| {
        // 64 MiB of them.
        server.h2().flood(repeat_n(octets([Frame::new(kind::UNKNOWN, 0, 1, vec![0; 16_384])]), 4_096))
    });
}

#[test]
fn priority_updates_without_end() {
    stands(|server| {
        let updates = (0..500_000_u32).map(|number| {
            let payload = [(1 + 2 * number).to_be_bytes().as_slice(), b"u=1"].concat();
            octets([Frame::new(kind::PRIORITY_UPDATE, 0, 0, payload)])
        });
        server.h2().flood(updates)
    });
}

/// A hundred responses of 10 MB that the client has no window for.
fn under_a_zero_window(path: &str) {
    stands(|server| {
        let mut client = server.h2_with(&[(setting::INITIAL_WINDOW_SIZE, 0)]);
        client.gives_back = false;
        let before = tasks(server, "started");
        client.send_all((0..100).map(|number| Request::get(path).whole(1 + 2 * number)));
        // All of them begin, and none goes on: the harness checks every DATA against the windows.
        eventually("all are called", || (tasks(server, "started") >= before + 100).then_some(()));
        client.listen(Duration::from_millis(500));
        client.answers_ping();
        server.h2().lives();
    });
}

#[test]
fn a_hundred_large_responses_under_a_zero_window() {
    under_a_zero_window("/in-pieces");
}

#[test]
fn a_hundred_large_responses_in_one_piece_under_a_zero_window() {
    under_a_zero_window("/in-one-piece");
}

#[test]
fn a_window_that_opens_octet_by_octet() {
    stands(|server| {
        let mut client = server.h2_with(&[(setting::INITIAL_WINDOW_SIZE, 0)]);
        client.get(1, "/in-one-piece");
        client.flood(again(&Frame::window_update(1, 1), 100_000))
    });
}

/// A field of 4000 octets in the table, then a block that names it again and again by one octet.
fn bombs(server: &Server, count: u32, references: usize) -> Outcome {
    let mut client = server.h2_with(&[(setting::INITIAL_WINDOW_SIZE, 0)]);
    let planted =
        [Request::get("/hello").block(), hpack::literal_with_indexing(b"x-bomb", &[b'v'; 4000])].concat();
    client.send(Frame::headers(1, planted).end());
    client.head(1);
    let bomb = [Request::get("/hello").block(), hpack::indexed(hpack::DYNAMIC).repeat(references)].concat();
    let requests =
        (1..=count).map(move |number| octets([Frame::headers(1 + 2 * number, bomb.clone()).end()]));
    client.flood(requests)
}

#[test]
fn fields_that_grow_a_thousandfold_under_a_zero_window() {
    // Each is 64 MB of fields in 16 KB.
    stands(|server| bombs(server, 200, 16_000));
}

#[test]
fn many_small_bombs_under_a_zero_window() {
    // Each is 40 KB of fields, which no limit forbids; all together are 400 MB in 1 MB.
    stands(|server| bombs(server, 10_000, 10));
}

#[test]
fn cookies_in_crumbs() {
    // Each crumb is one octet on the wire, and an entry and a separator of two octets in the header.
    stands(|server| {
        let mut client = server.h2();
        let planted = [Request::get("/hello").block(), hpack::literal_with_indexing(b"cookie", b"")].concat();
        client.send(Frame::headers(1, planted).end());
        client.response(1).expect(200);
        let crumbs = [Request::get("/hello").block(), hpack::indexed(hpack::DYNAMIC).repeat(16_000)].concat();
        let requests =
            (1..=1000).map(move |number| octets([Frame::headers(1 + 2 * number, crumbs.clone()).end()]));
        client.flood(requests)
    });
}
