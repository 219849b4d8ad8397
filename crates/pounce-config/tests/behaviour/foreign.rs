//! Every option of other servers: the lists in `foreign/` are what those servers' parsers declare.

use pounce_config::{
    Arity, ConfigErrors, LoopKind, ServerConfig, Verdict, arity, find_foreign, find_option, foreign_options,
};

use crate::common::{app, env, given, messages, toml};

const LISTS: [(&str, &str); 5] = [
    ("uvicorn", include_str!("foreign/uvicorn.txt")),
    ("granian", include_str!("foreign/granian.txt")),
    ("gunicorn", include_str!("foreign/gunicorn.txt")),
    ("hypercorn", include_str!("foreign/hypercorn.txt")),
    ("daphne", include_str!("foreign/daphne.txt")),
];

/// Names that take a value in only one of Pounce and the other server.
const OTHER_SHAPE: [(&str, &str); 3] =
    [("hypercorn", "access-log"), ("daphne", "access-log"), ("daphne", "-v")];

/// The names of a server's options as [`arity`] takes them, and whether a value follows.
fn names(list: &'static str) -> impl Iterator<Item = (&'static str, bool)> {
    list.lines().filter(|line| !line.starts_with('#')).flat_map(|line| {
        let (names, shape) = line.rsplit_once(' ').expect("names and a shape");
        let plain = |name: &'static str| name.strip_prefix("--").unwrap_or(name);
        names.split(' ').map(move |name| (plain(name), shape == "value"))
    })
}

fn hints(result: Result<ServerConfig, ConfigErrors>) -> Vec<String> {
    result.expect_err("a faulty configuration").0.iter().filter_map(|fault| fault.hint()).collect()
}

#[test]
fn every_option_of_other_servers_is_known_with_its_shape() {
    for (server, list) in LISTS {
        for (name, valued) in names(list) {
            let known = arity(name).unwrap_or_else(|| panic!("{server}: {name} is not known"));
            if OTHER_SHAPE.contains(&(server, name)) {
                continue;
            }
            match known {
                Arity::Flag => assert!(!valued, "{server}: {name}"),
                Arity::Value => assert!(valued, "{server}: {name}"),
                _ => {}
            }
        }
    }
}

#[test]
fn every_foreign_option_names_the_servers_that_have_it() {
    for foreign in foreign_options() {
        for (server, list) in LISTS {
            let has = |name: &&str| {
                names(list).any(|(theirs, _)| theirs.replace('_', "-") == name.replace('_', "-"))
            };
            let has = foreign.names.iter().any(has);
            assert_eq!(foreign.owners.contains(&server), has, "{server}: {:?}", foreign.names);
        }
    }
}

#[test]
fn every_foreign_option_is_noted_or_refused_with_its_owner_and_what_to_do() {
    for foreign in foreign_options() {
        for name in foreign.names {
            let values: Vec<&str> = if foreign.arity == Arity::Value { vec!["1"] } else { vec![] };
            let result = app().command_line([(*name, values)]).build();
            let said = match (foreign.verdict, result) {
                (Verdict::Ignored, Ok(config)) => config.notes().join("\n"),
                (Verdict::NotYet | Verdict::Refused, Err(errors)) => {
                    assert_eq!(errors.0.len(), 1, "{name}");
                    let message = errors.0[0].to_string();
                    assert_eq!(
                        message.contains("not yet in this version"),
                        foreign.verdict == Verdict::NotYet
                    );
                    assert!(!message.contains("did you mean"), "{message}");
                    format!("{message}\n{}", errors.0[0].hint().unwrap())
                }
                (verdict, result) => panic!("{name} is {verdict:?}: {result:?}"),
            };
            let dashed = if name.starts_with('-') { (*name).to_owned() } else { format!("--{name}") };
            assert!(said.starts_with(&dashed), "{said}");
            assert!(foreign.owners.iter().all(|owner| said.contains(&format!("{owner}'s"))), "{said}");
            assert!(said.contains(foreign.advice), "{said}");
        }
    }
}

#[test]
fn all_of_them_are_reported_at_once() {
    let faults = messages(given(&["metrics", "statsd-host=x:1", "daemon", "frobnicate", "port=x"]));
    assert_eq!(
        faults[..4],
        [
            "--metrics is granian's; Pounce does not have it",
            "--statsd-host is gunicorn's and hypercorn's and is not yet in this version of Pounce",
            "--daemon is gunicorn's and hypercorn's; Pounce does not have it",
            "--frobnicate: no such option",
        ]
    );
    assert_eq!(faults.len(), 5);
}

#[test]
fn turning_off_a_feature_that_pounce_lacks_is_noted() {
    let config = given(&["no-daemon", "no-metrics"]).unwrap();
    assert_eq!(config.notes().len(), 2);
    let config = app().file(&toml("daemon = false\nmetrics = false")).build().unwrap();
    assert_eq!(config.notes().len(), 2);
    assert!(app().file(&toml("daemon = true")).build().is_err());
}

#[test]
fn loops_of_other_servers_are_noted_and_others_are_refused_with_the_accepted_ones() {
    for name in ["loop=auto", "loop=uvloop", "asgi-loop=uvloop"] {
        let config = given(&[name]).unwrap();
        assert_eq!(config.app.event_loop, LoopKind::Pounce);
        assert!(config.notes()[0].contains("does nothing here: Pounce has its own"), "{:?}", config.notes());
    }
    let config = given(&["loop=asyncio"]).unwrap();
    assert_eq!((config.app.event_loop, config.notes().len()), (LoopKind::Asyncio, 0));
    let faults = messages(given(&["loop=mine:loop"]));
    assert!(faults[0].contains("expected pounce or asyncio"), "{faults:?}");
}

#[test]
fn implementations_that_uvicorn_lets_choose_are_noted() {
    for argument in ["http=h11", "http=httptools", "ws=websockets", "ws=wsproto", "ws=websockets-sansio"] {
        let config = given(&[argument]).unwrap();
        assert_eq!(config.notes().len(), 1, "{argument}");
        assert!(config.websocket.is_some());
    }
    for argument in ["http=auto", "ws=auto"] {
        assert!(given(&[argument]).unwrap().notes().is_empty(), "{argument}");
    }
}

#[test]
fn websockets_are_turned_off_in_uvicorn_s_words_too() {
    assert!(given(&["ws=none"]).unwrap().websocket.is_none());
    assert!(given(&["no-ws"]).unwrap().websocket.is_none());
    assert!(given(&["ws"]).unwrap().websocket.is_some());
    let faults = messages(given(&["ws=sometimes"]));
    assert!(faults[0].contains("expected auto, none, websockets"), "{faults:?}");
}

#[test]
fn wsgi_is_refused_with_the_wrapper_to_use() {
    let faults = messages(given(&["interface=wsgi"]));
    assert!(faults[0].starts_with("interface: expected auto, asgi3 or asgi2, not \"wsgi\""), "{faults:?}");
    assert!(hints(given(&["interface=wsgi"]))[0].contains("asgiref.wsgi.WsgiToAsgi"));
    assert!(hints(given(&["interface=rsgi"]))[0].contains("granian"));
}

#[test]
fn variables_of_other_servers_are_named_once() {
    let variables = ["UVICORN_PORT", "GUNICORN_CMD_ARGS", "HYPERCORN_X", "GRANIAN_PORT"]
        .map(|name| (name.into(), "1".into()));
    let config = app().environment(variables).build().unwrap();
    assert_eq!(
        config.notes(),
        ["GRANIAN_PORT, GUNICORN_CMD_ARGS, HYPERCORN_X and UVICORN_PORT in the environment are not read: \
          Pounce reads POUNCE_ and an option's name, such as POUNCE_PORT, and theirs with --compat uvicorn"]
    );
    for (name, value) in
        [("GRANIAN_PORT", "tcp://10.0.0.1:80"), ("UVICORN_SERVICE_HOST", "10.0.0.1"), ("UVICORN_HOST", "")]
    {
        assert!(app().environment(env(name, value)).build().unwrap().notes().is_empty(), "{name}");
    }
}

#[test]
fn names_that_are_options_here_are_not_foreign() {
    for (_, list) in LISTS {
        for (name, _) in names(list).filter(|(name, _)| find_option(name).is_some()) {
            assert!(find_foreign(name).is_none(), "{name}");
        }
    }
}
