//! `receive` and `send` are coroutine functions: any thread may call them, only the loop's thread runs them, and tasks
//! that wait in one are released when its call is cut off.

use nix::sys::signal::Signal;
use pounce_tests::h2::Frame;
use pounce_tests::h2::flood::octets;
use pounce_tests::notes::token;
use pounce_tests::python::has;
use pounce_tests::{Mode, Options, Server, eventually, in_every_mode};
use serde_json::json;
use std::iter::repeat_n;
use std::sync::OnceLock;

in_every_mode! { threads_can_do_no_harm }

fn server() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(|| Server::start(Options::app("coroutines:app")))
}

#[test]
fn another_thread_has_the_loop_receive_and_send() {
    assert_eq!(server().post("/from-another-thread", b"body").expect(200).text(), "BODY");
}

#[test]
fn synchronous_code_sends_by_way_of_asgiref() {
    if has("asgiref") {
        assert_eq!(server().get("/async-to-sync").expect(200).text(), "from a synchronous function");
        assert_eq!(server().post("/wsgi", b"answered").expect(200).text(), "answered by WSGI");
    }
}

#[test]
fn stepping_on_another_thread_raises_and_says_what_to_do() {
    let seen = server().get("/stepped-on-another-thread").expect(200).json();
    for number in 0..3 {
        let text = seen[number].as_str().expect("a text");
        assert!(text.contains("asyncio.run_coroutine_threadsafe()"), "{text}");
    }
    assert_eq!(seen[3], "None", "one that was not begun can be closed anywhere");
}

#[test]
fn inspect_sees_coroutine_functions() {
    let seen = server().get("/looks").expect(200).json();
    assert_eq!(seen["receive"], json!([true, "()", "receive"]));
    assert_eq!(seen["send"], json!([true, "(message)", "send"]));
    assert_eq!(seen["partial"], true);
}

#[test]
fn arguments_are_checked_as_those_of_a_python_function() {
    let text = server().get("/arguments").expect(200).text();
    let wanted = [
        "receive() takes 0 positional arguments but 1 were given",
        "receive() got an unexpected keyword argument 'message'",
        "send() missing 1 required positional argument: 'message'",
        "send() takes 1 positional argument but 2 were given",
        "send() got an unexpected keyword argument 'wrong'",
        "send() got multiple values for argument 'message'",
    ];
    assert_eq!(text.lines().collect::<Vec<_>>(), wanted);
}

#[test]
fn a_message_that_is_not_awaited_is_not_sent() {
    let text = server().get("/not-awaited").expect(200).text();
    let wanted = [
        "coroutine 'send' was never awaited: the message was not sent",
        "cannot reuse already awaited coroutine",
    ];
    assert_eq!(text.lines().collect::<Vec<_>>(), wanted);
}

#[test]
fn the_garbage_collector_frees_cycles_of_coroutines_and_messages() {
    assert_eq!(server().get("/cycles").expect(200).text(), "0");
}

#[test]
fn tasks_that_wait_are_released_when_their_connection_is_cut_off() {
    let server = Server::start(Options::app("coroutines:app"));
    for _ in 0..3 {
        let token = token();
        let mut client = server.h2();
        for number in 0..10 {
            client.get(1 + 2 * number, &format!("/waiters/{token}"));
        }
        eventually("all wait", || {
            (server.notes(&token).iter().filter(|note| *note == "waits").count() == 10).then_some(())
        });
        let pings = octets(repeat_n(Frame::ping(b"flooding"), 100));
        client.flood(repeat_n(pings, 5_000)).was_cut_off();
        server.wait_note(&token, "cancelled");
    }
    eventually("no task waits any more", || (server.get("/waiting").expect(200).text() == "0").then_some(()));
}

fn threads_can_do_no_harm(mode: Mode) {
    let mut server = Server::start(Options::app("coroutines:app").workers(mode, 2));
    for _ in 0..6 {
        assert_eq!(server.get("/hammer").expect(200).text(), "hammered");
    }
    assert!(server.is_running());
    server.sigterm();
    let exit = server.wait_exit();
    assert_eq!(exit.code, Some(0), "{}", exit.stderr);
    assert!(!exit.stderr.contains("is lost"), "{}", exit.stderr);
}

#[test]
fn bad_messages_in_two_subinterpreters_do_no_harm_with_reloads_between() {
    if !Mode::Subinterpreter.is_there() {
        return;
    }
    let mut server = Server::start(Options::app("faulty:app").workers(Mode::Subinterpreter, 2));
    for reload in 1..=3 {
        for _ in 0..20 {
            let text = server.get("/every-bad").expect(200).text();
            assert!(text.starts_with("all raised"), "{text}");
        }
        server.signal(Signal::SIGHUP);
        server.wait_stderr_times("Reloaded", reload);
    }
    assert!(server.is_running());
    server.sigterm();
    assert_eq!(server.wait_exit().code, Some(0));
}
