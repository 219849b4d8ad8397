//! Real clients and a framework: websockets and aiohttp with a chat of FastAPI. Skipped where one is missing.

use pounce_tests::python::{has, run_client};
use pounce_tests::{Options, Server};

fn talk(module: &str, script: &str, scheme: &str) {
    if !has(module) || !has("fastapi") {
        return;
    }
    let server = Server::start(Options::app("websocket_chat:app"));
    server.get("/").expect(200);
    assert_eq!(run_client(script, &[&format!("{scheme}://{}", server.address())]), "ok\n");
    let stderr = server.stderr();
    assert!(!stderr.contains("Traceback"), "{stderr}");
}

#[test]
fn websockets_chats() {
    talk("websockets", "use_websockets.py", "ws");
}

#[test]
fn aiohttp_chats() {
    talk("aiohttp", "use_aiohttp_websocket.py", "http");
}
