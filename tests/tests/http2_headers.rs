//! Malformed requests of HTTP/2 (RFC 9113 section 8.1.1): they are refused, the application never hears of them, and
//! others are served.

use pounce_tests::notes::token;
use pounce_tests::transport::{Frames, Outcome, PROTOCOL_ERROR};
use pounce_tests::{Options, Server};
use std::sync::OnceLock;

fn server() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(|| Server::start(Options::app("transport:app")))
}

type Fields<'a> = Vec<(&'a str, &'a str)>;

/// A good request for a path.
fn good(path: &str) -> Fields<'_> {
    vec![(":method", "GET"), (":scheme", "http"), (":path", path), (":authority", "test")]
}

/// Sends what `spoil` makes of a good request; shows that it is refused as malformed, that the application never ran,
/// and that the next request is answered.
fn is_malformed(what: &str, spoil: impl for<'a> Fn(&mut Fields<'a>)) -> Outcome {
    let (worker, token) = (server().worker(), token());
    let path = format!("/note/{token}/ran");
    let mut fields = good(&path);
    spoil(&mut fields);
    let mut frames = Frames::connect(server());
    let bad = frames.request(&fields, false);
    let outcome = frames.outcome(bad);
    // An error of a stream may be treated as one of its connection (section 5.4.1).
    assert!(
        matches!(outcome, Outcome::Reset(PROTOCOL_ERROR) | Outcome::GoAway(PROTOCOL_ERROR)),
        "{what}: {outcome:?}"
    );
    assert_eq!(server().notes(&token), [""; 0], "{what} reached the application");
    let mut frames = if matches!(outcome, Outcome::GoAway(_)) { Frames::connect(server()) } else { frames };
    let next = frames.request(&good("/hello"), false);
    assert_eq!(frames.outcome(next), Outcome::Answered, "behind {what}");
    assert_eq!(server().worker(), worker, "another process");
    outcome
}

#[test]
fn a_malformed_request_leaves_the_others_on_its_connection_alone() {
    for (name, value) in [
        ("connection", "close"),
        ("te", "gzip"),
        ("X-A", "v"),
        ("x-a", "a\nb"),
        ("x-a", "a\0b"),
        (":version", "2"),
    ] {
        let outcome = is_malformed(name, |fields| fields.insert(4, (name, value)));
        assert_eq!(outcome, Outcome::Reset(PROTOCOL_ERROR), "{name}: {value:?}");
    }
}

fn without(fields: &mut Fields<'_>, name: &str) {
    fields.retain(|(other, _)| *other != name);
}

#[test]
fn a_good_request_is_answered() {
    let mut frames = Frames::connect(server());
    for number in 0..3 {
        let mut fields = good("/hello");
        fields.push(("x-long", "0123456789"));
        let stream = frames.request(&fields, false);
        assert_eq!(frames.outcome(stream), Outcome::Answered, "{number}");
    }
}

#[test]
fn control_characters_in_a_value_are_malformed() {
    for value in ["a\rb", "a\nb", "a\r\nset-cookie: a=b", "a\0b", "\r", "\n", "\0"] {
        is_malformed(&format!("{value:?}"), |fields| fields.push(("x-a", value)));
    }
}

#[test]
fn a_name_that_is_no_token_in_lower_case_is_malformed() {
    for name in ["X-A", "x-A", "x a", "x\ra", "x\na", "x\0a", "", "x:a", "x-\u{e9}"] {
        is_malformed(&format!("{name:?}"), |fields| fields.push((name, "v")));
    }
}

#[test]
fn fields_of_a_connection_are_malformed() {
    for (name, value) in [
        ("connection", "close"),
        ("connection", "keep-alive"),
        ("keep-alive", "timeout=5"),
        ("proxy-connection", "close"),
        ("transfer-encoding", "chunked"),
        ("upgrade", "websocket"),
        ("te", "gzip"),
        ("te", "trailers, deflate"),
    ] {
        is_malformed(&format!("{name}: {value}"), |fields| fields.push((name, value)));
    }
    let mut fields = good("/hello");
    fields.push(("te", "trailers"));
    let mut frames = Frames::connect(server());
    let stream = frames.request(&fields, false);
    assert_eq!(frames.outcome(stream), Outcome::Answered);
}

#[test]
fn pseudo_fields_that_are_missing_doubled_unknown_or_late_are_malformed() {
    for name in [":method", ":scheme", ":path"] {
        is_malformed(&format!("no {name}"), |fields| without(fields, name));
    }
    for name in [":method", ":scheme", ":path", ":authority"] {
        is_malformed(&format!("two {name}"), |fields| {
            let again = fields.iter().find(|(other, _)| *other == name).copied();
            fields.extend(again);
        });
    }
    is_malformed("an unknown one", |fields| fields.insert(0, (":version", "2")));
    is_malformed("one of a response", |fields| fields.insert(0, (":status", "200")));
    is_malformed("one behind a field", |fields| {
        fields.insert(0, ("x-a", "v"));
    });
}

#[test]
fn a_path_that_is_none_is_malformed() {
    for path in ["", "hello", "http://test/hello", "/a b", "/a\r\nb", "/a\0b", "/a#b"] {
        let mut frames = Frames::connect(server());
        let mut fields = good("/hello");
        fields[2].1 = path;
        let stream = frames.request(&fields, false);
        let outcome = frames.outcome(stream);
        // Where it is parsed at all it may be a 400.
        let answered = matches!(path, "hello" | "http://test/hello" | "/a b" | "/a#b");
        assert!(outcome == Outcome::Reset(PROTOCOL_ERROR) || answered, "{path:?}: {outcome:?}");
    }
}

#[test]
fn a_host_that_contradicts_the_authority_is_malformed() {
    is_malformed("another host", |fields| fields.push(("host", "other")));
    is_malformed("two hosts", |fields| fields.extend([("host", "test"), ("host", "test")]));
    for authority in ["user@test", "te st", "test/path", "test,other"] {
        is_malformed(&format!("authority {authority:?}"), |fields| fields[3].1 = authority);
    }
    for fields in [
        [good("/hello"), vec![("host", "test")]].concat(),
        [good("/hello")[..3].to_vec(), vec![("host", "test")]].concat(),
    ] {
        let mut frames = Frames::connect(server());
        let stream = frames.request(&fields, false);
        assert_eq!(frames.outcome(stream), Outcome::Answered, "{fields:?}");
    }
}

#[test]
fn a_length_that_is_none_is_malformed() {
    for length in ["+5", "-5", "0x5", "five", "5, 5", "", "99999999999999999999999"] {
        is_malformed(&format!("content-length {length:?}"), |fields| fields.push(("content-length", length)));
    }
    is_malformed("two lengths", |fields| fields.extend([("content-length", "5"), ("content-length", "5")]));
    is_malformed("a length without a body", |fields| fields.push(("content-length", "5")));
}

#[test]
fn a_body_that_is_not_as_long_as_was_said_is_malformed() {
    for (length, body) in [("5", "four"), ("3", "four"), ("0", "four")] {
        let mut frames = Frames::connect(server());
        let mut fields = good("/echo");
        fields[0].1 = "POST";
        fields.push(("content-length", length));
        let stream = frames.request(&fields, true);
        frames.data(stream, body.as_bytes(), true);
        assert_eq!(frames.outcome(stream), Outcome::Reset(PROTOCOL_ERROR), "{length} and {body:?}");
        let next = frames.request(&good("/hello"), false);
        assert_eq!(frames.outcome(next), Outcome::Answered);
    }
}

#[test]
fn trailers_behind_a_body_are_taken() {
    let mut fields = good("/echo");
    fields[0].1 = "POST";
    let mut frames = Frames::connect(server());
    let stream = frames.request(&fields, true);
    frames.data(stream, b"body", false);
    frames.trailers(stream, &[("x-trailer", "v")]);
    assert_eq!(frames.outcome(stream), Outcome::Answered);
}

#[test]
fn trailers_with_pseudo_fields_are_malformed() {
    let mut frames = Frames::connect(server());
    let mut fields = good("/echo");
    fields[0].1 = "POST";
    let stream = frames.request(&fields, true);
    frames.trailers(stream, &[(":path", "/other")]);
    assert_eq!(frames.outcome(stream), Outcome::Reset(PROTOCOL_ERROR));
}
