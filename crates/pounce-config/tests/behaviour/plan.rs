//! A plan reaches the worker unchanged or not at all.

use pounce_config::{AddressFamily, Layers, ListenerHandle, PlanError, WorkerConfig, WorkerPlan};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use crate::common::config;

fn plan() -> WorkerPlan {
    let mut plan = WorkerPlan::new(
        config(&["header=x-a: 1", "asgi-extensions=pathsend"]).worker(),
        2,
        1,
        vec![ListenerHandle { fd: 7, family: AddressFamily::Inet6 }],
    );
    plan.sys_path = vec!["/srv/app".into()];
    plan
}

fn as_value(plan: &WorkerPlan) -> Value {
    serde_json::from_str(&plan.to_json().expect("a plan")).expect("JSON")
}

#[test]
fn the_form_on_the_wire_is_the_documented_one() {
    let value = as_value(&plan());
    assert_eq!(value["version"], json!(1));
    assert_eq!(value["worker_id"], json!(2));
    assert_eq!(value["generation"], json!(1));
    assert_eq!(value["listeners"], json!([{"fd": 7, "family": "inet6"}]));
    assert_eq!(value["lifespan_state"], Value::Null);
    assert_eq!(value["sys_path"], json!(["/srv/app"]));
    assert_eq!(value["config"]["app"]["target"], json!("main:app"));
    assert!(!plan().to_json().unwrap().contains('\n'));
}

#[test]
fn another_version_is_refused_by_its_number_whatever_else_it_holds() {
    let mut same_shape = as_value(&plan());
    same_shape["version"] = json!(2);
    for text in [same_shape.to_string(), json!({"version": 2, "new": {}}).to_string()] {
        let error = WorkerPlan::from_json(&text).unwrap_err();
        assert!(matches!(error, PlanError::Version { found: 2 }), "{error:?}");
        assert_eq!(error.to_string(), "the worker plan is version 2, this program reads version 1");
    }
}

#[test]
fn an_unknown_field_is_refused_at_every_depth() {
    for path in
        ["", "/config", "/config/app", "/config/http", "/config/lifecycle", "/config/log", "/listeners/0"]
    {
        let mut value = as_value(&plan());
        value.pointer_mut(path).and_then(Value::as_object_mut).unwrap().insert("extra".into(), json!(1));
        let result = WorkerPlan::from_json(&value.to_string());
        assert!(matches!(result, Err(PlanError::Malformed(_))), "{path}: {result:?}");
    }
}

#[test]
fn a_plan_that_is_cut_short_incomplete_or_no_plan_is_malformed() {
    let whole = plan().to_json().unwrap();
    let mut no_config = as_value(&plan());
    no_config.as_object_mut().unwrap().remove("config");
    let mut no_version = as_value(&plan());
    no_version.as_object_mut().unwrap().remove("version");
    let texts = [&whole[..whole.len() - 1], "", "[]", &no_config.to_string(), &no_version.to_string()];
    for text in texts {
        assert!(matches!(WorkerPlan::from_json(text), Err(PlanError::Malformed(_))), "{text}");
    }
    assert!(matches!(WorkerPlan::from_json(&format!("{whole}x")), Err(PlanError::Malformed(_))));
}

/// Valid arguments of every kind that reaches a worker.
fn any_config() -> impl Strategy<Value = WorkerConfig> {
    let app = (
        "[a-z_]{1,8}(\\.[a-z]{1,4}){0,2}(:[a-z]{1,8}(\\(\\))?)?"
            .prop_filter("a module is no file", |target| {
                !target.split(':').next().is_some_and(|module| module.ends_with(".py"))
            }),
        proptest::option::of("[^\0\n]{1,20}"),
        "(/[a-zé]{1,6}){0,3}",
        proptest::sample::select(vec!["auto", "asgi3", "asgi2"]),
        proptest::sample::subsequence(vec!["pathsend", "zerocopysend"], 0..=2),
        any::<[bool; 5]>(),
    );
    let times = proptest::collection::vec(1_u64..86_400_000, 6);
    let limits = (any::<[u64; 3]>(), 64_u64..16 << 20, 1_u64..32768, 1024_u64..64 << 20);
    let headers = proptest::collection::vec("x-[a-z]{1,8}:[ -~]{0,30}", 0..4);
    let log = (
        proptest::sample::select(vec!["critical", "error", "warning", "info", "debug", "trace"]),
        proptest::sample::select(vec!["auto", "text", "json"]),
        "[ -~é]{1,20}",
        proptest::sample::select(vec!["auto", "on", "off"]),
    );
    (app, times, limits, headers, log).prop_map(|(app, times, limits, headers, log)| {
        let (target, path, root_path, interface, extensions, flags) = app;
        let mut arguments: Vec<(&str, String)> = vec![
            ("app", target),
            ("root-path", root_path),
            ("interface", interface.into()),
            ("asgi-extensions", extensions.join(",")),
            ("log-level", log.0.into()),
            ("log-format", log.1.into()),
            ("access-log-format", log.2),
            ("lifespan", log.3.into()),
            ("limit-connections", limits.0[0].to_string()),
            ("limit-concurrency", limits.0[1].to_string()),
            ("limit-request-body", limits.0[2].to_string()),
            ("limit-min-read-rate", limits.0[0].to_string()),
            ("limit-min-body-rate", limits.0[1].to_string()),
            ("limit-request-line", limits.1.to_string()),
            ("limit-request-fields", limits.2.to_string()),
            ("forwarded-allow-ips", format!("unix,10.0.0.0/8,::ffff:{:x}/{}", limits.2, limits.2 % 129)),
            ("health-path", format!("/{}", limits.2)),
            ("set-env", format!("A={}=", limits.2)),
            ("log-config", format!("{{\"version\": {}}}", limits.2)),
            ("limit-header-size", limits.3.to_string()),
        ];
        for name in ["app-dir", "python", "env-file"] {
            arguments.extend(path.clone().map(|path| (name, path)));
        }
        for (name, on) in
            ["factory", "debug", "access-log", "server-header", "use-colors"].into_iter().zip(flags)
        {
            arguments.push((name, on.to_string()));
        }
        for (name, time) in
            ["keep-alive", "header", "body", "write", "startup", "graceful-shutdown"].iter().zip(times)
        {
            let name = pounce_config::find_option(&format!("timeout-{name}")).expect("an option").name;
            arguments.push((name, format!("{time}ms")));
        }
        arguments.extend(headers.into_iter().map(|header| ("header", header)));
        let layers = Layers::new().command_line(arguments.into_iter().map(|(name, value)| (name, [value])));
        layers.build().expect("valid arguments").worker()
    })
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        proptest::num::f64::NORMAL.prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::btree_map(".{0,6}", inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

fn any_listener() -> impl Strategy<Value = ListenerHandle> {
    let families = vec![AddressFamily::Inet, AddressFamily::Inet6, AddressFamily::Unix];
    (0..i32::MAX, proptest::sample::select(families)).prop_map(|(fd, family)| ListenerHandle { fd, family })
}

proptest! {
    #[test]
    fn every_plan_arrives_as_it_left(
        config in any_config(),
        (worker_id, generation) in any::<(u32, u32)>(),
        listeners in proptest::collection::vec(any_listener(), 0..4),
        state in proptest::option::of(proptest::collection::btree_map(".{0,6}", any_json(), 0..4)),
        sys_path in proptest::collection::vec(".{0,12}", 0..4),
    ) {
        let mut plan = WorkerPlan::new(config, worker_id, generation, listeners);
        plan.lifespan_state = state.map(|map| map.into_iter().collect::<Map<_, _>>());
        plan.sys_path = sys_path;
        let arrived = WorkerPlan::from_json(&plan.to_json().unwrap()).unwrap();
        prop_assert_eq!(arrived, plan);
    }

    #[test]
    fn no_text_makes_a_source_panic(text in "\\PC{0,40}", name in "[a-z-]{0,12}") {
        let _ = pounce_config::parse_env_file(&text);
        let _ = pounce_config::parse_env_file(&format!("A=\"{text}\nB='{text}"));
        for spec in pounce_config::OPTIONS {
            let _ = Layers::new().command_line([(spec.name, [&text])]).build();
        }
        let _ = Layers::new().command_line([(name, [&text])]).file(&crate::common::toml(&text)).build();
    }
}
