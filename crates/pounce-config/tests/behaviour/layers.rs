//! Which source wins, and what each source accepts as a name.

use pounce_config::{LifespanMode, Origin};

use crate::common::{app, config, env, given, messages, toml};

#[test]
fn the_defaults_of_the_table_are_valid_and_need_only_an_application() {
    let config = app().build().unwrap();
    assert_eq!(config.listen.binds, ["127.0.0.1:8000"]);
    let defaults: Vec<_> = config.settings().filter(|(name, ..)| *name != "app").collect();
    assert!(defaults.iter().all(|(_, _, origin)| **origin == Origin::Default));
    for spec in pounce_config::OPTIONS.iter().filter(|spec| spec.name != "app") {
        let (_, value, _) = defaults.iter().find(|(name, ..)| *name == spec.name).unwrap();
        assert_eq!(value.as_deref(), spec.default, "{}", spec.name);
    }
    assert!(config.notes().is_empty());
}

#[test]
fn each_source_wins_over_the_ones_before_it() {
    let port = |layers: pounce_config::Layers| {
        let config = layers.build().unwrap();
        (config.listen.binds[0].clone(), config.origin("port").to_string())
    };
    let is = |bind: &str, origin: &str| (bind.to_owned(), origin.to_owned());

    assert_eq!(port(app()), is("127.0.0.1:8000", "the default"));
    let file = app().file(&toml("port = 1"));
    assert_eq!(port(file.clone()), is("127.0.0.1:1", "port in pounce.toml"));
    let environment = file.environment(env("POUNCE_PORT", "2"));
    assert_eq!(port(environment.clone()), is("127.0.0.1:2", "POUNCE_PORT in the environment"));
    let command_line = environment.command_line([("port", ["3"])]);
    assert_eq!(port(command_line), is("127.0.0.1:3", "--port on the command line"));
}

#[test]
fn precedence_does_not_depend_on_the_order_of_the_calls() {
    let layers = app().command_line([("port", ["3"])]).environment(env("POUNCE_PORT", "2"));
    let config = layers.file(&toml("port = 1\nhost = 'localhost'")).build().unwrap();
    assert_eq!(config.listen.binds, ["localhost:3"]);
}

#[test]
fn a_list_of_a_higher_source_replaces_the_lower_one() {
    let layers = app().file(&toml("header = ['x-a: 1', 'x-b: 2']"));
    assert_eq!(layers.clone().build().unwrap().http.headers.len(), 2);
    let config = layers.command_line([("header", ["x-c: 3"])]).build().unwrap();
    assert_eq!(config.http.headers, [("x-c".to_owned(), "3".to_owned())]);
}

#[test]
fn a_repeated_list_goes_on_and_any_other_option_takes_the_last_value() {
    let config = config(&["bind=:1", "port=4", "bind=:2", "reload", "no-reload", "backlog=1", "backlog=5"]);
    assert_eq!(config.listen.binds, ["0.0.0.0:1", "0.0.0.0:2"]);
    assert!(config.reload.is_none());
    assert_eq!(config.listen.backlog, 5);
}

#[test]
fn a_flag_has_a_no_form_that_overrides_what_a_file_turned_on() {
    let layers = app().file(&toml("debug = true\nserver-header = false"));
    let on = layers.clone().build().unwrap();
    assert!(on.app.debug && !on.http.server_header);
    let off =
        layers.command_line([("no-debug", vec![]), ("server-header", Vec::<&str>::new())]).build().unwrap();
    assert!(!off.app.debug && off.http.server_header);
    assert_eq!(off.origin("debug").to_string(), "--no-debug on the command line");
}

#[test]
fn only_a_flag_has_a_no_form() {
    assert_eq!(
        messages(given(&["no-port", "no-threads"])),
        ["--no-port: no such option", "--no-threads: no such option"]
    );
}

#[test]
fn names_of_other_servers_set_the_same_option() {
    for (alias, option) in [
        ("keep-alive", "timeout-keep-alive"),
        ("graceful-timeout", "timeout-graceful-shutdown"),
        ("url-path-prefix", "root-path"),
        ("working-dir", "chdir"),
        ("access-log-fmt", "access-log-format"),
    ] {
        let value = if option.starts_with("timeout") { "7" } else { "/x" };
        let config = config(&[&format!("{alias}={value}")]);
        let (_, text, origin) = config.settings().find(|(name, ..)| *name == option).unwrap();
        assert_eq!(text.as_deref(), Some(value), "{alias}");
        assert_eq!(origin.to_string(), format!("--{alias} on the command line"));
    }
}

#[test]
fn words_of_other_servers_mean_the_same() {
    let config = config(&["interface=ASGI", "log-level=warn"]);
    assert_eq!(config.app.interface, pounce_config::Interface::Auto);
    assert_eq!(config.log.level, pounce_config::LogLevel::Warning);
}

#[test]
fn words_may_be_in_capitals() {
    let config = app().environment(env("POUNCE_LOG_LEVEL", "DEBUG")).build().unwrap();
    assert_eq!(config.log.level, pounce_config::LogLevel::Debug);
}

#[test]
fn an_option_that_means_nothing_here_leaves_a_note() {
    let layers = app().command_line([("runtime-mode", vec!["st"]), ("no-http1-keep-alive", vec![])]);
    let config = layers.file(&toml("worker_class = 'gevent'")).build().unwrap();
    let notes = config.notes();
    assert_eq!(notes.len(), 3);
    assert_eq!(
        notes[0],
        "--runtime-mode is granian's and does nothing here: \
         a worker is one thread, which runs the network and the application"
    );
    assert!(notes[1].starts_with("--no-http1-keep-alive is granian's and does nothing here"), "{}", notes[1]);
    assert!(
        notes[2]
            .starts_with("worker_class in pounce.toml is gunicorn's and hypercorn's and does nothing here"),
        "{}",
        notes[2]
    );
}

#[test]
fn a_variable_is_named_after_the_option_in_upper_snake_case() {
    let config = app().environment(env("POUNCE_APP_DIR", "examples")).build().unwrap();
    assert_eq!(config.app.app_dir.as_deref(), Some("examples".as_ref()));
    let config = pounce_config::Layers::new().environment(env("POUNCE_APP", "site:app")).build().unwrap();
    assert_eq!(config.app.target, "site:app");
}

#[test]
fn a_variable_that_names_no_option_is_noted_with_the_one_it_resembles() {
    for (name, note) in [
        ("POUNCE_PROT", "POUNCE_PROT in the environment names no option; did you mean POUNCE_PORT?"),
        ("POUNCE_ZZZZZZZ", "POUNCE_ZZZZZZZ in the environment names no option"),
        (
            "POUNCE_KEEP_ALIVE",
            "POUNCE_KEEP_ALIVE in the environment names no option; did you mean POUNCE_TIMEOUT_KEEP_ALIVE?",
        ),
    ] {
        assert_eq!(app().environment(env(name, "1")).build().unwrap().notes(), [note]);
    }
    assert!(app().environment(env("PROT", "1")).build().unwrap().notes().is_empty());
}

#[test]
fn an_empty_variable_counts_as_not_set() {
    let config = app().environment(env("POUNCE_PORT", "")).build().unwrap();
    assert_eq!(*config.origin("port"), Origin::Default);
}

#[test]
fn a_kubernetes_service_link_is_not_taken_for_the_port() {
    let config = app().environment(env("POUNCE_PORT", "tcp://10.0.0.1:80")).build().unwrap();
    assert_eq!(config.listen.binds, ["127.0.0.1:8000"]);
    assert_eq!(config.notes().len(), 1);
}

#[test]
fn a_list_in_a_variable_is_split_at_commas_and_headers_at_line_breaks() {
    let layers = app().environment(env("POUNCE_BIND", ":1, unix:/run/a.sock"));
    let config = layers.environment(env("POUNCE_HEADER", "x-a: 1, 2\nx-b: 3\n")).build().unwrap();
    assert_eq!(config.listen.binds, ["0.0.0.0:1", "unix:/run/a.sock"]);
    assert_eq!(config.http.headers, [("x-a".into(), "1, 2".into()), ("x-b".into(), "3".into())]);
}

#[test]
fn words_in_one_text_or_in_several_are_the_same_choice() {
    use pounce_config::AsgiExtension::{PathSend, ZeroCopySend};
    let both = [PathSend, ZeroCopySend];
    assert_eq!(config(&["asgi-extensions=zerocopysend, pathsend,pathsend"]).app.extensions, both);
    assert_eq!(config(&["asgi-extensions=pathsend", "asgi-extensions=zerocopysend"]).app.extensions, both);
    let file = toml("asgi_extensions = ['zerocopysend']");
    assert_eq!(app().file(&file).build().unwrap().app.extensions, [ZeroCopySend]);
}

#[test]
fn the_file_to_read_is_named_on_the_command_line_before_the_environment() {
    let layers = app();
    assert_eq!(layers.config_path(), None);
    let layers = layers.environment(env("POUNCE_CONFIG", "a.toml"));
    assert_eq!(layers.config_path(), Some("a.toml".into()));
    assert_eq!(layers.command_line([("config", ["b.toml"])]).config_path(), Some("b.toml".into()));
}

#[test]
fn every_word_of_a_choice_is_understood() {
    for spec in pounce_config::OPTIONS.iter().filter(|spec| !spec.choices().is_empty()) {
        let synonyms = spec.synonyms.iter().map(|(theirs, _)| theirs);
        for word in spec.choices().iter().chain(synonyms) {
            // Client certificates need an authority, which in turn needs a server certificate.
            let tls = ["ssl-certfile=c.pem", "ssl-ca-certs=a.pem", &format!("{}={word}", spec.name)];
            assert!(given(&tls).is_ok(), "{} {word}", spec.name);
        }
    }
    assert_eq!(config(&["lifespan=off"]).lifecycle.lifespan, LifespanMode::Off);
}
