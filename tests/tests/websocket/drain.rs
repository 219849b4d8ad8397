//! SIGTERM and SIGHUP with WebSockets open.

use nix::sys::signal::Signal;
use pounce_tests::notes::token;
use pounce_tests::{Frame, Handshake, Options, Transport, eventually, over_every_transport};

over_every_transport! {
    sigterm_closes_with_1012_and_exits_0,
    a_client_that_ignores_the_close_does_not_hold_up_the_exit,
    an_application_that_goes_on_after_1012_does_not_hold_up_the_exit,
    an_application_that_sends_after_1012_gets_oserror_and_is_no_failure,
    a_websocket_without_an_answer_does_not_hold_up_the_exit,
    a_websocket_that_is_not_accepted_yet_is_refused_at_once_and_its_application_disconnected,
    sighup_closes_with_1012_while_new_websockets_are_served,
    sighup_with_workers_closes_with_1012_while_new_websockets_are_served,
}

fn options() -> Options {
    Options::app("websocket:app")
}

fn sigterm_closes_with_1012_and_exits_0(transport: Transport) {
    let mut server = transport.start(options().with("--timeout-graceful-shutdown", "40"));
    let mut sockets: Vec<_> = (0..3).map(|_| transport.connect(&server, "/echo")).collect();
    for socket in &mut sockets {
        socket.send_text("open").expect_text("open");
    }
    server.sigterm();
    for socket in sockets {
        socket.closed_by_server(1012);
    }
    let exit = server.wait_exit();
    assert_eq!(exit.code, Some(0), "{}", exit.stderr);
}

fn a_client_that_ignores_the_close_does_not_hold_up_the_exit(transport: Transport) {
    let mut server = transport.start(options().with("--timeout-graceful-shutdown", "1"));
    let mut socket = transport.connect(&server, "/echo");
    server.sigterm();
    socket.expect_close(1012);
    let exit = server.wait_exit();
    assert_eq!(exit.code, Some(0), "{}", exit.stderr);
}

fn an_application_that_goes_on_after_1012_does_not_hold_up_the_exit(transport: Transport) {
    let mut server = transport.start(options().with("--timeout-graceful-shutdown", "2"));
    let token = token();
    // It waits for a message that never comes.
    let socket = transport.connect(&server, &format!("/wait-then-watch/{token}"));
    transport.wait_note(&server, &token, "accepted");
    server.sigterm();
    socket.closed_by_server(1012);
    let exit = server.wait_exit();
    assert_eq!(exit.code, Some(0), "{}", exit.stderr);
    let named =
        format!("Stopping: waiting up to 2 s for 1 request (WebSocket /wait-then-watch/{token}, open for ");
    assert!(exit.stderr.contains(&named), "{}", exit.stderr);
}

fn an_application_that_sends_after_1012_gets_oserror_and_is_no_failure(transport: Transport) {
    let mut server = transport.start(options().with("--timeout-graceful-shutdown", "40"));
    let token = token();
    let mut socket = transport.connect(&server, &format!("/send-until-it-raises/{token}"));
    socket.expect_text("on");
    server.sigterm();
    while socket.frame() == Frame::text("on") {}
    // The client has not answered the close yet.
    server.wait_stderr(&format!("{token} send Disconnected|Disconnected,OSError,"));
    socket.send_close(1012, "").expect_end();
    let exit = server.wait_exit();
    assert_eq!(exit.code, Some(0), "{}", exit.stderr);
    assert!(!exit.stderr.contains("Traceback"), "{}", exit.stderr);
}

fn a_websocket_without_an_answer_does_not_hold_up_the_exit(transport: Transport) {
    let mut server = transport.start(options().with("--timeout-graceful-shutdown", "1"));
    let token = token();
    let handshake = Handshake::to(&format!("/late-accept/{token}/3600"));
    transport.ask_and_leave(&server, &handshake, || {
        transport.wait_note(&server, &token, "asked");
        server.sigterm();
        // The client stays until the server must have given up.
        eventually("the server stops", || server.stderr().contains("Stop").then_some(()));
        std::thread::sleep(std::time::Duration::from_millis(1500));
    });
    let exit = server.wait_exit();
    assert_eq!(exit.code, Some(0), "{}", exit.stderr);
}

fn a_websocket_that_is_not_accepted_yet_is_refused_at_once_and_its_application_disconnected(
    transport: Transport,
) {
    let mut server = transport.start(options().with("--timeout-graceful-shutdown", "600"));
    let [token, late] = [token(), token()];
    let ask = |target: String| transport.upgrade(&server, &Handshake::to(&target)).map(drop);
    std::thread::scope(|scope| {
        let asking = [format!("/not-accepted/{token}"), format!("/late-accept/{late}/1")]
            .map(|target| scope.spawn(move || ask(target)));
        for token in [&token, &late] {
            transport.wait_note(&server, token, "asked");
        }
        server.sigterm();
        for asking in asking {
            let refused = asking.join().expect("it is answered").expect_err("it is refused");
            assert_eq!(refused.expect(503).header("retry-after"), Some("1"));
        }
    });
    let exit = server.wait_exit();
    assert_eq!(exit.code, Some(0), "{}", exit.stderr);
    let told = format!("{token} disconnect 1012 'the server is restarting'");
    assert!(exit.stderr.contains(&told), "{}", exit.stderr);
    assert!(exit.stderr.contains(&format!("{token} accept Disconnected|")), "{}", exit.stderr);
    assert!(!exit.stderr.contains("Traceback"), "{}", exit.stderr);
}

fn reloads(transport: Transport, options: Options) {
    let server = transport.start(options.with("--timeout-graceful-shutdown", "40"));
    let mut old = transport.connect(&server, "/echo");
    old.send_text("old").expect_text("old");
    server.signal(Signal::SIGHUP);
    old.closed_by_server(1012);
    eventually("a new WebSocket lives", || {
        let mut socket = transport.try_connect(&server, "/echo")?;
        let taken = socket.try_send(Frame::text("new").masked());
        (taken && socket.next_frame()? == Frame::text("new")).then_some(())
    });
}

fn sighup_closes_with_1012_while_new_websockets_are_served(transport: Transport) {
    reloads(transport, options());
}

fn sighup_with_workers_closes_with_1012_while_new_websockets_are_served(transport: Transport) {
    reloads(transport, options().with("--workers", "2").with("--worker-mode", "process"));
}
