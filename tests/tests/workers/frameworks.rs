//! Real frameworks with many workers. Skipped if the framework is missing.

use pounce_tests::python::has;
use pounce_tests::{Mode, Options, Server, in_modes};
use serde_json::json;

in_modes! { process Process: starlette_is_served, django_is_served, quart_is_served, fastapi_is_served }
in_modes! { thread Thread: starlette_is_served, django_is_served, quart_is_served, fastapi_is_served }
in_modes! { subinterpreter Subinterpreter: starlette_is_served, django_is_served, quart_is_served }

/// Shows that the paths that all frameworks' applications have work, on many connections.
fn is_served(app: &str, mode: Mode, modules: &[&str]) {
    if !modules.iter().all(|module| has(module)) {
        return;
    }
    let mut server = Server::start(Options::app(app).workers(mode, 2).flag("--no-access-log"));
    for number in 0..20 {
        let hello = server.get(&format!("/json?name={number}")).expect(200).json();
        assert_eq!(hello, json!({"hello": number.to_string()}));
        let stream = server.get("/stream").expect(200).text();
        assert_eq!(stream, (0..50).map(|line| format!("line {line}\n")).collect::<String>());
        assert_eq!(server.get("/sync").expect(200).json()["value"], "from a function");
    }
    server.get("/fails").expect(500);
    server.sigterm();
    let exit = server.wait_exit();
    assert_eq!(exit.code, Some(0), "{}", exit.stderr);
    server.left_nothing(&[]);
}

fn starlette_is_served(mode: Mode) {
    is_served("starlette_app:app", mode, &["starlette", "python_multipart"]);
}

fn django_is_served(mode: Mode) {
    is_served("django_app:application", mode, &["django"]);
}

fn quart_is_served(mode: Mode) {
    is_served("quart_app:app", mode, &["quart"]);
}

fn fastapi_is_served(mode: Mode) {
    is_served("fastapi_app:app", mode, &["fastapi", "python_multipart"]);
}
