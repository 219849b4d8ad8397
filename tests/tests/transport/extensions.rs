//! Early hints, trailers and `100 Continue`, over every transport.

use pounce_tests::notes::token;
use pounce_tests::transport::Servers;
use pounce_tests::{Ask, Options, Server, Transport, over_every_transport};
use std::time::Duration;

static SERVERS: Servers = Servers::new(|| Options::app("transport:app"));

over_every_transport! {
    early_hints_come_before_the_response,
    early_hints_come_before_the_application_goes_on,
    trailers_come_to_a_client_that_takes_them,
    trailers_do_not_come_to_a_client_that_does_not_take_them,
    trailers_that_the_client_does_not_accept_do_no_harm,
    bad_trailers_raise,
    continue_is_sent_when_the_application_asks,
    continue_is_not_sent_when_the_application_never_asks,
    continue_is_not_sent_to_clients_that_do_not_expect_it,
    an_unknown_expectation_is_refused,
    debug_information_does_not_reach_the_client,
}

fn server(transport: Transport) -> &'static Server {
    SERVERS.over(transport)
}

fn early_hints_come_before_the_response(transport: Transport) {
    let answer = transport.get(server(transport), "/early-hint").expect(200);
    let links: Vec<_> = answer.interim.iter().map(|head| (head.status, head.header_values("link"))).collect();
    let wanted = [
        (103, vec!["</a.css>; rel=preload; as=style"]),
        (103, vec!["</b.js>; rel=preload", "</c.js>; rel=preload"]),
    ];
    assert_eq!(links, wanted);
    assert_eq!(answer.text(), "hinted");
}

fn early_hints_come_before_the_application_goes_on(transport: Transport) {
    let token = token();
    let mut exchange = transport.ask(server(transport), &Ask::get(&format!("/hint-then-wait/{token}")));
    assert_eq!(exchange.interim().status, 103);
    server(transport).get(&format!("/open/{token}")).expect(200);
    assert_eq!(exchange.answer().expect(200).text(), "waited");
}

fn trailers_come_to_a_client_that_takes_them(transport: Transport) {
    let ask = Ask::get("/trailers").header("te", "trailers");
    let answer = transport.ask(server(transport), &ask).answer().expect(200);
    assert_eq!(answer.text(), "content");
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    assert_eq!(answer.trailers, [pair("x-checksum", "abc"), pair("x-second", "def")]);
    let ask = Ask::get("/trailers-if-offered").header("te", "trailers");
    let answer = transport.ask(server(transport), &ask).answer().expect(200);
    assert_eq!(answer.trailers, [pair("x-checksum", "abc")]);
}

fn trailers_do_not_come_to_a_client_that_does_not_take_them(transport: Transport) {
    let answer = transport.get(server(transport), "/trailers-if-offered").expect(200);
    assert_eq!((answer.text().as_str(), answer.trailers.len()), ("content", 0));
}

fn trailers_that_the_client_does_not_accept_do_no_harm(transport: Transport) {
    let answer = transport.get(server(transport), "/trailers").expect(200);
    assert_eq!((answer.text().as_str(), answer.trailers.len()), ("content", 0));
}

fn bad_trailers_raise(transport: Transport) {
    for which in ["lf", "crlf", "name", "nul"] {
        let ask = Ask::get(&format!("/bad-trailers/{which}")).header("te", "trailers");
        let answer = transport.ask(server(transport), &ask).answer().expect(200);
        assert_eq!(answer.text(), "content|");
        let report: Vec<_> = answer.trailers.iter().filter(|(name, _)| name == "x-report").collect();
        assert_eq!(answer.trailers.len(), 1, "{which}: {:?}", answer.trailers);
        assert!(!report[0].1.contains("no exception"), "{which}: {report:?}");
    }
}

fn continue_is_sent_when_the_application_asks(transport: Transport) {
    let token = token();
    let ask = Ask::post(&format!("/receive-then-answer/{token}")).length(5).header("expect", "100-continue");
    let mut exchange = transport.ask(server(transport), &ask);
    assert_eq!(exchange.interim().status, 100);
    assert_eq!(server(transport).notes(&token), ["called", "receives"], "it came before it was asked for");
    exchange.send("hello").finish();
    let answer = exchange.answer().expect(200);
    assert_eq!((answer.text().as_str(), answer.interim.len()), ("hello", 1));
}

fn continue_is_not_sent_when_the_application_never_asks(transport: Transport) {
    let ask = Ask::post("/ignore-body").length(5).header("expect", "100-continue");
    let answer = transport.ask(server(transport), &ask).answer().expect(200);
    assert_eq!((answer.text().as_str(), answer.interim.len()), ("not read", 0));
}

fn continue_is_not_sent_to_clients_that_do_not_expect_it(transport: Transport) {
    let mut exchange = transport.ask(server(transport), &Ask::post("/echo").length(5));
    std::thread::sleep(Duration::from_millis(100));
    exchange.send("hello").finish();
    let answer = exchange.answer().expect(200);
    assert_eq!((answer.text().as_str(), answer.interim.len()), ("hello", 0));
}

fn an_unknown_expectation_is_refused(transport: Transport) {
    let ask = Ask::get("/hello").header("expect", "a-miracle");
    transport.ask(server(transport), &ask).answer().expect(417);
}

fn debug_information_does_not_reach_the_client(transport: Transport) {
    let answer = transport.get(server(transport), "/debug").expect(200);
    assert_eq!(answer.text(), "debugged");
    assert!(!format!("{answer:?}").contains("secret.html"));
}
