//! The internal command of worker processes, used by hand: it prints an error and ends.

use pounce_tests::{Options, Server};
use std::net::TcpListener;

/// Shows that `arguments` end with a readable error.
fn is_an_error(options: Options, arguments: &[&str]) {
    let exit = Server::run(arguments.iter().fold(options, |options, argument| options.flag(argument)));
    assert!(exit.code.is_some_and(|code| code != 0), "{arguments:?}: {exit:?}");
    assert!(exit.stderr.contains("error"), "{arguments:?}: {}", exit.stderr);
    for part in ["panicked", "RUST_BACKTRACE", " ready: "] {
        assert!(!exit.stderr.contains(part), "{arguments:?}: {}", exit.stderr);
    }
}

#[test]
fn without_a_control_channel_a_worker_does_not_start() {
    is_an_error(Options::bare(), &["__worker"]);
    is_an_error(Options::bare(), &["__worker", "7"]);
    is_an_error(Options::bare(), &["__worker", "2147483647"]);
}

#[test]
fn an_invalid_descriptor_is_refused() {
    for argument in ["", "x", "-1", "99999999999999999999"] {
        is_an_error(Options::bare(), &["__worker", argument]);
    }
}

#[test]
fn a_descriptor_that_is_something_else_is_refused() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("there are free ports");
    is_an_error(Options::bare().inherit(listener), &["__worker", "3"]);
    // Standard input is /dev/null, standard error a pipe.
    is_an_error(Options::bare(), &["__worker", "0"]);
}
