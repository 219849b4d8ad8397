//! Real frameworks, each with its peculiarities. Skipped if the framework is missing.

use pounce_tests::python::has;
use pounce_tests::{Options, Response, Server};
use serde_json::json;

/// The features that every framework's application in `tests/apps` offers under the same paths.
fn serves_the_common_paths(server: &Server) {
    let hello = server.get("/json?name=caf%C3%A9").expect(200);
    assert!(hello.header("content-type").is_some_and(|kind| kind.starts_with("application/json")));
    assert_eq!(hello.json(), json!({"hello": "café"}));

    let posted = json(server, "/echo", "{\"a\": [1, \"ü\"]}");
    assert_eq!(posted.expect(200).json(), json!({"a": [1, "ü"]}));

    let stream = server.get("/stream").expect(200);
    assert_eq!(stream.text(), (0..50).map(|number| format!("line {number}\n")).collect::<String>());

    let sync = server.get("/sync").expect(200).json();
    assert_eq!(sync["value"], "from a function", "{sync}");

    let upload = upload(server, 300_000).expect(200).json();
    assert_eq!(upload, json!({"name": "file.bin", "size": 300_000, "field": "value"}));

    server.get("/missing").expect(404);
    let failed = server.get("/fails").expect(500);
    assert!(!failed.text().contains("the view failed"), "{}", failed.text());
    server.get("/json?name=again").expect(200);
}

fn json(server: &Server, target: &str, body: &str) -> Response {
    let head = format!("POST {target} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n");
    let fields = format!("Content-Type: application/json\r\nContent-Length: {}\r\n\r\n", body.len());
    server.request(head + &fields + body)
}

/// A form with a field and a file of `size` bytes.
fn upload(server: &Server, size: usize) -> Response {
    let field = "--limit\r\nContent-Disposition: form-data; name=\"field\"\r\n\r\nvalue\r\n";
    let file = "--limit\r\nContent-Disposition: form-data; name=\"file\"; filename=\"file.bin\"\r\n\
        Content-Type: application/octet-stream\r\n\r\n";
    let body = [field, file, &"x".repeat(size), "\r\n--limit--\r\n"].concat();
    let head = "POST /upload HTTP/1.1\r\nHost: test\r\nConnection: close\r\n";
    let fields = format!(
        "Content-Type: multipart/form-data; boundary=limit\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    server.request([head, &fields, &body].concat())
}

fn stops(mut server: Server) {
    server.sigterm();
    let exit = server.wait_exit();
    assert_eq!(exit.code, Some(0), "{}", exit.stderr);
}

#[test]
fn starlette_works() {
    if !has("starlette") || !has("python_multipart") {
        return;
    }
    let server = Server::start(Options::app("starlette_app:app"));
    serves_the_common_paths(&server);
    assert_eq!(server.get("/state").expect(200).json(), json!({"started": true}));
    assert_eq!(
        server.get("/mounted/inner").expect(200).json(),
        json!({"path": "/mounted/inner", "root": "/mounted"})
    );
    assert_eq!(server.get("/json").expect(200).header("x-middleware"), Some("passed"));

    let file = server.get("/file").expect(200);
    assert!(file.text().contains("This file is what it sends"), "{}", file.text());
    let range = "GET /file HTTP/1.1\r\nHost: test\r\nRange: bytes=0-2\r\nConnection: close\r\n\r\n";
    assert_eq!(server.request(range).expect(206).text(), "\"\"\"");

    let background = server.get("/background/token").expect(200);
    assert_eq!(background.text(), "answered");
    pounce_tests::eventually("the background task ran", || {
        (server.get("/background-done").text() == "[\"token\"]").then_some(())
    });
    assert_eq!(server.get("/disconnected-later").expect(200).text(), "still there");
    stops(server);
}

#[test]
fn starlette_sends_files_by_their_path_when_that_is_offered() {
    if !has("starlette") || !has("python_multipart") {
        return;
    }
    let server = Server::start(Options::app("starlette_app:plain").with("--asgi-extensions", "pathsend"));
    let file = server.get("/file").expect(200);
    assert!(file.text().contains("This file is what it sends"), "{}", file.text());
    assert_eq!(file.header("content-length"), Some(file.body.len().to_string().as_str()));
}

#[test]
fn fastapi_works() {
    if !has("fastapi") || !has("python_multipart") {
        return;
    }
    let server = Server::start(Options::app("fastapi_app:app"));
    serves_the_common_paths(&server);
    assert_eq!(server.get("/items/7?q=x").expect(200).json(), json!({"item": 7, "q": "x", "started": true}));
    server.get("/items/seven").expect(422);
    assert_eq!(json(&server, "/model", "{\"name\": \"n\", \"price\": 1.5}").expect(200).json()["price"], 1.5);
    assert_eq!(server.get("/dependency").expect(200).json(), json!(["opened"]));
    assert_eq!(server.get("/openapi.json").expect(200).json()["info"]["title"], "Test");
    let threads = server.get("/threads").expect(200).json();
    assert_eq!(threads, json!({"sync_elsewhere": true}));
    stops(server);
}

#[test]
fn fastapi_behind_a_root_path_knows_where_it_is() {
    if !has("fastapi") || !has("python_multipart") {
        return;
    }
    let server = Server::start(Options::app("fastapi_app:app").with("--root-path", "/api"));
    // As behind a proxy that removes the prefix.
    assert_eq!(server.get("/json?name=x").expect(200).json(), json!({"hello": "x"}));
    let servers = server.get("/openapi.json").expect(200).json()["servers"].clone();
    assert_eq!(servers, json!([{"url": "/api"}]));
}

#[test]
fn many_synchronous_endpoints_run_side_by_side() {
    if !has("fastapi") || !has("python_multipart") {
        return;
    }
    let server = Server::start(Options::app("fastapi_app:app"));
    let mut clients: Vec<_> = (0..10).map(|_| server.connect()).collect();
    for client in &mut clients {
        // Each waits in its thread until ten are waiting.
        client.get("/barrier");
    }
    for client in &mut clients {
        assert_eq!(client.response().expect(200).text(), "\"passed\"");
    }
}

#[test]
fn django_works() {
    if !has("django") {
        return;
    }
    let server = Server::start(Options::app("django_app:application"));
    serves_the_common_paths(&server);
    assert_eq!(server.get("/async-stream").expect(200).text(), "one two three ");
    let cookie = server.get("/cookie").expect(200).header("set-cookie").expect("a cookie").to_owned();
    assert!(cookie.starts_with("seen=yes"), "{cookie}");
    assert_eq!(server.get("/context").expect(200).text(), "clean");
    assert_eq!(server.get("/context").expect(200).text(), "clean");
    stops(server);
}

#[test]
fn quart_works() {
    if !has("quart") {
        return;
    }
    let server = Server::start(Options::app("quart_app:app"));
    serves_the_common_paths(&server);
    assert_eq!(server.get("/started").expect(200).json(), json!({"started": true}));
    let mut client = server.connect();
    client
        .send("POST /body-stream HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n");
    client.send("7\r\n, world\r\n0\r\n\r\n");
    assert_eq!(client.response().expect(200).text(), "12");
    stops(server);
}

#[test]
fn litestar_works() {
    if !has("litestar") {
        return;
    }
    let server = Server::start(Options::app("litestar_app:app"));
    serves_the_common_paths(&server);
    assert_eq!(server.get("/started").expect(200).json(), json!({"started": true}));
    assert_eq!(server.get("/background/token").expect(200).text(), "answered");
    pounce_tests::eventually("the background task ran", || {
        (server.get("/background-done").text() == "[\"token\"]").then_some(())
    });
    stops(server);
}
