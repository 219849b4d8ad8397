//! The names under which an application is found, and the forms it may have.

use pounce_tests::python::{interpreter, virtualenv};
use pounce_tests::{Options, Server};
use std::fs;
use std::path::Path;

fn answers(options: Options, wanted: &str) {
    let mut server = Server::start(options);
    assert_eq!(server.get("/").expect(200).text(), wanted);
    server.sigterm();
    let exit = server.wait_exit();
    assert_eq!(exit.code, Some(0), "{wanted}: {}", exit.stderr);
}

#[test]
fn a_module_alone_means_app_and_then_application() {
    answers(Options::app("shapes"), "the default app");
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("apps/broken");
    answers(Options::app("only_application").app_dir(&folder), "the application attribute");
}

#[test]
fn dotted_attributes_are_followed() {
    answers(Options::app("shapes:Holder.inner.app"), "a dotted attribute");
    answers(Options::app("shapes:Bound.static"), "static method");
}

#[test]
fn an_application_is_whatever_can_be_called_as_one() {
    for (app, wanted) in [
        ("shapes:plain_function", "plain function"),
        ("shapes:instance", "callable object"),
        ("shapes:partial", "partial"),
        ("shapes:bound.method", "bound method"),
    ] {
        answers(Options::app(app), wanted);
    }
}

#[test]
fn a_factory_is_called() {
    answers(Options::app("shapes:create()"), "made by a factory");
    answers(Options::app("shapes:create").flag("--factory"), "made by a factory");
    answers(Options::app("shapes:create_for").flag("--factory"), "made for somebody");
}

#[test]
fn asgi_2_is_found_out_or_named() {
    answers(Options::app("shapes:Asgi2"), "asgi2 class");
    answers(Options::app("shapes:asgi2_function"), "asgi2 class");
    answers(Options::app("shapes:Asgi2").with("--interface", "asgi2"), "asgi2 class");
    answers(Options::app("shapes:app").with("--interface", "asgi3"), "the default app");
}

#[test]
fn the_working_directory_is_where_an_application_is_looked_for() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let apps = pounce_tests::options::apps();
    fs::copy(apps.join("kit.py"), directory.path().join("kit.py")).expect("it is copied");
    fs::copy(apps.join("shapes.py"), directory.path().join("shapes.py")).expect("it is copied");
    let options = Options::app("shapes:app").without_app_dir().directory(directory.path());
    answers(options, "the default app");
}

#[test]
fn the_application_s_directory_comes_first() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    // Named like a module of the standard library: the application's directory must win.
    fs::write(directory.path().join("colorsys.py"), include_str!("../../apps/kit.py")).expect("writable");
    let app = "\napp = router({'hello': lambda scope, receive, send: respond(send, 'mine')})\n";
    let file = directory.path().join("colorsys.py");
    let source = fs::read_to_string(&file).expect("just written") + app;
    fs::write(&file, source).expect("writable");
    let server = Server::start(Options::app("colorsys:app").app_dir(directory.path()));
    assert_eq!(server.get("/hello").expect(200).text(), "mine");
}

#[test]
fn packages_are_those_of_the_virtualenv() {
    let (Some(virtualenv), Some(python)) = (virtualenv(), interpreter()) else {
        eprintln!("skipped: no test virtualenv");
        return;
    };
    let wanted = virtualenv.canonicalize().expect("it is there");
    let named = Options::app("raw:app").without_virtualenv().with("--python", &python);
    let project = tempfile::tempdir().expect("a temporary directory");
    std::os::unix::fs::symlink(&wanted, project.path().join(".venv")).expect("links can be made");
    let beside = Options::app("raw:app").without_virtualenv().directory(project.path());
    for options in [Options::app("raw:app"), named, beside] {
        let shown = format!("{options:?}");
        let server = Server::start(options);
        let python = server.get("/python").expect(200).json();
        let path = python["path"].as_array().expect("a list").clone();
        let found = path.iter().filter_map(|entry| Path::new(entry.as_str()?).canonicalize().ok());
        let site =
            found.filter(|entry| entry.starts_with(&wanted)).any(|entry| entry.ends_with("site-packages"));
        assert!(site, "{shown}: {path:?}");
        // Applications start other interpreters with this.
        let executable = Path::new(python["executable"].as_str().expect("a path"));
        let name = executable.file_name().expect("a file").to_string_lossy().into_owned();
        assert!(executable.exists() && name.starts_with("python"), "{shown}: {executable:?}");
    }
}
