//! Threads, processes, sockets and signals work as on asyncio's own loop.

use crate::each_loop::EachLoop;
use pounce_tests::python::has;
use pounce_tests::{Options, Server};

static LOOPS: EachLoop = EachLoop::of("asyncio_io:app");

fn answers(target: &str, wanted: &str) {
    LOOPS.answers(target, wanted);
}

#[test]
fn threads_work_and_find_their_way_back() {
    answers("/executor", "True 45");
    answers("/thread-safe", "True");
    answers("/coroutine-threadsafe", "from the loop");
}

#[test]
fn a_thread_has_the_context_of_its_request_and_its_exceptions_come_back() {
    answers("/to-thread", "somebody");
    answers("/to-thread-raises", "in the thread");
}

#[test]
fn anyio_s_threads_reach_the_loop() {
    if has("anyio") {
        answers("/anyio-to-thread", "[42, 42, 42]");
    }
}

#[test]
fn subprocesses_run_and_are_waited_for() {
    answers("/subprocess", "PIPED 7");
    answers("/shell", "9");
}

#[test]
fn file_descriptors_can_be_watched() {
    answers("/reader-and-writer", "over the pair True True False");
}

#[test]
fn sockets_of_asyncio_work_next_to_the_server_s() {
    answers("/streams", "LINE\n");
    answers("/round-trips", "ONE TWO THREE FOUR");
    answers("/datagrams", "datagram");
    answers("/resolve", "('127.0.0.1', 80)");
}

#[test]
fn an_application_can_handle_a_signal_that_the_server_does_not_use() {
    answers("/signal-handler", "handled True");
}

#[test]
fn every_round_trip_of_a_connection_wakes_an_idle_loop() {
    let server = Server::start(Options::app("asyncio_io:app"));
    let response = server.get("/round-trips-with-a-thread").expect(200);
    assert_eq!(response.text(), "ONE TWO THREE FOUR");
}
