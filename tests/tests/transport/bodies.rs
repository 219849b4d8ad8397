//! Bodies in both directions, over every transport: byte for byte, and piece by piece as they come.

use pounce_tests::notes::token;
use pounce_tests::transport::Servers;
use pounce_tests::{Ask, End, Options, Server, Transport, over_every_transport};
use std::time::Duration;

const MIB: usize = 1 << 20;

static SERVERS: Servers = Servers::new(|| Options::app("transport:app"));

over_every_transport! {
    an_empty_body_is_one_empty_message,
    a_body_with_a_length_and_one_without_are_both_echoed,
    a_body_in_many_pieces_is_put_together,
    pieces_reach_the_application_as_they_come,
    five_mebibytes_go_up_down_and_back,
    a_stream_is_echoed_while_it_is_sent,
    a_response_without_a_length_arrives_in_full,
    a_response_arrives_piece_by_piece_before_the_application_ends,
    empty_pieces_do_not_end_a_response,
    a_response_to_head_has_headers_and_no_body,
    responses_without_content_have_no_body,
    a_transfer_coding_named_by_the_application_is_applied_by_the_server,
    an_answer_before_the_body_was_read_arrives,
    an_application_that_leaves_the_body_alone_leaves_the_connection_usable,
    many_requests_share_a_connection,
}

fn server(transport: Transport) -> &'static Server {
    SERVERS.over(transport)
}

/// Bytes without a period that is a power of two: a piece lost or doubled shows.
fn pattern(size: usize) -> Vec<u8> {
    (0..size).map(|at| u8::try_from(at % 251).expect("less than 251")).collect()
}

fn an_empty_body_is_one_empty_message(transport: Transport) {
    for ask in [Ask::get("/count"), Ask::post("/count").length(0), Ask::post("/count").streamed()] {
        let answer = transport.ask(server(transport), &ask).stream([""; 0]).expect(200);
        assert_eq!(answer.text(), "0");
    }
}

fn a_body_with_a_length_and_one_without_are_both_echoed(transport: Transport) {
    for size in [1, 100, 16_384, 16_385, 100_000] {
        let body = pattern(size);
        let answer = transport.post(server(transport), "/echo", &body).expect(200);
        assert!(answer.body == body, "{size} with a length");
        let ask = Ask::post("/echo").streamed();
        let answer = transport.ask(server(transport), &ask).stream([body.clone()]).expect(200);
        assert!(answer.body == body, "{size} without");
        assert_eq!(answer.header("content-length"), Some(&*size.to_string()));
    }
}

fn a_body_in_many_pieces_is_put_together(transport: Transport) {
    let body = pattern(40_000);
    let pieces: Vec<_> = body.chunks(97).map(<[u8]>::to_vec).collect();
    for ask in [Ask::post("/echo").streamed(), Ask::post("/echo").length(body.len())] {
        let answer = transport.ask(server(transport), &ask).stream(pieces.clone()).expect(200);
        assert!(answer.body == body, "{ask:?}");
    }
}

fn pieces_reach_the_application_as_they_come(transport: Transport) {
    let token = token();
    let ask = Ask::post(&format!("/take-step-by-step/{token}")).streamed();
    let mut exchange = transport.ask(server(transport), &ask);
    for (number, piece) in ["first", "second", "third"].iter().enumerate() {
        exchange.send(piece);
        let total = [5, 11, 16][number];
        server(transport).wait_note(&token, &format!("{total} True"));
        std::thread::sleep(Duration::from_millis(10));
    }
    exchange.finish();
    assert_eq!(exchange.answer().expect(200).text(), "16");
    server(transport).wait_note(&token, "16 False");
}

fn five_mebibytes_go_up_down_and_back(transport: Transport) {
    let body = pattern(5 * MIB);
    let answer = transport.post(server(transport), "/count", &body).expect(200);
    assert_eq!(answer.text(), body.len().to_string());
    let answer = transport.get(server(transport), &format!("/big/{}", 5 * MIB)).expect(200);
    assert!(answer.body.len() == 5 * MIB && answer.body.iter().all(|byte| *byte == b'x'));
    let answer = transport.post(server(transport), "/echo", &body).expect(200);
    assert!(answer.body == body, "not what was sent, {} bytes", answer.body.len());
}

fn a_stream_is_echoed_while_it_is_sent(transport: Transport) {
    let body = pattern(5 * MIB);
    let pieces: Vec<_> = body.chunks(30_011).map(<[u8]>::to_vec).collect();
    let ask = Ask::post("/echo-stream").streamed();
    let answer = transport.ask(server(transport), &ask).stream(pieces).expect(200);
    assert!(answer.body == body, "not what was sent, {} bytes", answer.body.len());
    assert_eq!(answer.header("content-length"), None);
}

fn a_response_without_a_length_arrives_in_full(transport: Transport) {
    for (chunks, size) in [(1, 1), (7, 1000), (200, 10_000)] {
        let answer = transport.get(server(transport), &format!("/stream/{chunks}/{size}")).expect(200);
        assert_eq!(answer.body.len(), chunks * size);
        assert_eq!(answer.header("content-length"), None);
    }
}

fn a_response_arrives_piece_by_piece_before_the_application_ends(transport: Transport) {
    let token = token();
    let server = server(transport);
    let mut exchange = transport.ask(server, &Ask::get(&format!("/step-by-step/{token}")));
    assert_eq!(exchange.head().status, 200);
    for number in 0..3 {
        exchange.expect_piece(&format!("piece {number};"));
        assert!(server.notes(&token).is_empty(), "the application has ended");
        server.get(&format!("/open/{token}-{number}")).expect(200);
    }
    let rest = exchange.answer();
    assert_eq!((rest.text(), rest.end), (String::new(), End::Complete));
    server.wait_note(&token, "ended");
}

fn empty_pieces_do_not_end_a_response(transport: Transport) {
    assert_eq!(transport.get(server(transport), "/empty-parts").expect(200).text(), "onetwo");
    let answer = transport.get(server(transport), "/two-parts").expect(200);
    assert_eq!((answer.text().as_str(), answer.header("content-length")), ("first-last", Some("10")));
}

fn a_response_to_head_has_headers_and_no_body(transport: Transport) {
    for (path, length) in [("/hello", Some("5")), ("/stream/3/1000", None), ("/two-parts", Some("10"))] {
        let exchange = transport.ask(server(transport), &Ask::new("HEAD", path));
        let answer = exchange.answer().expect(200);
        assert_eq!((answer.text().as_str(), answer.header("content-length")), ("", length), "{path}");
    }
    let mut exchange = transport.ask(server(transport), &Ask::new("HEAD", "/big/1000000"));
    assert_eq!(exchange.piece(), None);
    assert_eq!(exchange.again(&Ask::get("/hello")).answer().expect(200).text(), "hello");
}

fn responses_without_content_have_no_body(transport: Transport) {
    for status in [204, 304] {
        for path in ["/status", "/bare-status"] {
            let mut exchange = transport.ask(server(transport), &Ask::get(&format!("{path}/{status}")));
            assert_eq!(exchange.head().status, status);
            assert_eq!(exchange.piece(), None, "{path}/{status}");
            assert_eq!(exchange.again(&Ask::get("/hello")).answer().expect(200).text(), "hello");
        }
    }
    let answer = transport.get(server(transport), "/bare-status/204").expect(204);
    assert_eq!(answer.header("content-length"), None, "RFC 9110 section 8.6");
}

fn a_transfer_coding_named_by_the_application_is_applied_by_the_server(transport: Transport) {
    let answer = transport.get(server(transport), "/own-chunked").expect(200);
    assert_eq!(answer.text(), "coded by the server");
}

fn an_answer_before_the_body_was_read_arrives(transport: Transport) {
    let mut exchange = transport.ask(server(transport), &Ask::post("/early-answer").length(MIB));
    // The body is not sent: it might arrive after the answer has ended the exchange.
    exchange.expect_piece("early");
    assert_eq!(exchange.piece(), None);
    server(transport).get("/hello").expect(200);
}

fn an_application_that_leaves_the_body_alone_leaves_the_connection_usable(transport: Transport) {
    let body = pattern(10_000);
    let mut exchange = transport.ask(server(transport), &Ask::post("/ignore-body").length(body.len()));
    exchange.send(&body).finish();
    exchange.expect_piece("not read");
    assert_eq!(exchange.piece(), None);
    assert_eq!(exchange.again(&Ask::get("/hello")).answer().expect(200).text(), "hello");
}

fn many_requests_share_a_connection(transport: Transport) {
    let mut exchange = transport.ask(server(transport), &Ask::get("/hello"));
    for number in 1..50 {
        let wanted = if number == 1 { "hello".to_owned() } else { format!("slept 0.00{number:02}") };
        exchange.expect_piece(&wanted);
        assert_eq!(exchange.piece(), None);
        exchange = exchange.again(&Ask::get(&format!("/sleep/0.00{:02}", number + 1)));
    }
    exchange.answer().expect(200);
}
