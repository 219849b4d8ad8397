//! TOML files: which one is read, and what its keys may be.

use std::fs;
use std::path::Path;

use pounce_config::{FoundFile, discover};

use crate::common::{app, messages, pyproject, toml};

#[test]
fn the_own_file_is_found_before_the_projects() {
    let dir = tempfile::tempdir().unwrap();
    let found = || match discover(dir.path(), None, None).unwrap() {
        Some(FoundFile::Own(file)) => Some((file.path, file.text)),
        _ => None,
    };
    assert_eq!(found(), None);
    fs::write(dir.path().join("pyproject.toml"), "[project]").unwrap();
    assert_eq!(found(), Some(("pyproject.toml".into(), "[project]".into())));
    fs::write(dir.path().join("pounce.toml"), "port = 1").unwrap();
    assert_eq!(found(), Some(("pounce.toml".into(), "port = 1".into())));
}

#[test]
fn a_named_file_is_read_in_their_place_and_must_be_there() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("pounce.toml"), "port = 1").unwrap();
    fs::write(dir.path().join("other.toml"), "port = 2").unwrap();
    let Some(FoundFile::Own(file)) = discover(dir.path(), Some(Path::new("other.toml")), None).unwrap()
    else {
        panic!("it is Pounce's")
    };
    assert_eq!(app().file(&file).build().unwrap().origin("port").to_string(), "port in other.toml");
    let errors = discover(dir.path(), Some(Path::new("none.toml")), None).unwrap_err();
    assert!(errors.to_string().starts_with("none.toml: cannot be read: No such file"), "{errors}");
}

#[test]
fn a_project_file_speaks_only_under_its_own_table() {
    let text = "port = 1\n[project]\nname = 'x'\n[tool.ruff]\nline-length = 9\n[tool.pounce]\nport = 2";
    let config = app().file(&pyproject(text)).build().unwrap();
    assert_eq!(config.listen.binds, ["127.0.0.1:2"]);
    assert_eq!(config.origin("port").to_string(), "tool.pounce.port in pyproject.toml");
    let config = app().file(&pyproject("[project]\nname = 'x'")).build().unwrap();
    assert_eq!(config.listen.binds, ["127.0.0.1:8000"]);
    assert_eq!(
        messages(app().file(&pyproject("tool.pounce = 1")).build()),
        ["tool.pounce: expected a table, not \"1\" (tool.pounce in pyproject.toml)"]
    );
}

#[test]
fn keys_are_kebab_or_snake_case_and_values_of_their_natural_type() {
    let file = toml(
        "app = 'main:app'\ntimeout_header = 0.25\ntimeout-body = 3\nlimit_request_body = '2MiB'\n\
         limit-min-body-rate = 500\naccess-log = false\nreload = 'yes'\nreload-dir = ['src', 'lib']\nreload-exclude = 'tmp'\nbacklog = 10",
    );
    let config = pounce_config::Layers::new().file(&file).build().unwrap();
    assert_eq!(config.http.timeout_header.as_millis(), 250);
    assert_eq!(config.http.timeout_body.as_secs(), 3);
    assert_eq!(config.http.limits.body, Some(2 << 20));
    assert_eq!(config.http.limit_min_body_rate.map(u64::from), Some(500));
    assert_eq!(config.log.access, None);
    let reload = config.reload.unwrap();
    assert_eq!(reload.dirs, [Path::new("src"), Path::new("lib")]);
    assert_eq!(reload.exclude, ["tmp"]);
    assert_eq!(config.listen.backlog, 10);
}

#[test]
fn an_empty_array_empties_a_list_that_has_a_default() {
    let config = app().file(&toml("reload = true\nreload-include = []")).build().unwrap();
    assert!(config.reload.unwrap().include.is_empty());
}

#[test]
fn every_faulty_key_is_reported_in_one_go() {
    let text = "prot = 1\ntimeout-keep-alive = 1\nkeep_alive = 2\nconfig = 'x'\nport = [1]\nhost = 1979-05-27\n\
                uds-permissions = 0o660\nlimit-connections = -1\n[https]\nx = 1";
    assert_eq!(
        sorted(messages(app().file(&toml(text)).build())),
        [
            "config: cannot be set in a file (config in pounce.toml)",
            "host: expected text, not \"1979-05-27\" (host in pounce.toml)",
            "https: no such option (https in pounce.toml); did you mean \"http\"?",
            "limit-connections: expected a whole number, or 0 or none for no limit, not \"-1\" \
             (limit-connections in pounce.toml)",
            "port: expected a whole number from 0 to 65535, not \"[1]\" (port in pounce.toml)",
            "prot: no such option (prot in pounce.toml); did you mean \"port\"?",
            "timeout-keep-alive: given twice (timeout-keep-alive in pounce.toml)",
            "uds-permissions: expected octal digits in quotes, not \"432\" (uds-permissions in pounce.toml)",
        ]
    );
}

#[test]
fn a_file_that_is_not_toml_is_named_with_the_line() {
    let messages = messages(app().file(&toml("port = 1\nhost = ")).build());
    assert_eq!(messages.len(), 1);
    assert!(messages[0].starts_with("pounce.toml: not valid TOML: "), "{}", messages[0]);
    assert!(messages[0].contains("line 2"), "{}", messages[0]);
}

fn sorted(mut messages: Vec<String>) -> Vec<String> {
    messages.sort();
    messages
}
