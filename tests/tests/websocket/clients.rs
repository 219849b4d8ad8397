//! Real clients and a framework: websockets and aiohttp with a FastAPI chat. Skipped if one is missing.

use pounce_tests::pki::{self, Authority};
use pounce_tests::python::{has, run_client};
use pounce_tests::secured::{NAME, Tls};
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

fn talk_over_tls(module: &str, script: &str, scheme: &str) {
    if !has(module) || !has("fastapi") {
        return;
    }
    let authority = Authority::root("Authority of a test");
    let folder = tempfile::tempdir().expect("a temporary directory");
    let trusted = pki::write(folder.path(), "authority.pem", &authority.pem());
    let tls = Tls::of(&authority, &authority.server(&[NAME]));
    let server = Server::start(Options::app("websocket_chat:app").tls_as(tls));
    let url = format!("{scheme}://{NAME}:{}", server.address().port());
    assert_eq!(run_client(script, &[&url, trusted.to_str().expect("UTF-8")]), "ok\n");
    let stderr = server.stderr();
    assert!(!stderr.contains("Traceback"), "{stderr}");
}

#[test]
fn websockets_chats() {
    talk("websockets", "use_websockets.py", "ws");
}

#[test]
fn websockets_chats_over_tls() {
    talk_over_tls("websockets", "use_websockets.py", "wss");
}

#[test]
fn aiohttp_chats() {
    talk("aiohttp", "use_aiohttp_websocket.py", "http");
}

#[test]
fn aiohttp_chats_over_tls() {
    talk_over_tls("aiohttp", "use_aiohttp_websocket.py", "https");
}
