//! The meaning of options, alone and combined.

use std::num::NonZeroU64;
use std::time::Duration;

use pounce_config::{AccessLogFormat, Interface, LifespanMode, LogFormat, LogLevel};

use crate::common::{app, config, env, toml};

#[test]
fn the_defaults_are_the_documented_ones() {
    let config = config(&[]);
    assert_eq!(config.app.target, "main:app");
    assert_eq!((config.app.interface, config.app.factory, config.app.debug), (Interface::Auto, false, false));
    assert_eq!((config.app.root_path.as_str(), &config.app.app_dir, &config.app.python), ("", &None, &None));
    assert_eq!((config.listen.backlog, config.listen.uds_permissions), (2048, None));
    let http = &config.http;
    let seconds = [http.timeout_keep_alive, http.timeout_header, http.timeout_body, http.timeout_write];
    assert_eq!(seconds.map(|time| time.as_secs()), [75, 10, 30, 30]);
    assert_eq!((http.limit_connections, http.limit_concurrency), (None, None));
    assert_eq!((http.limits.request_line, http.limits.fields), (8 << 10, 100));
    assert_eq!((http.limits.header_size, http.limits.body), (64 << 10, Some(1 << 30)));
    assert_eq!((http.limit_min_read_rate, http.limit_min_body_rate), (NonZeroU64::new(100), None));
    assert!(http.server_header && http.date_header && http.headers.is_empty());
    let lifecycle = &config.lifecycle;
    assert_eq!(lifecycle.lifespan, LifespanMode::Auto);
    assert_eq!(lifecycle.timeout_startup, Duration::from_secs(30));
    assert_eq!(lifecycle.timeout_graceful_shutdown, Duration::from_secs(10));
    assert_eq!(
        (config.log.level, config.log.format, config.log.colors),
        (LogLevel::Info, LogFormat::Auto, None)
    );
    assert_eq!(config.log.access, Some(AccessLogFormat::Text("%(h)s - \"%(r)s\" %(s)s".into())));
    assert_eq!(config.reload, None);
}

#[test]
fn host_and_port_make_one_endpoint_and_ipv6_gets_its_brackets() {
    assert_eq!(config(&["host=0.0.0.0", "port=80"]).listen.binds, ["0.0.0.0:80"]);
    assert_eq!(config(&["host=::1"]).listen.binds, ["[::1]:8000"]);
    assert_eq!(config(&["host=[::]", "port=0"]).listen.binds, ["[::]:0"]);
}

#[test]
fn every_named_endpoint_is_used_once_and_takes_the_place_of_host_and_port() {
    let config = config(&["bind=:1", "bind=[::1]:2", "uds=/run/a.sock", "fd=3", "bind=fd://3", "bind=:1"]);
    assert_eq!(config.listen.binds, ["0.0.0.0:1", "[::1]:2", "fd://3", "unix:/run/a.sock"]);
    assert!(config.notes().is_empty());
}

#[test]
fn a_port_next_to_a_named_endpoint_of_its_source_is_noted() {
    assert_eq!(
        config(&["bind=:1", "port=2"]).notes(),
        ["port (--port on the command line) has no effect: \
          bind (--bind on the command line) says where to listen"]
    );
}

#[test]
fn a_port_of_a_higher_source_than_a_named_endpoint_is_noted_and_of_a_lower_one_is_not() {
    let higher =
        app().file(&toml("uds = '/run/a.sock'")).environment(env("POUNCE_PORT", "1")).build().unwrap();
    assert_eq!(higher.notes().len(), 1);
    let lower = app().file(&toml("port = 1")).environment(env("POUNCE_UDS", "/run/a.sock")).build().unwrap();
    assert!(lower.notes().is_empty());
    assert_eq!(lower.listen.binds, ["unix:/run/a.sock"]);
}

#[test]
fn permissions_without_a_unix_socket_are_noted() {
    assert_eq!(config(&["uds-permissions=660"]).notes().len(), 1);
    let config = config(&["uds-permissions=660", "bind=unix:a.sock"]);
    assert_eq!(config.listen.uds_permissions, Some(0o660));
    assert!(config.notes().is_empty());
}

#[test]
fn a_limit_of_zero_or_none_is_no_limit_and_overrules_a_lower_one() {
    for none in ["0", "none"] {
        let layers = app().file(&toml("limit-concurrency = 5"));
        let lower = layers.clone().build().unwrap();
        assert_eq!(lower.http.limit_concurrency, NonZeroU64::new(5));
        let arguments = [
            ("limit-concurrency", [none]),
            ("limit-request-body", [none]),
            ("limit-min-read-rate", [none]),
            ("limit-min-body-rate", [none]),
        ];
        let config = layers.command_line(arguments).build().unwrap();
        assert_eq!((config.http.limit_concurrency, config.http.limits.body), (None, None));
        assert_eq!((config.http.limit_min_read_rate, config.http.limit_min_body_rate), (None, None));
    }
}

#[test]
fn the_access_log_is_a_template_json_or_nothing() {
    assert_eq!(config(&["access-log-format=json"]).log.access, Some(AccessLogFormat::Json));
    let template = AccessLogFormat::Text("%(addr)s".into());
    assert_eq!(config(&["access-log-fmt=%(addr)s"]).log.access, Some(template));
    assert_eq!(config(&["no-access-log", "access-log-format=json"]).log.access, None);
}

#[test]
fn colours_are_on_off_or_left_to_the_terminal() {
    assert_eq!(config(&["use-colors"]).log.colors, Some(true));
    assert_eq!(config(&["no-use-colors"]).log.colors, Some(false));
}

#[test]
fn severities_are_ordered_from_the_most_severe() {
    assert!(LogLevel::Critical < LogLevel::Error && LogLevel::Debug < LogLevel::Trace);
}

#[test]
fn reloading_has_its_settings_only_when_asked_for() {
    assert!(config(&["reload-dir=src"]).reload.is_none());
    let reload = config(&["reload", "reload-dir=src", "reload-delay=500ms"]).reload.unwrap();
    assert_eq!(reload.dirs, [std::path::Path::new("src")]);
    assert_eq!(reload.include, ["*.py"]);
    assert!(reload.exclude.is_empty());
    assert_eq!(reload.delay, Duration::from_millis(500));
}

#[test]
fn the_listing_shows_every_option_with_its_value_and_origin() {
    let config = config(&["bind=:1", "bind=:2"]);
    let names: Vec<_> = config.settings().map(|(name, ..)| name).collect();
    assert_eq!(names, pounce_config::OPTIONS.iter().map(|spec| spec.name).collect::<Vec<_>>());
    let (_, value, origin) = config.settings().find(|(name, ..)| *name == "bind").unwrap();
    assert_eq!(value.as_deref(), Some(":1, :2"));
    assert_eq!(origin, config.origin("bind"));
    let (_, value, _) = config.settings().find(|(name, ..)| *name == "uds").unwrap();
    assert_eq!(value, None);
}
