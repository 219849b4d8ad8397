//! WebSockets in every kind of worker.

use pounce_tests::notes::token;
use pounce_tests::{Handshake, Mode, Options, Server, Transport, in_every_mode};

in_every_mode! {
    messages_come_back_and_the_end_is_reported,
    an_application_that_raises_disturbs_no_other,
    sigterm_closes_all,
}

const TRANSPORT: Transport = Transport::ClearHttp1;

fn start(mode: Mode) -> Server {
    Server::start(Options::app("websocket:app").workers(mode, 2))
}

fn messages_come_back_and_the_end_is_reported(mode: Mode) {
    let server = start(mode);
    for _ in 0..10 {
        let handshake = Handshake::to(&format!("/echo/{}", token())).deflate("");
        let mut socket = TRANSPORT.open(&server, &handshake);
        socket.send_text("\u{20ac}").expect_text("\u{20ac}");
        socket.send_binary([0, 255]);
        assert_eq!(socket.binary(), [0, 255]);
        socket.close(3000, "bye");
        TRANSPORT.connect(&server, "/close/x/3456?reason=enough").closed_by_server(3456);
    }
}

fn an_application_that_raises_disturbs_no_other(mode: Mode) {
    let server = start(mode);
    let mut others: Vec<_> = (0..6).map(|_| TRANSPORT.connect(&server, "/echo")).collect();
    TRANSPORT.upgrade(&server, &Handshake::to("/raise-before")).expect_err("it is refused").expect(500);
    TRANSPORT.connect(&server, "/raise-after").closed_by_server(1011);
    for other in &mut others {
        other.send_text("still").expect_text("still");
    }
}

fn sigterm_closes_all(mode: Mode) {
    let mut server = start(mode);
    let sockets: Vec<_> = (0..6).map(|_| TRANSPORT.connect(&server, "/echo")).collect();
    server.sigterm();
    for socket in sockets {
        socket.closed_by_server(1012);
    }
    let exit = server.wait_exit();
    assert_eq!(exit.code, Some(0), "{}", exit.stderr);
}
