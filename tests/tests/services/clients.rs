//! HTTP clients that an application shares between its requests: httpx and aiohttp, against another server.

use crate::setup::{Setup, ask, ask_together, in_every_setup, stops};
use pounce_tests::python::has;
use pounce_tests::{Options, Server};
use serde_json::json;

in_every_setup! { httpx_is_shared, aiohttp_is_shared }

fn httpx_is_shared(setup: Setup) {
    is_shared(setup, "httpx");
}

fn aiohttp_is_shared(setup: Setup) {
    is_shared(setup, "aiohttp");
}

fn is_shared(setup: Setup, client: &str) {
    if !has(client) {
        return;
    }
    let upstream = Server::start(Options::app("services.upstream:app"));
    let url = format!("http://{}", upstream.address());
    let server = setup.start("with_clients", &[("UPSTREAM_URL", &url), ("CLIENT", client)]);
    // A hundred successive requests use one connection.
    assert_eq!(ask(&server, "/double/0/100"), json!({"sum": 9900, "connections": 1}));
    assert_eq!(ask(&server, "/bodies"), json!([3_000_000, true]));

    let target = |number| format!("/double/{number}/3");
    ask_together(&server, 200, target, |number, answer| {
        assert_eq!(answer["sum"], json!((number * 3 + 3) * 2));
    });
    stops(server);
    stops(upstream);
}
