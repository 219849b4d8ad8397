//! Faults of an application, over every transport: the client can tell, and nothing else is affected.

use pounce_tests::notes::token;
use pounce_tests::transport::Servers;
use pounce_tests::{Answer, Ask, End, Options, Server, Transport, over_every_transport};

static SERVERS: Servers = Servers::new(|| Options::app("transport:app"));

over_every_transport! {
    an_application_that_raises_before_its_response_is_a_500,
    an_application_that_returns_without_a_response_is_a_500,
    an_application_that_raises_in_the_middle_cuts_the_response_off,
    an_application_that_returns_in_the_middle_cuts_the_response_off,
    data_sent_before_a_response_is_cut_off_arrives,
    an_application_that_raises_after_its_response_does_no_harm,
    every_kind_of_exception_is_a_500,
    more_than_the_content_length_raises_and_is_not_sent,
    less_than_the_content_length_cuts_the_response_off,
    a_message_after_the_end_raises,
    a_message_that_would_split_a_response_raises_and_is_not_sent,
    a_bad_message_in_the_middle_raises_and_the_response_goes_on,
    a_reflected_line_break_is_a_500_and_not_a_header,
    headers_of_the_application_arrive_as_given,
    white_space_around_a_header_value_is_not_sent,
}

fn server(transport: Transport) -> &'static Server {
    SERVERS.over(transport)
}

/// Sends the request, and shows that the worker survives it.
fn ask(transport: Transport, path: &str) -> Answer {
    let worker = server(transport).worker();
    let answer = transport.get(server(transport), path);
    assert_eq!(server(transport).worker(), worker, "another process");
    answer
}

/// The client's view of a response that the application broke off.
fn is_cut_off(transport: Transport, answer: Answer) -> Answer {
    let end = if transport.is_http2() { End::Reset("INTERNAL_ERROR") } else { End::Closed };
    assert_eq!(answer.end, end, "{answer:?}");
    answer
}

fn an_application_that_raises_before_its_response_is_a_500(transport: Transport) {
    let token = token();
    let answer = ask(transport, &format!("/raise-before/{token}")).expect(500);
    assert!(answer.header("content-type").is_some_and(|kind| kind.starts_with("text/plain")), "{answer:?}");
    assert!(!answer.text().contains(&token), "the traceback is for the log: {}", answer.text());
    let server = server(transport);
    server.wait_stderr(&format!("RuntimeError: {token} before the response"));
    assert_eq!(server.stderr().matches(&format!("RuntimeError: {token}")).count(), 1, "logged once");
    // A start alone is held back for the body, so nothing has been sent.
    ask(transport, &format!("/raise-after-start/{token}")).expect(500);
}

fn an_application_that_returns_without_a_response_is_a_500(transport: Transport) {
    ask(transport, "/return-before").expect(500);
    let answer = ask(transport, "/return-after-start");
    assert!(answer.status() == Some(500) || answer.end != End::Complete, "{answer:?}");
}

fn an_application_that_raises_in_the_middle_cuts_the_response_off(transport: Transport) {
    is_cut_off(transport, ask(transport, "/raise-middle/boom"));
    is_cut_off(transport, ask(transport, "/raise-middle/boom/1000"));
}

fn an_application_that_returns_in_the_middle_cuts_the_response_off(transport: Transport) {
    is_cut_off(transport, ask(transport, "/return-middle"));
}

fn data_sent_before_a_response_is_cut_off_arrives(transport: Transport) {
    for path in ["/raise-middle/boom", "/raise-middle/boom/1000", "/return-middle"] {
        let answer = is_cut_off(transport, ask(transport, path));
        assert_eq!((answer.status(), answer.text().as_str()), (Some(200), "part"), "{path}");
    }
}

fn an_application_that_raises_after_its_response_does_no_harm(transport: Transport) {
    let token = token();
    assert_eq!(ask(transport, &format!("/raise-after/{token}")).expect(200).text(), "whole");
    server(transport).wait_stderr(&format!("RuntimeError: {token} after the response"));
}

fn every_kind_of_exception_is_a_500(transport: Transport) {
    for kind in [
        "recursion",
        "group",
        "base",
        "cancelled",
        "generator-exit",
        "memory",
        "stop",
        "unprintable",
        "os-error",
    ] {
        ask(transport, &format!("/raises/{kind}")).expect(500);
    }
}

fn more_than_the_content_length_raises_and_is_not_sent(transport: Transport) {
    for path in ["/too-long", "/too-long-by-parts"] {
        let token = token();
        let answer = ask(transport, &format!("{path}/{token}"));
        assert!(answer.status() == Some(500) || answer.body.len() <= 5, "{answer:?}");
        let note = server(transport).wait_note(&token, "");
        assert!(note.to_lowercase().contains("content-length"), "{note}");
    }
}

fn less_than_the_content_length_cuts_the_response_off(transport: Transport) {
    for path in ["/too-short", "/too-short-in-parts"] {
        let answer = ask(transport, path);
        // If it is held back until the end, it may be a 500 as well.
        assert!(answer.status() == Some(500) || answer.end != End::Complete, "{answer:?}");
    }
}

fn a_message_after_the_end_raises(transport: Transport) {
    for what in ["body", "start"] {
        let token = token();
        assert_eq!(ask(transport, &format!("/after-end/{token}/{what}")).expect(200).text(), "whole");
        let note = server(transport).wait_note(&token, "");
        assert_ne!(note, "no exception", "{what}");
        assert!(note.contains("http.response."), "{note}");
    }
    let token = token();
    assert_eq!(ask(transport, &format!("/after-end-from-task/{token}")).expect(200).text(), "whole");
    assert_ne!(server(transport).wait_note(&token, ""), "no exception");
}

fn a_message_that_would_split_a_response_raises_and_is_not_sent(transport: Transport) {
    for case in [
        "header-name-cr",
        "header-name-lf",
        "header-name-crlf",
        "header-name-nul",
        "header-name-space",
        "header-name-colon",
        "header-name-empty",
        "header-name-high",
        "header-value-cr",
        "header-value-lf",
        "header-value-crlf",
        "header-value-end",
        "header-value-nul",
        "status-0",
        "status-99",
        "status-1000",
        "status-negative",
        "status-huge",
        "status-x",
        "status-missing",
        "headers-int",
        "headers-str-pair",
        "length-not-number",
        "length-negative",
        "length-twice",
        "not-a-dict",
        "unknown-type",
        "body-before-start",
        "trailers-before-start",
        "type-of-websocket",
    ] {
        let answer = transport.get(server(transport), &format!("/bad/{case}")).expect(200);
        assert_ne!(answer.text(), "no exception", "{case}");
        let head = answer.head.as_ref().expect("there is a status");
        let odd = head.headers.iter().find(|(name, _)| name.starts_with("x-") || name == "set-cookie");
        assert_eq!(odd, None, "{case}");
    }
    for which in ["lf", "crlf", "nul", "str", "int"] {
        let answer = transport.get(server(transport), &format!("/bad-early-hint/{which}")).expect(200);
        assert_ne!(answer.text(), "no exception", "early hint {which}");
        assert_eq!(answer.interim, [], "early hint {which}");
    }
}

fn a_bad_message_in_the_middle_raises_and_the_response_goes_on(transport: Transport) {
    for case in
        ["second-start", "body-str", "body-int", "body-list", "trailers-not-announced", "unknown-type"]
    {
        let answer = transport.get(server(transport), &format!("/bad-later/{case}")).expect(200);
        let text = answer.text();
        assert!(text.starts_with("first|") && !text.ends_with("no exception"), "{case}: {text}");
    }
}

fn a_reflected_line_break_is_a_500_and_not_a_header(transport: Transport) {
    for value in ["a%0d%0aSet-Cookie:%20a=b", "a%0aSet-Cookie:%20a=b", "a%0d%0a%0d%0a%3chtml%3e", "a%00b"] {
        let answer =
            transport.get(server(transport), &format!("/header/x-reflected?value={value}")).expect(500);
        assert_eq!((answer.header("x-reflected"), answer.header("set-cookie")), (None, None));
    }
    let answer = transport.get(server(transport), "/header/x-reflected?value=caf%E9").expect(200);
    assert_eq!(answer.header("x-reflected"), Some("caf\u{e9}"));
}

fn headers_of_the_application_arrive_as_given(transport: Transport) {
    let answer = transport.ask(server(transport), &Ask::get("/two-headers")).answer().expect(200);
    let head = answer.head.as_ref().expect("there is a status");
    assert_eq!(head.header("x-first"), Some("1"));
    assert_eq!(head.header_values("x-again"), ["a", "b"]);
    assert_eq!(head.header("x-latin"), Some("caf\u{e9}"));
    assert!(head.header("date").is_some() && head.header("server").is_some(), "{head:?}");
}

fn white_space_around_a_header_value_is_not_sent(transport: Transport) {
    for value in ["%20a%20b", "a%20b%20", "%09a%20b%09", "%20%09a%20b%09%20"] {
        let answer = transport.get(server(transport), &format!("/header/x-blank?value={value}")).expect(200);
        assert_eq!(answer.header("x-blank"), Some("a b"), "{value}");
    }
    let answer = transport.get(server(transport), "/header/x-blank?value=%20%09").expect(200);
    assert_eq!(answer.header("x-blank"), Some(""));
    let answer = transport.get(server(transport), "/header/content-length?value=%2011%20").expect(200);
    assert_eq!(answer.text(), "with header");
}
