//! RFC 9113 §4.3 and RFC 7541: field blocks that decode, and blocks that do not.

use pounce_tests::h2::hpack::{
    DYNAMIC, huffman, indexed, literal, literal_never_indexed, literal_with_indexing, string, table_size,
};
use pounce_tests::h2::{Code, Frame, Request, setting};
use pounce_tests::{Options, Response, Server};
use std::sync::OnceLock;

fn server() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(|| Server::start(Options::app("raw:app")))
}

/// The value of a header as the application saw it.
fn seen(response: &Response, name: &str) -> Option<String> {
    let headers = response.json()["scope"]["headers"].clone();
    let pairs = headers.as_array().expect("a list").iter();
    let value = pairs.filter(|pair| pair[0] == name).map(|pair| pair[1].as_str().map(str::to_owned)).next();
    value.flatten()
}

fn scope() -> Vec<u8> {
    Request::get("/scope").block()
}

/// A field block with `wrong` after a valid request is a connection error COMPRESSION_ERROR.
fn does_not_decode(wrong: &[u8]) {
    let mut client = server().h2();
    let block = [&Request::get("/hello").block(), wrong].concat();
    client.send(Frame::headers(1, block).end());
    client.connection_error(&[Code::COMPRESSION_ERROR]);
}

// §4.3
#[test]
fn every_representation_of_a_field_is_understood() {
    let mut client = server().h2();
    let mut block = [indexed(2), indexed(6)].concat(); // :method GET, :scheme http
    // :authority and :path by the index of their names.
    block.extend([&[0x41], string(b"test").as_slice()].concat());
    block.extend([&[0x04], string(b"/scope").as_slice()].concat());
    block.extend(literal(b"x-plain", b"1"));
    block.extend(literal_never_indexed(b"x-never", b"2"));
    block.extend(literal_with_indexing(b"x-table", b"3"));
    // RFC 7541 C.6.1: "private"
    block.extend(
        [&[0x00], string(b"x-huffman").as_slice(), &huffman(&[0xae, 0xc3, 0x77, 0x1a, 0x4b])].concat(),
    );
    client.send(Frame::headers(1, block).end());
    let response = client.response(1).expect(200);
    for (name, value) in [("x-plain", "1"), ("x-never", "2"), ("x-table", "3"), ("x-huffman", "private")] {
        assert_eq!(seen(&response, name).as_deref(), Some(value), "{name}");
    }
}

// §4.3
#[test]
fn the_dynamic_table_outlives_a_request() {
    let mut client = server().h2();
    client.send(Frame::headers(1, [scope(), literal_with_indexing(b"x-kept", b"value")].concat()).end());
    client.response(1).expect(200);
    client.send(Frame::headers(3, [scope(), indexed(DYNAMIC)].concat()).end());
    assert_eq!(seen(&client.response(3).expect(200), "x-kept").as_deref(), Some("value"));
}

// §4.3
#[test]
fn the_fields_of_a_refused_request_go_into_the_table_too() {
    let mut client = server().h2();
    let refused =
        [scope(), literal(b"connection", b"close"), literal_with_indexing(b"x-kept", b"value")].concat();
    client.send_all([
        Frame::headers(1, refused).end(),
        Frame::headers(3, [scope(), indexed(DYNAMIC)].concat()).end(),
    ]);
    assert_eq!(seen(&client.response(3).expect(200), "x-kept").as_deref(), Some("value"));
}

// §4.3
#[test]
fn the_fields_of_trailers_go_into_the_table_too() {
    let mut client = server().h2();
    client.post(1, "/count").send(Frame::headers(1, literal_with_indexing(b"x-kept", b"value")).end());
    client.response(1).expect(200);
    client.send(Frame::headers(3, [scope(), indexed(DYNAMIC)].concat()).end());
    assert_eq!(seen(&client.response(3).expect(200), "x-kept").as_deref(), Some("value"));
}

// §4.3.1
#[test]
fn the_table_may_change_its_size_at_the_beginning_of_a_block() {
    let mut client = server().h2();
    client.send(Frame::headers(1, [scope(), literal_with_indexing(b"x-gone", b"value")].concat()).end());
    client.response(1).expect(200);
    // Twice, as an encoder does that has reduced it in between: the table is then empty.
    let again = [table_size(0), table_size(4096), scope(), literal_with_indexing(b"x-kept", b"v")].concat();
    client.send(Frame::headers(3, again).end());
    client.response(3).expect(200);
    client.send(Frame::headers(5, [scope(), indexed(DYNAMIC + 1)].concat()).end());
    client.connection_error(&[Code::COMPRESSION_ERROR]);
}

// §4.3.1
#[test]
fn a_table_larger_than_the_server_announced_does_not_decode() {
    let mut client = server().h2();
    let largest = client.server_setting(setting::HEADER_TABLE_SIZE, 4096) as usize;
    client.send(Frame::headers(1, [table_size(largest + 1), scope()].concat()).end());
    client.connection_error(&[Code::COMPRESSION_ERROR]);
}

// §4.3.1
#[test]
fn a_new_table_size_after_a_field_does_not_decode() {
    does_not_decode(&table_size(0));
}

// §4.3.1
#[test]
fn the_server_does_without_a_table_that_the_client_does_not_have() {
    // Responses are decoded with a table that allows nothing.
    let mut client = server().h2_with(&[(setting::HEADER_TABLE_SIZE, 0)]);
    for stream in [1, 3, 5] {
        client.ask(stream, &Request::get("/hello")).expect(200);
    }
}

// §4.3.1
#[test]
fn the_server_empties_its_table_when_the_client_takes_it_away() {
    let mut client = server().h2();
    client.ask(1, &Request::get("/hello")).expect(200);
    client.announce(&[(setting::HEADER_TABLE_SIZE, 0)]);
    client.ask(3, &Request::get("/hello")).expect(200);
    client.announce(&[(setting::HEADER_TABLE_SIZE, 4096)]);
    client.ask(5, &Request::get("/hello")).expect(200);
    client.ask(7, &Request::get("/hello")).expect(200);
}

// §4.3
#[test]
fn an_index_of_zero_does_not_decode() {
    does_not_decode(&[0x80]);
}

// §4.3
#[test]
fn an_index_beyond_the_tables_does_not_decode() {
    does_not_decode(&indexed(DYNAMIC));
    does_not_decode(&indexed(70_000));
    // As the index of a name.
    does_not_decode(&[[0x7f, 0x7f].as_slice(), &string(b"value")].concat());
}

// §4.3
#[test]
fn a_string_longer_than_its_block_does_not_decode() {
    does_not_decode(&[0x00, 0x05, b'x']);
    does_not_decode(&[0x00, 0x01, b'x', 0x7f, 0xff, 0xff, 0x03]);
    does_not_decode(&[0x00]);
}

// §4.3
#[test]
fn an_integer_without_end_does_not_decode() {
    does_not_decode(&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x0f]);
    does_not_decode(&[[0xff].as_slice(), &[0x80; 64], &[0x00]].concat());
    does_not_decode(&[0xff, 0x80]);
}

// §4.3
#[test]
fn huffman_coding_with_wrong_padding_does_not_decode() {
    let name = [&[0x00], string(b"x-huffman").as_slice()].concat();
    // "0" is 00000: its padding must be ones, and no more of them than complete the octet.
    does_not_decode(&[name.clone(), huffman(&[0b0000_0000])].concat());
    does_not_decode(&[name.clone(), huffman(&[0b0000_0111, 0xff])].concat());
    // The end-of-string code must not be encoded: thirty ones.
    does_not_decode(&[name, huffman(&[0xff, 0xff, 0xff, 0xfc])].concat());
}

// §4.3
#[test]
fn trailers_that_do_not_decode_are_a_connection_error() {
    let mut client = server().h2();
    client.post(1, "/count").send(Frame::headers(1, [0x80]).end());
    client.connection_error(&[Code::COMPRESSION_ERROR]);
}
