//! `--log-blocked-loop`: the line that blocks the event loop.

use pounce_tests::modes::Mode;
use pounce_tests::options::apps;
use pounce_tests::{Options, Server, in_every_mode};

/// The line of `workers.py` that blocks, as the log names it.
fn place() -> String {
    let source = std::fs::read_to_string(apps().join("workers.py")).expect("it is there");
    let line = source.lines().position(|line| line.ends_with("# blocks here")).expect("it has one");
    format!("workers.py:{} only_block()", line + 1)
}

in_every_mode! {
    the_line_that_blocks_is_logged,
}

fn the_line_that_blocks_is_logged(mode: Mode) {
    for workers in [1, 2] {
        let options = Options::app("workers:app").with("--log-blocked-loop", "50ms");
        let server = Server::start(if workers == 1 { options } else { options.workers(mode, workers) });
        // An idle server is not watched until it works.
        std::thread::sleep(std::time::Duration::from_millis(200));
        server.get("/only-block/0.5").expect(200);
        server.wait_stderr("was blocked for at least ");
        let named = format!("{} while it served GET /only-block/0.5", place());
        assert!(server.stderr().contains(&named), "{}", server.stderr());
        assert!(!server.stderr().contains("is lost"), "{}", server.stderr());
    }
}

#[test]
fn stalls_of_one_place_are_counted() {
    let server = Server::start(Options::app("workers:app").with("--log-blocked-loop", "150ms"));
    let mut client = server.connect();
    for _ in 0..10 {
        client.get("/only-block/0.4").response().expect(200);
    }
    let place = place();
    server.wait_stderr(&format!("{place} while it served GET /only-block/0.4; 10 times so far"));
    // A busy machine may hold the loop elsewhere as well.
    assert_eq!(server.stderr().matches(&place).count(), 2, "{}", server.stderr());
}

#[test]
fn it_is_on_with_reload_and_off_without() {
    let server = Server::start(Options::app("workers:app").flag("--reload"));
    server.get("/only-block/0.5").expect(200);
    server.wait_stderr("was blocked for at least ");
    for options in [
        Options::app("workers:app"),
        Options::app("workers:app").flag("--reload").with("--log-blocked-loop", "0"),
    ] {
        let mut server = Server::start(options);
        server.get("/only-block/0.5").expect(200);
        server.sigterm();
        let exit = server.wait_exit();
        assert!(!exit.stderr.contains("was blocked"), "{}", exit.stderr);
    }
}
