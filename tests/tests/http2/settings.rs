//! RFC 9113 §6.5: valid and invalid settings.

use pounce_tests::h2::{Code, Event, Frame, Request, flag, kind, setting};
use pounce_tests::{Options, Server};
use std::sync::OnceLock;

fn server() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(|| Server::start(Options::app("raw:app")))
}

/// Settings that are a connection error.
fn refused(settings: &[(u16, u32)], code: Code) {
    server().h2().send(Frame::settings(settings)).connection_error(&[code]);
}

// §6.5
#[test]
fn settings_of_a_stream_are_a_connection_error() {
    let frame = Frame { stream: 1, ..Frame::settings(&[]) };
    server().h2().send(frame).connection_error(&[Code::PROTOCOL_ERROR]);
}

// §6.5
#[test]
fn settings_that_are_no_multiple_of_six_octets_are_a_connection_error() {
    for size in [1, 3, 5, 7, 13] {
        let frame = Frame::new(kind::SETTINGS, 0, 0, vec![0; size]);
        server().h2().send(frame).connection_error(&[Code::FRAME_SIZE_ERROR]);
    }
}

// §6.5
#[test]
fn an_acknowledgment_with_a_payload_is_a_connection_error() {
    let frame = Frame::settings(&[(setting::ENABLE_PUSH, 0)]).with(flag::ACK);
    server().h2().send(frame).connection_error(&[Code::FRAME_SIZE_ERROR]);
}

// §6.5.2
#[test]
fn enable_push_is_0_or_1() {
    refused(&[(setting::ENABLE_PUSH, 2)], Code::PROTOCOL_ERROR);
    refused(&[(setting::ENABLE_PUSH, u32::MAX)], Code::PROTOCOL_ERROR);
    for value in [0, 1] {
        server().h2_with(&[(setting::ENABLE_PUSH, value)]).lives();
    }
}

// §6.5.2
#[test]
fn an_initial_window_above_the_largest_is_a_flow_control_error() {
    refused(&[(setting::INITIAL_WINDOW_SIZE, 0x8000_0000)], Code::FLOW_CONTROL_ERROR);
    refused(&[(setting::INITIAL_WINDOW_SIZE, u32::MAX)], Code::FLOW_CONTROL_ERROR);
    server().h2_with(&[(setting::INITIAL_WINDOW_SIZE, 0x7fff_ffff)]).lives();
}

// §6.5.2
#[test]
fn a_largest_frame_out_of_range_is_a_connection_error() {
    for value in [0, 16_383, 16_777_216, u32::MAX] {
        refused(&[(setting::MAX_FRAME_SIZE, value)], Code::PROTOCOL_ERROR);
    }
    for value in [16_384, 16_777_215] {
        server().h2_with(&[(setting::MAX_FRAME_SIZE, value)]).lives();
    }
}

// §6.5.2
#[test]
fn an_invalid_setting_after_a_valid_one_is_found_too() {
    refused(&[(setting::HEADER_TABLE_SIZE, 4096), (setting::MAX_FRAME_SIZE, 1)], Code::PROTOCOL_ERROR);
}

// §6.5.2
#[test]
fn unknown_settings_are_ignored() {
    let mut client = server().h2_with(&[(0x99, 1), (0xffff, u32::MAX), (0, 0), (0x7, 5), (0x10, 3)]);
    client.lives();
}

// §6.5.2
#[test]
fn any_number_of_streams_and_any_table_size_is_taken() {
    for value in [0, 1, u32::MAX] {
        server().h2_with(&[(setting::MAX_CONCURRENT_STREAMS, value)]).lives();
    }
    for value in [0, 1, 1 << 20] {
        server().h2_with(&[(setting::HEADER_TABLE_SIZE, value)]).lives();
    }
    server().h2_with(&[(setting::MAX_HEADER_LIST_SIZE, 100_000)]).lives();
}

// §6.5.2
#[test]
fn the_settings_of_the_server_are_in_range() {
    // The harness checks each against its range.
    let client = server().h2();
    assert_eq!(client.server_setting(setting::ENABLE_PUSH, 0), 0);
    let most = client.server_setting(setting::MAX_CONCURRENT_STREAMS, u32::MAX);
    // §6.5.2 advises against less than 100; without a limit nothing bounds the tasks of a client.
    assert!((100..=10_000).contains(&most), "{most} streams");
}

// §6.5.3
#[test]
fn every_settings_frame_is_acknowledged() {
    let mut client = server().h2();
    client.send_all([Frame::settings(&[]), Frame::settings(&[(0x99, 1)]), Frame::settings(&[])]);
    for _ in 0..3 {
        client.wait_for("an acknowledgment", |event| *event == Event::SettingsAck);
    }
    client.lives();
    assert!(client.waiting().all(|event| *event != Event::SettingsAck), "one acknowledgment too many");
}

// §6.5.3
#[test]
fn settings_are_acknowledged_while_a_request_waits() {
    let mut client = server().h2();
    client.post(1, "/echo").announce(&[(setting::INITIAL_WINDOW_SIZE, 100)]);
    client.send(Frame::data(1, *b"content").end());
    assert_eq!(client.response(1).expect(200).text(), "content");
}

// §6.5.3
#[test]
fn of_two_values_the_last_one_counts() {
    let mut client =
        server().h2_with(&[(setting::INITIAL_WINDOW_SIZE, 1_000_000), (setting::INITIAL_WINDOW_SIZE, 3)]);
    client.gives_back = false;
    client.get(1, "/hello");
    // Never more than the last value allows; the harness checks every DATA.
    client.head(1);
    client.listen(std::time::Duration::from_millis(200));
    client.send(Frame::window_update(1, 100));
    let mut body = Vec::new();
    while body.len() < 5 {
        let event = client.wait_for("DATA", |event| matches!(event, Event::Data { .. }));
        let Event::Data { content, .. } = event else { unreachable!("it was waited for") };
        body.extend(content);
    }
    assert_eq!(body, b"hello");
}

// §6.5.3
#[test]
fn an_unexpected_acknowledgment_is_harmless() {
    let mut client = server().h2();
    client.send(Frame::settings_ack());
    let event = client.wait_for_error_or_answer(0);
    assert!(
        matches!(event, Event::PingAck(_) | Event::GoAway { code: Code::PROTOCOL_ERROR, .. }),
        "{event:?}"
    );
}

// §6.5
#[test]
fn settings_may_come_at_any_time() {
    let mut client = server().h2();
    for stream in [1, 3, 5] {
        client.announce(&[(setting::HEADER_TABLE_SIZE, 100 * stream), (setting::MAX_FRAME_SIZE, 20_000)]);
        client.ask(stream, &Request::get("/hello")).expect(200);
    }
}
