//! An idle server does nothing: no worker, supervisor or watchdog wakes up.

use pounce_tests::{Options, Server, eventually, process};
use std::time::Duration;

#[test]
fn idle_workers_do_not_wake_up() {
    for mode in ["process", "thread"] {
        let options = Options::app("raw:app").with("--workers", "4").with("--worker-mode", mode);
        let server = Server::start(options.with("--timeout-worker-healthcheck", "1"));
        server.get("/hello").expect(200);
        eventually(&format!("two seconds without a wake-up in {mode} mode"), || {
            let before = process::wake_ups(server.pid());
            std::thread::sleep(Duration::from_secs(2));
            (process::wake_ups(server.pid()) == before).then_some(())
        });
    }
}
