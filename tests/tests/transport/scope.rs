//! The scope is the same over every transport, except for the keys that name the transport.

use pounce_tests::transport::Servers;
use pounce_tests::{Ask, Options, Server, Transport, over_every_transport};
use serde_json::{Value, json};

static SERVERS: Servers = Servers::new(|| Options::app("transport:app"));

over_every_transport! {
    version_scheme_and_method_are_those_of_the_request,
    a_method_of_any_name_reaches_the_application,
    the_path_is_decoded_and_the_raw_path_is_not,
    the_query_string_stays_as_sent,
    headers_have_lower_case_names_and_values_as_they_came,
    client_and_server_are_addresses,
    the_asgi_dictionary_names_both_versions,
    the_root_path_is_that_of_the_option,
    the_state_is_a_copy_of_that_of_the_lifespan,
    the_tls_extension_is_there_over_tls_alone,
    the_offered_extensions_are_those_of_the_specification,
    a_second_request_on_the_connection_has_its_own_scope,
}

fn server(transport: Transport) -> &'static Server {
    SERVERS.over(transport)
}

fn seen(transport: Transport, ask: &Ask) -> Value {
    transport.ask(server(transport), ask).answer().expect(200).json()
}

fn seen_at(transport: Transport, path: &str) -> Value {
    seen(transport, &Ask::get(path))["scope"].clone()
}

fn version_scheme_and_method_are_those_of_the_request(transport: Transport) {
    let scope = seen_at(transport, "/scope");
    assert_eq!(scope["type"], "http");
    assert_eq!(scope["http_version"], transport.version());
    assert_eq!(scope["scheme"], transport.scheme());
    assert_eq!(scope["method"], "GET");
}

fn a_method_of_any_name_reaches_the_application(transport: Transport) {
    for method in ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND", "M-SEARCH", "X"] {
        assert_eq!(seen(transport, &Ask::new(method, "/scope"))["scope"]["method"], method);
    }
}

fn the_path_is_decoded_and_the_raw_path_is_not(transport: Transport) {
    for (target, path) in [
        ("/scope/a%20b", "/scope/a b"),
        ("/scope/%C3%A9", "/scope/é"),
        ("/scope/a%2Fb", "/scope/a/b"),
        ("/scope/a+b", "/scope/a+b"),
        ("/scope/%25%32%30", "/scope/%20"),
        ("/scope//a/../b/.", "/scope//a/../b/."),
        ("/scope/a;b=c,d:e@f", "/scope/a;b=c,d:e@f"),
        ("/scope/%F0%9F%90%88", "/scope/🐈"),
    ] {
        let scope = seen_at(transport, target);
        assert_eq!((&scope["path"], &scope["raw_path"]), (&json!(path), &json!(target)));
    }
}

fn the_query_string_stays_as_sent(transport: Transport) {
    for (target, query) in [
        ("/scope", ""),
        ("/scope?", ""),
        ("/scope?a=b&c=%20d", "a=b&c=%20d"),
        ("/scope?a?b/c", "a?b/c"),
        ("/scope?%ff", "%ff"),
        ("/scope?a=+", "a=+"),
    ] {
        let scope = seen_at(transport, target);
        assert_eq!(scope["query_string"], query, "{target}");
        assert_eq!((&scope["path"], &scope["raw_path"]), (&json!("/scope"), &json!("/scope")), "{target}");
    }
}

fn headers_have_lower_case_names_and_values_as_they_came(transport: Transport) {
    let ask = Ask::get("/scope").header("x-b", "1").header("accept", "a").header("x-b", "One, Two");
    let ask = ask.header("x-empty", "").header("x-latin", "caf\u{e9}").header("cookie", "a=b; c=d");
    let answer = seen(transport, &ask);
    let headers = answer["scope"]["headers"].as_array().expect("a list").clone();
    // ASGI requires the order of values but not of names, which HTTP/2 libraries do not keep.
    let values = |name: &str| -> Vec<&str> {
        let named = headers.iter().filter(|pair| pair[0] == name);
        named.map(|pair| pair[1].as_str().expect("bytes as latin-1")).collect()
    };
    assert_eq!(values("host"), ["test"]);
    assert_eq!(values("x-b"), ["1", "One, Two"]);
    assert_eq!(values("accept"), ["a"]);
    assert_eq!(values("x-empty"), [""]);
    assert_eq!(values("x-latin"), ["caf\u{e9}"]);
    assert_eq!(values("cookie"), ["a=b; c=d"]);
    assert_eq!(headers.len(), 7, "{headers:?}");
    assert_eq!((&answer["header_types"], &answer["header_lengths"]), (&json!(["bytes"]), &json!([2])));
}

fn client_and_server_are_addresses(transport: Transport) {
    let answer = seen(transport, &Ask::get("/scope"));
    assert_eq!(
        (&answer["client_types"], &answer["server_types"]),
        (&json!(["str", "int"]), &json!(["str", "int"]))
    );
    assert_eq!(answer["scope"]["client"][0], "127.0.0.1");
    assert_eq!(answer["scope"]["server"], json!(["127.0.0.1", server(transport).address().port()]));
}

fn the_asgi_dictionary_names_both_versions(transport: Transport) {
    assert_eq!(seen_at(transport, "/scope")["asgi"], json!({"version": "3.0", "spec_version": "2.3"}));
}

fn the_root_path_is_that_of_the_option(transport: Transport) {
    assert_eq!(seen_at(transport, "/scope")["root_path"], "");
    let server =
        Server::start(Options::app("starlette_like:app").with("--root-path", "/prefix").over(transport));
    let scope = transport.get(&server, "/items").expect(200).json();
    assert_eq!(scope["root_path"], "/prefix");
}

fn the_state_is_a_copy_of_that_of_the_lifespan(transport: Transport) {
    // A separate server: requests of other tests would change objects in the state.
    let server = Server::start(Options::app("transport:app").over(transport));
    for number in 0..3 {
        let state = transport.get(&server, "/state").expect(200).json();
        assert_eq!(state["word"], "from the lifespan");
        assert_eq!(state["shared"], json!(vec![1; number]), "what it holds is shared");
        assert!(state.get("own").is_none(), "a copy a request: {state}");
    }
}

fn the_tls_extension_is_there_over_tls_alone(transport: Transport) {
    let tls = transport.get(server(transport), "/tls").expect(200).json();
    if !transport.is_tls() {
        return assert_eq!(tls, Value::Null);
    }
    assert_eq!(tls["tls_version"], 0x0304);
    assert!((0x1301..=0x1303).contains(&tls["cipher_suite"].as_u64().expect("a number")), "{tls}");
    let certificate = std::fs::read_to_string(server(transport).tls().certificate()).expect("it is there");
    assert_eq!(lines(tls["server_cert"].as_str().expect("PEM")), lines(&certificate));
    assert_eq!((&tls["client_cert_chain"], &tls["client_cert_name"]), (&json!([]), &Value::Null));
    assert_eq!(tls["client_cert_error"], Value::Null);
}

fn lines(pem: &str) -> String {
    pem.split_whitespace().collect()
}

fn the_offered_extensions_are_those_of_the_specification(transport: Transport) {
    let offered = seen_at(transport, "/scope")["extensions"].clone();
    for name in ["http.response.early_hint", "http.response.debug"] {
        assert_eq!(offered[name], json!({}), "{name}");
    }
    for name in ["http.response.pathsend", "http.response.zerocopysend", "http.response.push"] {
        assert!(offered.get(name).is_none(), "{name}");
    }
    assert_eq!(offered.get("tls").is_some(), transport.is_tls());
}

fn a_second_request_on_the_connection_has_its_own_scope(transport: Transport) {
    let mut first = transport.ask(server(transport), &Ask::get("/scope/first?a").header("x-first", "1"));
    let port = |body: &Value| body["scope"]["client"][1].clone();
    let mut text = Vec::new();
    while let Some(piece) = first.piece() {
        text.extend(piece);
    }
    let before: Value = serde_json::from_slice(&text).expect("JSON");
    let second = first.again(&Ask::get("/scope/second")).answer().expect(200).json();
    assert_eq!(port(&before), port(&second), "the connection is another");
    assert_eq!(
        (&second["scope"]["path"], &second["scope"]["query_string"]),
        (&json!("/scope/second"), &json!(""))
    );
    assert!(!second["scope"]["headers"].to_string().contains("x-first"));
}
