//! The HTTP connection scope of ASGI 2.5.

use pounce_tests::h2::Request;
use pounce_tests::{Client, Options, Server};
use serde_json::{Value, json};
use std::sync::OnceLock;

fn server() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(|| Server::start(Options::app("raw:app")))
}

/// The application's report about the scope of a request.
fn seen(request: &str) -> Value {
    server().request(request).expect(200).json()
}

fn seen_at(target: &str) -> Value {
    seen(&format!("GET {target} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n"))
}

#[test]
fn every_key_has_the_type_that_asgi_gives_it() {
    let types = &seen_at("/scope?a=b")["types"];
    for (key, kind) in [
        ("type", "str"),
        ("asgi", "dict"),
        ("http_version", "str"),
        ("method", "str"),
        ("scheme", "str"),
        ("path", "str"),
        ("raw_path", "bytes"),
        ("query_string", "bytes"),
        ("root_path", "str"),
        ("extensions", "dict"),
    ] {
        assert_eq!(types[key], kind, "{key}");
    }
    for key in ["headers", "client", "server"] {
        assert!(types[key] == "list" || types[key] == "tuple", "{key}: {}", types[key]);
    }
}

#[test]
fn the_asgi_dictionary_names_both_versions() {
    let asgi = &seen_at("/scope")["scope"]["asgi"];
    assert_eq!(asgi["version"], "3.0");
    // From 2.4 on Starlette does not listen for disconnects, and its idle streams outlive their clients.
    assert_eq!(asgi["spec_version"], "2.3");
}

#[test]
fn method_scheme_and_version_are_those_of_the_request() {
    let scope = &seen_at("/scope")["scope"];
    assert_eq!(
        (&scope["type"], &scope["method"], &scope["scheme"]),
        (&json!("http"), &json!("GET"), &json!("http"))
    );
    assert_eq!(scope["http_version"], "1.1");
    assert_eq!(seen("GET /scope HTTP/1.0\r\n\r\n")["scope"]["http_version"], "1.0");
}

#[test]
fn a_method_of_any_name_reaches_the_application_in_upper_case_as_sent() {
    for method in ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND", "M-SEARCH", "PURGE", "X"]
    {
        let request = format!("{method} /scope HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n");
        assert_eq!(seen(&request)["scope"]["method"], method);
    }
}

#[test]
fn the_path_is_decoded_and_the_raw_path_is_not() {
    for (target, path) in [
        ("/scope/a%20b", "/scope/a b"),
        ("/scope/%C3%A9", "/scope/é"),
        ("/scope/a%2Fb", "/scope/a/b"),
        ("/scope/a+b", "/scope/a+b"),
        ("/scope/%41%5a", "/scope/AZ"),
        ("/scope/%25%32%30", "/scope/%20"),
        ("/scope//a/../b/.", "/scope//a/../b/."),
        ("/scope/a;b=c,d:e@f", "/scope/a;b=c,d:e@f"),
        ("/scope/%00", "/scope/\0"),
        ("/scope/%F0%9F%90%88", "/scope/🐈"),
    ] {
        let scope = &seen_at(target)["scope"];
        assert_eq!((&scope["path"], &scope["raw_path"]), (&json!(path), &json!(target)));
    }
}

#[test]
fn a_path_that_is_not_utf_8_or_not_percent_encoded_does_no_harm() {
    for target in ["/scope/%ff%fe", "/scope/%", "/scope/%4", "/scope/%zz", "/scope/%e2%28%a1"] {
        let request = format!("GET {target} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n");
        let response = server().request(request);
        match response.status {
            400 => {}
            200 => assert_eq!(response.json()["scope"]["raw_path"], target),
            other => panic!("{target}: {other}"),
        }
    }
}

#[test]
fn the_query_string_stays_as_sent_and_out_of_the_path() {
    for (target, query) in [
        ("/scope", ""),
        ("/scope?", ""),
        ("/scope?a=b&c=%20d", "a=b&c=%20d"),
        ("/scope?a?b/c", "a?b/c"),
        ("/scope?%ff", "%ff"),
        ("/scope?a=+", "a=+"),
    ] {
        let scope = &seen_at(target)["scope"];
        assert_eq!(scope["query_string"], query, "{target}");
        assert_eq!((&scope["path"], &scope["raw_path"]), (&json!("/scope"), &json!("/scope")), "{target}");
    }
}

#[test]
fn headers_are_pairs_of_bytes_in_order_with_lower_case_names() {
    let request = "GET /scope HTTP/1.1\r\nHost: Test\r\nX-B: 1\r\nACCEPT: a\r\nX-a:\t 2 \r\nX-B: One, Two\r\nX-Empty:\r\nConnection: close\r\n\r\n";
    let answer = seen(request);
    let wanted = json!([
        ["host", "Test"],
        ["x-b", "1"],
        ["accept", "a"],
        ["x-a", "2"],
        ["x-b", "One, Two"],
        ["x-empty", ""],
        ["connection", "close"],
    ]);
    assert_eq!(answer["scope"]["headers"], wanted);
    assert_eq!((&answer["header_types"], &answer["header_lengths"]), (&json!(["bytes"]), &json!([2])));
}

#[test]
fn client_and_server_are_addresses_with_ports_that_are_numbers() {
    let answer = seen_at("/scope");
    assert_eq!(answer["client_types"], json!(["str", "int"]));
    assert_eq!(answer["server_types"], json!(["str", "int"]));
    assert_eq!(answer["scope"]["client"][0], "127.0.0.1");
    assert_eq!(answer["scope"]["server"], json!(["127.0.0.1", server().address().port()]));
}

#[test]
fn the_client_port_is_that_of_the_connection() {
    let ports: Vec<_> = (0..2)
        .map(|_| {
            let mut client = server().connect();
            let both = [0, 1].map(|_| client.get("/scope").response().json()["scope"]["client"][1].clone());
            assert_eq!(both[0], both[1]);
            (client, both[0].clone())
        })
        .collect();
    assert_ne!(ports[0].1, ports[1].1);
}

#[test]
fn over_a_unix_socket_the_server_is_its_path_without_a_port() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join("pounce.sock");
    let _server = Server::start(Options::app("raw:app").without_port().with("--uds", &path));
    let mut client = Client::unix(&path);
    let scope = client.get("/scope").response().expect(200).json()["scope"].clone();
    assert_eq!(scope["server"], json!([path.to_str(), null]));
    assert_eq!(scope["scheme"], "http");
}

#[test]
fn the_root_path_is_that_of_the_option() {
    assert_eq!(seen_at("/scope")["scope"]["root_path"], "");
    let server = Server::start(Options::app("starlette_like:app").with("--root-path", "/prefix"));
    let scope = server.get("/items").expect(200).json();
    assert_eq!(scope["root_path"], "/prefix");
    // Servers differ in whether they add the prefix that a proxy removed; frameworks accept both.
    assert!(scope["path"] == "/prefix/items" || scope["path"] == "/items", "{scope}");
}

#[test]
fn extensions_are_those_offered_without_being_asked_for() {
    let offered = seen_at("/scope")["scope"]["extensions"].clone();
    for name in ["http.response.early_hint", "http.response.debug"] {
        assert_eq!(offered[name], json!({}), "{name}");
    }
    // Trailers are offered only to clients that send `TE: trailers`, unlike this one.
    for name in [
        "http.response.trailers",
        "http.response.pathsend",
        "http.response.zerocopysend",
        "http.response.push",
        "tls",
    ] {
        assert!(offered.get(name).is_none(), "{name}");
    }
}

#[test]
fn an_applications_changes_to_a_scope_are_gone_in_the_next() {
    let server = Server::start(Options::app("starlette_like:vandal"));
    let mut client = server.connect();
    let first = client.get("/same").response().expect(200).json();
    let second = client.get("/same").response().expect(200).json();
    assert_eq!(first, second);
}

#[test]
fn an_applications_changes_to_a_scope_are_invisible_to_concurrent_requests() {
    let server = Server::start(Options::app("starlette_like:neighbours"));
    let mut client = server.h2();
    client.get(1, "/watch");
    assert!(client.ask(3, &Request::get("/ruin")).expect(200).text().contains("ruined"));
    let watched = client.response(1).expect(200).text();
    assert!(!watched.contains("ruined"), "{watched}");
}

#[test]
fn an_absolute_target_is_the_path_that_it_names() {
    let request =
        "GET http://test:8000/scope/a%20b?c=d HTTP/1.1\r\nHost: test:8000\r\nConnection: close\r\n\r\n";
    let scope = &seen(request)["scope"];
    assert_eq!((&scope["path"], &scope["raw_path"]), (&json!("/scope/a b"), &json!("/scope/a%20b")));
    assert_eq!(scope["query_string"], "c=d");
}

#[test]
fn a_context_variable_that_is_set_before_the_coroutine_is_the_requests_own() {
    let server = Server::start(Options::app("shapes:before_its_coroutine"));
    let mut client = server.connect();
    for _ in 0..3 {
        let text = client.get("/").response().expect(200).text();
        assert_eq!(text, "nothing before, what an earlier request set now");
    }
}

#[test]
fn every_request_of_a_connection_has_its_own_headers() {
    let mut client = server().connect();
    let long = "v".repeat(4000);
    let mut rounds = vec![vec![("x-a", "1"), ("x-b", "2")], vec![("x-a", "1"), ("x-b", "3")]];
    rounds.extend([vec![("x-a", "1")], vec![], vec![("x-b", "1"), ("x-a", "2"), ("x-c", "")]]);
    rounds.extend([vec![("x-long", &*long)], vec![("x-b", "1"), ("x-a", "2"), ("x-c", "")]]);
    for sent in rounds.iter().chain(rounds.iter().rev()) {
        let lines: String = sent.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        client.send(format!("GET /scope HTTP/1.1\r\nHost: test\r\n{lines}\r\n"));
        let told: Value = client.response().expect(200).json();
        let expected: Vec<_> = [("host", "test")].into_iter().chain(sent.iter().copied()).collect();
        assert_eq!(told["scope"]["headers"], json!(expected));
    }
}
