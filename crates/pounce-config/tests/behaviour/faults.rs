//! Refused values, and their messages.

use pounce_config::{Layers, Problem};

use crate::common::{app, env, given, messages, toml};

#[test]
fn faults_of_all_sources_and_of_the_whole_come_together() {
    let layers = Layers::new()
        .file(&toml("backlog = 0\nnonsense = 1"))
        .environment(env("POUNCE_LIFESPAN", "maybe"))
        .command_line([("port", ["80x"]), ("timeout-bdy", ["1"])]);
    let errors = layers.build().unwrap_err();
    let mut options: Vec<&str> = errors.0.iter().map(|fault| fault.option.as_str()).collect();
    options.sort_unstable();
    assert_eq!(options, ["app", "backlog", "lifespan", "nonsense", "port", "timeout-bdy"]);
    assert_eq!(errors.to_string().lines().count(), 6);
}

#[test]
fn a_fault_names_option_value_origin_and_what_was_expected() {
    let errors = app().environment(env("POUNCE_PORT", "80x")).build().unwrap_err();
    let fault = &errors.0[0];
    assert_eq!(fault.option, "port");
    assert_eq!(fault.value.as_deref(), Some("80x"));
    assert_eq!(fault.problem, Problem::Invalid { expected: "a whole number from 0 to 65535".into() });
    assert_eq!(
        fault.to_string(),
        "port: expected a whole number from 0 to 65535, not \"80x\" (POUNCE_PORT in the environment)"
    );
}

#[test]
fn a_fault_under_an_alias_names_what_was_typed_and_the_option() {
    assert_eq!(
        messages(given(&["keep-alive=ever"])),
        [
            "timeout-keep-alive: expected a time from 0 to 86400 seconds, such as 1.5, 10s or 500ms, not \"ever\" \
          (--keep-alive on the command line)"
        ]
    );
}

#[test]
fn a_misspelt_word_or_name_gets_its_close_match() {
    assert_eq!(given(&["log-level=inof"]).unwrap_err().0[0].close, Some("info"));
    assert_eq!(given(&["log-level=purple"]).unwrap_err().0[0].close, None);
    assert_eq!(
        given(&["asgi-extensions=pathsend,zerocopysent"]).unwrap_err().0[0].close,
        Some("zerocopysend")
    );
    assert_eq!(given(&["acess-log"]).unwrap_err().0[0].close, Some("access-log"));
}

#[test]
fn every_kind_refuses_what_is_not_its_own() {
    for argument in [
        "app=main.py:",
        "root-path=api",
        "app-dir=",
        "interface=wsgi",
        "asgi-extensions=push",
        "debug=maybe",
        "use-colors=pink",
        "host=a b",
        "host=",
        "port=65536",
        "port=-1",
        "bind=localhost",
        "uds=",
        "uds-permissions=999",
        "fd=2147483648",
        "backlog=0",
        "reload-delay=2h",
        "reload-include=",
        "access-log-format=",
        "timeout-keep-alive=25h",
        "timeout-header=0",
        "timeout-body=0",
        "timeout-write=0",
        "timeout-startup=0",
        "timeout-graceful-shutdown=soon",
        "limit-connections=1K",
        "limit-concurrency=-1",
        "limit-request-line=63",
        "limit-request-fields=0",
        "limit-header-size=255",
        "limit-request-body=big",
        "limit-min-read-rate=fast",
        "limit-min-body-rate=-1",
        "header=nocolon",
        "config=",
    ] {
        let option = argument.split('=').next().unwrap();
        let errors = given(&[argument]).expect_err(argument);
        assert_eq!(errors.0.len(), 1, "{argument}");
        assert_eq!(errors.0[0].option, option);
        assert!(matches!(errors.0[0].problem, Problem::Invalid { .. }), "{argument}");
    }
}

#[test]
fn the_ends_of_every_range_are_within_it() {
    for argument in [
        "port=65535",
        "fd=2147483647",
        "backlog=1",
        "reload-delay=1h",
        "timeout-keep-alive=24h",
        "timeout-header=1ms",
        "timeout-graceful-shutdown=0",
        "limit-request-line=64",
        "limit-request-line=16MiB",
        "limit-request-fields=32768",
        "limit-header-size=1KiB",
        "limit-request-body=18446744073709551615",
    ] {
        assert!(given(&[argument]).is_ok(), "{argument}");
    }
}

#[test]
fn a_faulty_item_of_a_list_is_named_and_so_is_every_other() {
    let errors = given(&["header=x: 1", "header=x: a\r\nb", "header=bad name: 1"]).unwrap_err();
    let values: Vec<_> = errors.0.iter().filter_map(|fault| fault.value.as_deref()).collect();
    assert_eq!(values, ["x: a\r\nb", "bad name: 1"]);
    // A line break in a value must not begin a new line of the message.
    assert_eq!(errors.to_string().lines().count(), 2);
}

#[test]
fn a_value_of_a_source_that_is_overruled_is_not_looked_at() {
    let layers = app().environment(env("POUNCE_PORT", "80x")).command_line([("port", ["80"])]);
    assert_eq!(layers.build().unwrap().listen.binds, ["127.0.0.1:80"]);
}

#[test]
fn an_option_without_its_value_is_refused() {
    assert_eq!(given(&["port"]).unwrap_err().0[0].value.as_deref(), Some(""));
}
