//! Files and variables of other servers, where `compat` names the server.

use std::path::Path;

use pounce_config::{Compat, ForeignFile, FoundFile, Layers, ServerConfig, discover};

use crate::common::{app, env, messages};

const SETTINGS: [(Compat, &str); 2] = [
    (Compat::Gunicorn, include_str!("../../src/layer/compat/gunicorn.txt")),
    (Compat::Hypercorn, include_str!("../../src/layer/compat/hypercorn.txt")),
];

fn file(owner: Compat, is_python: bool) -> ForeignFile {
    ForeignFile { owner, path: "theirs".into(), is_python }
}

/// The layers of these settings; values are separated by commas.
fn settings(owner: Compat, is_python: bool, settings: &[(&str, &str)]) -> Layers {
    let texts = |values: &str| values.split(',').map(str::to_owned).collect();
    let settings = settings.iter().map(|(name, values)| ((*name).to_owned(), texts(values))).collect();
    app().foreign_file(&file(owner, is_python), settings)
}

fn gunicorn(given: &[(&str, &str)]) -> ServerConfig {
    settings(Compat::Gunicorn, true, given).build().expect("a valid configuration")
}

#[test]
fn every_setting_of_other_servers_is_known() {
    for (owner, list) in SETTINGS {
        for name in list.lines().filter(|line| !line.starts_with('#')) {
            // None of the settings is this file itself.
            let faults = match settings(owner, false, &[(name, "1")]).build() {
                Ok(_) => Vec::new(),
                Err(errors) => errors.0.iter().map(ToString::to_string).collect(),
            };
            assert!(!faults.iter().any(|fault| fault.contains("no such option")), "{faults:?}");
        }
    }
}

#[test]
fn gunicorn_s_settings_set_the_options() {
    let config = gunicorn(&[
        ("wsgi_app", "site:app"),
        ("bind", "127.0.0.1:80,unix:/run/s.sock"),
        ("keepalive", "7"),
        ("raw_env", "A=1,B=2"),
        ("accesslog", "/var/log/a"),
        ("loglevel", "warning"),
        ("umask", "27"),
        ("proc_name", "site"),
        ("logconfig_dict", "{\"version\": 1}"),
    ]);
    assert_eq!(config.app.environment, [("A".into(), "1".into()), ("B".into(), "2".into())]);
    assert_eq!(config.listen.binds, ["127.0.0.1:80", "unix:/run/s.sock"]);
    assert_eq!(config.http.timeout_keep_alive.as_secs(), 7);
    assert_eq!((config.process.umask, config.process.name.as_deref()), (Some(0o27), Some("site")));
    assert_eq!(config.log.python, Some(pounce_config::LogSource::Json("{\"version\": 1}".into())));
    assert_eq!(config.origin("timeout-keep-alive").to_string(), "keepalive in theirs");
    // The command line names the application as well.
    assert_eq!(config.app.target, "main:app");
}

#[test]
fn what_has_no_meaning_is_listed_once_and_defaults_and_variables_are_left_out() {
    let config = gunicorn(&[
        ("post_fork", ""),
        ("worker_class", "uvicorn.workers.UvicornWorker"),
        ("errorlog", ""),
        ("daemon", "false"),
        ("preload_app", "true"),
        ("cpus", "4"),
        ("host", "0.0.0.0"),
        ("port", "9"),
        ("debug", "true"),
    ]);
    assert_eq!(config.notes(), ["theirs sets what has no meaning here: post_fork, worker_class"]);
}

#[test]
fn what_would_be_lost_is_refused() {
    let faults =
        messages(settings(Compat::Gunicorn, true, &[("daemon", "true"), ("statsd_host", "x:1")]).build());
    assert_eq!(faults.len(), 2, "{faults:?}");
    assert!(faults[0].starts_with("daemon in theirs is gunicorn's and hypercorn's"), "{faults:?}");
    let faults = messages(settings(Compat::Hypercorn, false, &[("nonsense", "1")]).build());
    assert_eq!(faults, ["nonsense: no such option (nonsense in theirs)"]);
}

#[test]
fn hypercorn_s_file_is_toml() {
    let dir = tempfile::tempdir().unwrap();
    let text = "bind = ['[::1]:80']\nkeep_alive_timeout = 7\ninclude_server_header = false\nuse_reloader = true\n\
                alpn_protocols = ['h2']\n[logconfig_dict]\nversion = 1";
    std::fs::write(dir.path().join("hypercorn.toml"), text).unwrap();
    let found = discover(dir.path(), Some(Path::new("hypercorn.toml")), None).unwrap();
    let Some(FoundFile::Foreign(file)) = found else { panic!("it is hypercorn's") };
    let config = app().foreign_file(&file, file.read_toml(dir.path()).unwrap()).build().unwrap();
    assert_eq!(config.listen.binds, ["[::1]:80"]);
    assert_eq!(config.http.timeout_keep_alive.as_secs(), 7);
    assert!(!config.http.server_header && config.reload.is_some());
    assert_eq!(config.log.python, Some(pounce_config::LogSource::Json("{\"version\":1}".into())));
    assert_eq!(config.notes(), ["hypercorn.toml sets what has no meaning here: alpn_protocols"]);
    std::fs::write(dir.path().join("hypercorn.toml"), "bind =").unwrap();
    let errors = file.read_toml(dir.path()).unwrap_err();
    assert!(errors.to_string().starts_with("hypercorn.toml: not valid TOML"), "{errors}");
}

#[test]
fn a_file_s_server_is_told_by_compat_or_its_name() {
    let dir = tempfile::tempdir().unwrap();
    let named = |path: &str, compat| discover(dir.path(), Some(Path::new(path)), compat);
    for (path, compat, owner, is_python) in [
        ("gunicorn.conf.py", None, Compat::Gunicorn, true),
        ("conf/gunicorn_prod.py", None, Compat::Gunicorn, true),
        ("python:gunicorn_conf", None, Compat::Gunicorn, true),
        ("hypercorn.py", None, Compat::Hypercorn, true),
        ("file:settings.py", Some(Compat::Hypercorn), Compat::Hypercorn, true),
        ("settings.toml", Some(Compat::Hypercorn), Compat::Hypercorn, false),
        ("gunicorn.conf", Some(Compat::Gunicorn), Compat::Gunicorn, true),
    ] {
        let expected = ForeignFile { owner, path: path.into(), is_python };
        assert_eq!(named(path, compat).unwrap(), Some(FoundFile::Foreign(expected)), "{path}");
    }
    let errors = named("settings.py", Some(Compat::Uvicorn)).unwrap_err();
    assert!(errors.to_string().contains("this is a Python program"), "{errors}");
    assert!(errors.0[0].hint().unwrap().contains("--compat gunicorn"));
    // gunicorn reads its file without being told.
    std::fs::write(dir.path().join("gunicorn.conf.py"), "").unwrap();
    std::fs::write(dir.path().join("pounce.toml"), "").unwrap();
    let found = discover(dir.path(), None, Some(Compat::Gunicorn)).unwrap();
    assert!(matches!(found, Some(FoundFile::Foreign(file)) if file.path == Path::new("gunicorn.conf.py")));
    assert!(matches!(discover(dir.path(), None, None).unwrap(), Some(FoundFile::Own(_))));
}

#[test]
fn variables_of_the_named_server_are_read() {
    let variables = [
        ("UVICORN_PORT", "81"),
        ("UVICORN_WORKERS", "3"),
        ("UVICORN_RELOAD_DIRS", "a:b"),
        ("UVICORN_RESET_CONTEXTVARS", "1"),
        ("UVICORN_NOPE", "1"),
        ("GRANIAN_PORT", "82"),
        ("POUNCE_WORKERS", "4"),
        ("POUNCE_COMPAT", "uvicorn"),
    ];
    let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let config = app().environment(variables).build().unwrap();
    assert_eq!(config.listen.binds, ["127.0.0.1:81"]);
    assert_eq!(config.workers.count.map(usize::from), Some(4));
    assert_eq!(config.origin("port").to_string(), "UVICORN_PORT in the environment");
    let notes = config.notes().join("\n");
    assert!(notes.contains("UVICORN_RESET_CONTEXTVARS in the environment is uvicorn's"), "{notes}");
    assert!(notes.contains("UVICORN_NOPE in the environment names no option of uvicorn"), "{notes}");
    assert!(notes.contains("GRANIAN_PORT in the environment is not read"), "{notes}");
    let granian = [("GRANIAN_LOG_ACCESS_ENABLED", "false"), ("GRANIAN_WEBSOCKETS", "false")];
    let granian = granian.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let config = app().environment(granian).command_line([("compat", ["granian"])]).build().unwrap();
    assert!(config.log.access.is_none() && config.websocket.is_none());
}

#[test]
fn gunicorn_s_arguments_in_the_environment_rank_below_variables_of_their_own() {
    let layers = app().environment(env("GUNICORN_CMD_ARGS", "-w 3")).environment(env("POUNCE_PORT", "9"));
    assert_eq!(layers.gunicorn_arguments(), None);
    let layers = layers.command_line([("compat", ["gunicorn"])]);
    assert_eq!(layers.gunicorn_arguments(), Some("-w 3"));
    let arguments = [("-w", "3"), ("port", "8"), ("-b", ":1"), ("-b", ":2"), ("-p", "x.pid")];
    let arguments = arguments.map(|(name, value)| (name.to_owned(), vec![value.to_owned()]));
    let config = layers.environment_arguments(arguments).build().unwrap();
    assert_eq!(config.workers.count.map(usize::from), Some(3));
    assert_eq!(config.origin("port").to_string(), "POUNCE_PORT in the environment");
    assert_eq!(config.listen.binds, ["0.0.0.0:1", "0.0.0.0:2"]);
    assert_eq!(config.process.pid.as_deref(), Some(Path::new("x.pid")));
    assert_eq!(config.origin("pid").to_string(), "GUNICORN_CMD_ARGS in the environment");
}

#[test]
fn short_options_mean_what_they_do_in_the_named_server() {
    let arguments = [("-p", ["x.pid"]), ("-u", ["www"]), ("compat", ["gunicorn"]), ("-e", ["A=1"])];
    let config = app().command_line(arguments).build().unwrap();
    assert_eq!((config.process.user.as_deref(), config.process.pid.is_some()), (Some("www"), true));
    assert_eq!(config.app.environment.len(), 1);
    assert_eq!(config.origin("user").to_string(), "-u on the command line");
    assert_eq!(messages(app().command_line([("-p", ["x.pid"])]).build()).len(), 1);
}

#[test]
fn what_a_platform_sets_for_any_server_is_no_more_than_a_default() {
    let platform = || app().environment(env("WEB_CONCURRENCY", "2"));
    let count = |layers: Layers| layers.build().unwrap().workers.count.map(usize::from);
    assert_eq!(count(platform()), Some(2));
    let gunicorn = platform().command_line([("compat", ["gunicorn"])]);
    assert_eq!(count(gunicorn.environment_arguments([("workers".into(), vec!["8".into()])])), Some(8));
    assert_eq!(
        count(platform().environment(env("UVICORN_WORKERS", "8")).command_line([("compat", ["uvicorn"])])),
        Some(8)
    );
    let file = file(Compat::Gunicorn, true);
    assert_eq!(count(platform().foreign_file(&file, vec![("workers".into(), vec!["8".into()])])), Some(8));
}
