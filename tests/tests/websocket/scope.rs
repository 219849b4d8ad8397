//! The scope of a WebSocket (ASGI 2.5).

use pounce_tests::{Handshake, Options, Transport, over_every_transport};
use serde_json::{Value, json};

over_every_transport! {
    the_scope_is_that_of_a_websocket,
    subprotocols_are_listed_in_order,
    headers_are_pairs_of_bytes_in_lower_case,
    the_path_is_decoded_and_the_raw_one_kept,
    the_extensions_name_denials_and_tls,
    the_state_of_the_lifespan_is_there,
    header_values_beyond_ascii_are_kept,
}

fn scope_of(transport: Transport, handshake: &Handshake) -> (Value, Value) {
    let mut value = transport.open(transport.shared(), handshake).json();
    (value["scope"].take(), value["types"].take())
}

fn the_scope_is_that_of_a_websocket(transport: Transport) {
    let (scope, types) = scope_of(transport, &Handshake::to("/scope?a=b"));
    assert_eq!(scope["type"], "websocket");
    assert_eq!(scope["asgi"]["version"], "3.0");
    assert_eq!(scope["asgi"]["spec_version"], "2.5");
    assert_eq!(scope["scheme"], if transport.is_tls() { "wss" } else { "ws" });
    assert_eq!(scope["http_version"], if transport.is_http2() { "2" } else { "1.1" });
    assert_eq!(scope["query_string"], "a=b");
    assert_eq!(types["query_string"], "bytes");
    assert_eq!(scope["root_path"], "");
    assert_eq!(scope["client"][0], "127.0.0.1");
    assert_eq!(scope["server"][0], "127.0.0.1");
    assert_eq!(scope["server"][1], transport.shared().address().port());
    assert_eq!(scope["subprotocols"], json!([]));
    assert!(scope.get("method").is_none(), "{scope}");
}

fn subprotocols_are_listed_in_order(transport: Transport) {
    let handshake = Handshake::to("/scope").protocols("chat.v2,chat.v1 ,  last").protocols("again");
    let (scope, types) = scope_of(transport, &handshake);
    assert_eq!(scope["subprotocols"], json!(["chat.v2", "chat.v1", "last", "again"]));
    assert!(matches!(types["subprotocols"].as_str(), Some("list" | "tuple")), "{types}");
}

fn headers_are_pairs_of_bytes_in_lower_case(transport: Transport) {
    let (scope, _) = scope_of(transport, &Handshake::to("/scope").with("x-one", "1").with("x-one", "2"));
    let headers = scope["headers"].as_array().expect("a list");
    let values = |name: &str| -> Vec<&Value> {
        headers.iter().filter(|pair| pair[0] == name).map(|pair| &pair[1]).collect()
    };
    assert_eq!(values("x-one"), [&json!("1"), &json!("2")]);
    assert_eq!(values("host").len(), 1, "{headers:?}");
    assert_eq!(values("sec-websocket-version"), [&json!("13")]);
    assert!(headers.iter().all(|pair| !pair[0].as_str().expect("text").starts_with(':')), "{headers:?}");
}

fn the_path_is_decoded_and_the_raw_one_kept(transport: Transport) {
    let (scope, types) = scope_of(transport, &Handshake::to("/scope/caf%C3%A9%20x?q=%20"));
    assert_eq!(scope["path"], "/scope/caf\u{e9} x");
    assert_eq!(scope["raw_path"], "/scope/caf%C3%A9%20x");
    assert_eq!(scope["query_string"], "q=%20");
    assert_eq!((&types["path"], &types["raw_path"]), (&json!("str"), &json!("bytes")));
}

fn the_extensions_name_denials_and_tls(transport: Transport) {
    let (scope, _) = scope_of(transport, &Handshake::to("/scope"));
    assert_eq!(scope["extensions"]["websocket.http.response"], json!({}));
    assert_eq!(scope["extensions"].get("tls").is_some(), transport.is_tls(), "{scope}");
    // The extensions of HTTP only.
    for name in ["http.response.trailers", "http.response.push", "http.response.early_hint"] {
        assert!(scope["extensions"].get(name).is_none(), "{name}: {scope}");
    }
}

fn the_state_of_the_lifespan_is_there(transport: Transport) {
    let server = transport.start(Options::app("websocket:with_state"));
    let value = transport.connect(&server, "/scope").json();
    assert_eq!(value["scope"]["state"], json!({ "shared": ["from the lifespan"] }));
    assert_eq!(value["types"]["state"], "dict");
}

fn header_values_beyond_ascii_are_kept(transport: Transport) {
    let handshake = Handshake::to("/scope").with("x-high", "\u{e9}").protocols("caf\u{e9}, plain");
    // Either kept as Latin-1 or refused, but never a panic.
    match transport.upgrade(transport.shared(), &handshake) {
        Ok(mut socket) => {
            let scope = socket.json()["scope"].take();
            assert_eq!(scope["subprotocols"].as_array().map(Vec::len), Some(2), "{scope}");
        }
        Err(response) => assert_eq!(response.status, 400),
    }
    transport.hear(transport.shared(), "/hello");
}
