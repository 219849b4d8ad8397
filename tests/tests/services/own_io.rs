//! The application's own sockets, pipes, datagrams, threads and files.

use crate::setup::{Setup, ask, ask_together, in_every_setup, stops};
use pounce_tests::python::has;
use pounce_tests::services::Echo;
use pounce_tests::{Client, Server};
use serde_json::{Value, json};
use std::net::{Ipv4Addr, SocketAddr};

in_every_setup! {
    pipes_of_a_subprocess_carry_many_round_trips,
    plain_sockets_of_the_loop_carry_many_round_trips,
    datagrams_carry_many_round_trips,
    streams_carry_many_round_trips,
    descriptors_are_watched_while_a_thread_writes,
    threads_and_the_loop_wake_each_other,
    servers_of_the_application_answer,
    aiofiles_reads_and_writes,
}

fn start(setup: Setup) -> Server {
    setup.start("own_io", &[("ECHO_PORT", &Echo::start().port.to_string())])
}

/// Expects the same answer from an idle server and over several connections at once.
fn answers(setup: Setup, idle: &[(&str, Value)], together: &[(&str, Value)]) {
    let server = start(setup);
    for (target, wanted) in idle {
        assert_eq!(ask(&server, target), *wanted, "{target}");
    }
    for (target, wanted) in together {
        ask_together(
            &server,
            24,
            |_| String::from(*target),
            |_, answer| assert_eq!(answer, *wanted, "{target}"),
        );
    }
    stops(server);
}

fn pipes_of_a_subprocess_carry_many_round_trips(setup: Setup) {
    let idle = [("/pipes/200", json!([200, "", 0])), ("/pipe-volume", json!([2_000_000, 0]))];
    answers(setup, &idle, &[("/pipes/10", json!([10, "", 0]))]);
}

fn plain_sockets_of_the_loop_carry_many_round_trips(setup: Setup) {
    let idle =
        [("/sockets/200", json!(200)), ("/socket-volume", json!(3_000_000)), ("/accepted/50", json!(50))];
    answers(setup, &idle, &[("/sockets/20", json!(20)), ("/accepted/5", json!(5))]);
}

fn datagrams_carry_many_round_trips(setup: Setup) {
    answers(setup, &[("/datagrams/200", json!(200))], &[("/datagrams/20", json!(20))]);
}

fn streams_carry_many_round_trips(setup: Setup) {
    let idle = [("/streams/200", json!(200)), ("/many-streams/20", json!(400))];
    answers(setup, &idle, &[("/streams/20", json!(20))]);
}

fn descriptors_are_watched_while_a_thread_writes(setup: Setup) {
    answers(setup, &[("/watched/200", json!([200, ""]))], &[("/watched/20", json!([20, ""]))]);
}

fn threads_and_the_loop_wake_each_other(setup: Setup) {
    let squares = |count: u64| (0..count).map(|number| number * number).sum::<u64>();
    let answer = |count: u64| json!([squares(count), squares(count), count * (count - 1)]);
    answers(setup, &[("/executor/100", answer(100))], &[("/executor/10", answer(10))]);
}

/// The client is the test program: only its data wakes the application's loop.
fn servers_of_the_application_answer(setup: Setup) {
    let server = start(setup);
    let ports: Vec<u16> = serde_json::from_value(ask(&server, "/ports")).expect("port numbers");
    assert_eq!(ports.len(), 2);
    for port in ports {
        let mut clients: Vec<_> =
            (0..3).map(|_| Client::tcp(SocketAddr::from((Ipv4Addr::LOCALHOST, port)))).collect();
        for number in 0..50 {
            for client in &mut clients {
                let wanted = format!("LINE {number}\n");
                let got = client.send(wanted.to_lowercase()).take(wanted.len());
                assert_eq!(String::from_utf8_lossy(&got), wanted);
            }
        }
    }
    stops(server);
}

fn aiofiles_reads_and_writes(setup: Setup) {
    if !has("aiofiles") {
        return;
    }
    let server = start(setup);
    assert_eq!(ask(&server, "/files/alone"), json!([true, 390]));
    let target = |number| format!("/files/file-{number}");
    ask_together(&server, 24, target, |_, answer| assert_eq!(answer, json!([true, 390])));
    stops(server);
}
