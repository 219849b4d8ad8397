//! Applications that cannot be imported: exit code 3, and a message that names the part that failed.

use pounce_tests::options::is_embedded;
use pounce_tests::{Exit, Options, Server};
use std::fs;
use std::path::Path;

fn start(app: &str) -> Exit {
    Server::run(Options::app(app))
}

fn start_broken(app: &str) -> Exit {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("apps/broken");
    Server::run(Options::app(app).app_dir(&folder))
}

/// Shows that the server exited because of the import, that the message has each of `parts`, and that
/// it contains neither Rust's messages nor a readiness line.
fn could_not_import(exit: &Exit, parts: &[&str]) {
    assert_eq!(exit.code, Some(3), "{exit:?}");
    for part in parts {
        assert!(exit.stderr.contains(part), "{part:?} not in\n{}", exit.stderr);
    }
    assert!(exit.stderr.contains("error"), "{}", exit.stderr);
    for part in ["panicked", "RUST_BACKTRACE", " ready: "] {
        assert!(!exit.stderr.contains(part), "{part:?} in\n{}", exit.stderr);
    }
}

#[test]
fn a_module_that_is_not_there_is_named_with_what_was_searched() {
    let exit = start("no_such_module:app");
    could_not_import(&exit, &["no_such_module", "apps"]);
}

#[test]
fn a_misspelt_module_is_distinguished_from_one_that_fails_inside() {
    could_not_import(&start("raw.inner:app"), &["raw.inner"]);
    could_not_import(&start("no_such_package.module:app"), &["no_such_package"]);
}

#[test]
fn a_syntax_error_is_shown_with_its_line() {
    could_not_import(&start_broken("syntax_error:app"), &["SyntaxError", "syntax_error.py", "def app(scope"]);
}

#[test]
fn an_import_that_fails_inside_the_module_is_shown_with_its_traceback() {
    let exit = start_broken("import_error:app");
    could_not_import(&exit, &["a_module_that_is_not_there", "import_error.py", "Traceback"]);
}

#[test]
fn a_module_that_raises_is_shown_with_its_traceback() {
    let exit = start_broken("raises:app");
    could_not_import(&exit, &["RuntimeError: no database at import", "raises.py", "Traceback", "connect"]);
}

#[test]
fn a_module_that_exits_does_not_look_like_success() {
    could_not_import(&start_broken("exits:app"), &["settings are missing"]);
}

#[test]
fn an_attribute_that_is_not_there_has_close_matches() {
    could_not_import(&start("shapes:aap"), &["aap", "shapes", "app"]);
    could_not_import(&start("shapes:plain_funktion"), &["plain_funktion", "plain_function"]);
    could_not_import(&start("shapes:Holder.inner.ap"), &["Holder.inner.ap"]);
}

#[test]
fn a_module_without_an_application_says_what_was_looked_for() {
    could_not_import(&start_broken("nothing"), &["nothing", "app", "application"]);
}

#[test]
fn an_object_that_is_not_callable_is_no_application() {
    could_not_import(&start("shapes:number"), &["number", "callable"]);
}

#[test]
fn a_factory_that_raises_is_shown_with_its_traceback() {
    let exit = start("shapes:broken_factory()");
    could_not_import(&exit, &["the factory broke", "shapes.py", "Traceback"]);
}

#[test]
fn a_factory_that_gives_nothing_callable_is_named() {
    could_not_import(&start("shapes:factory_of_nothing()"), &["factory_of_nothing", "callable"]);
}

#[test]
fn an_invalid_application_name_is_refused() {
    for app in [":app", "shapes:", "shapes:app:app", "shapes:app("] {
        let exit = start(app);
        assert!(matches!(exit.code, Some(2 | 3)), "{app}: {exit:?}");
        assert!(exit.stderr.contains("error") && !exit.stderr.contains("panicked"), "{app}: {}", exit.stderr);
    }
}

#[test]
fn a_wsgi_application_is_refused_with_the_wrapper_to_use() {
    for app in ["wsgi_function", "wsgi_object", "wsgi_factory()"] {
        let exit = start(&format!("shapes:{app}"));
        could_not_import(&exit, &["is a WSGI application", "hint:", "asgiref.wsgi", "WsgiToAsgi", "a2wsgi"]);
    }
}

/// A project whose application imports a package that is not installed.
fn project() -> tempfile::TempDir {
    let directory = tempfile::tempdir().expect("a temporary directory");
    fs::create_dir_all(directory.path().join("src")).expect("writable");
    fs::write(directory.path().join("src/main.py"), "import a_package_of_a_virtualenv\n").expect("writable");
    directory
}

/// Makes a folder look like a virtualenv of Python `version`.
fn virtualenv(folder: &Path, version: &str) {
    fs::create_dir_all(folder.join("bin")).expect("writable");
    fs::write(folder.join("bin/python"), "").expect("writable");
    fs::create_dir_all(folder.join("lib").join(version).join("site-packages")).expect("writable");
}

fn without_virtualenv(directory: &Path) -> Options {
    Options::app("main:app").app_dir(&directory.join("src")).without_virtualenv()
}

#[test]
fn a_package_that_is_missing_without_a_virtualenv_is_answered_with_that() {
    if !is_embedded() {
        return eprintln!("skipped: the server runs in the Python that it is installed for");
    }
    let directory = project();
    let exit = Server::run(without_virtualenv(directory.path()));
    could_not_import(&exit, &["a_package_of_a_virtualenv", "hint: No virtualenv is in use", "--python"]);
}

#[test]
fn a_virtualenv_above_the_application_or_of_conda_is_named() {
    if !is_embedded() {
        return eprintln!("skipped: the server runs in the Python that it is installed for");
    }
    let versions = ["3.11", "3.12", "3.13", "3.13t", "3.14", "3.14t", "3.15", "3.15t"];
    let every_version = |folder: &Path| {
        for version in versions {
            virtualenv(folder, &format!("python{version}"));
        }
    };
    let directory = project();
    let conda = directory.path().join("conda");
    every_version(&conda);
    let exit = Server::run(without_virtualenv(directory.path()).env("CONDA_PREFIX", &conda));
    could_not_import(&exit, &[&format!("add --python {}", conda.display())]);

    let venv = directory.path().join("venv");
    every_version(&venv);
    let exit = Server::run(without_virtualenv(directory.path()).env("CONDA_PREFIX", &conda));
    could_not_import(&exit, &[&format!("add --python {}", venv.display())]);
}

#[test]
fn a_virtualenv_of_another_python_is_not_recommended() {
    if !is_embedded() {
        return eprintln!("skipped: the server runs in the Python that it is installed for");
    }
    let directory = project();
    let venv = directory.path().join("venv");
    virtualenv(&venv, "python2.7");
    let exit = Server::run(without_virtualenv(directory.path()));
    could_not_import(&exit, &[&format!("{} is one of another Python", venv.display())]);
}
