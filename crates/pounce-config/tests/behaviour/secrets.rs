//! No message and no `Debug` output contains passwords or keys.

use pounce_config::{Secret, TlsHandover, WorkerPlan};

use crate::common::{app, config, env, messages, toml};

const PASSWORD: &str = "open sesame";

#[test]
fn debug_hides_the_password_of_a_key_whatever_source_gave_it() {
    let line = format!("ssl-keyfile-password = '{PASSWORD}'\nssl-certfile = 'server.pem'");
    let file = toml(&line);
    let layers = app()
        .file(&file)
        .environment(env("POUNCE_SSL_KEYFILE_PASSWORD", PASSWORD))
        .command_line([("ssl-keyfile-password", [PASSWORD])]);
    let said = format!("{file:?} {layers:?}");
    assert!(said.contains("ssl-keyfile-password") && !said.contains(PASSWORD), "{said}");
    let config = layers.build().expect("it is valid");
    let password = config.tls.as_ref().and_then(|tls| tls.key_password.as_ref()).expect("it was given");
    assert_eq!(password.reveal(), PASSWORD);
    let shown: Vec<_> = config.settings().collect();
    let said = format!("{config:?} {:?} {shown:?}", config.worker());
    assert!(said.contains("server.pem") && !said.contains(PASSWORD), "{said}");
}

#[test]
fn a_plan_hides_keys_from_debug_and_brings_them_to_the_worker() {
    let password = format!("ssl-keyfile-password={PASSWORD}");
    let config = config(&["ssl-certfile=server.pem", &password]);
    let mut plan = WorkerPlan::new(config.worker(), 0, 0, Vec::new());
    let texts = vec![Secret::from("-----BEGIN PRIVATE KEY-----".to_owned())];
    plan.tls = Some(TlsHandover { ticket_secret: (1, [7; 32]), texts: texts.clone() });
    // An application's lifespan state does not belong in the log either.
    plan.lifespan_state = Some([("database".to_owned(), PASSWORD.into())].into_iter().collect());
    let said = format!("{plan:?} {texts:?}");
    assert!(said.contains("database"), "{said}");
    for secret in [PASSWORD, "PRIVATE KEY", "7, 7, 7"] {
        assert!(!said.contains(secret), "{secret}: {said}");
    }
    let arrived = WorkerPlan::from_json(&plan.to_json().expect("a plan")).expect("the same");
    assert_eq!(arrived, plan);
    assert_eq!(arrived.tls.map(|tls| tls.texts), Some(texts));
}

#[test]
fn faults_do_not_quote_variables_and_the_collectors_password() {
    for (option, text) in [
        ("set-env", PASSWORD.to_owned()),
        ("otel-endpoint", format!("http://user:{PASSWORD}@collector:4318")),
    ] {
        let said = messages(app().command_line([(option, [text.as_str()])]).build()).join("\n");
        assert!(said.starts_with(option) && said.contains("(hidden)") && !said.contains(PASSWORD), "{said}");
    }
}

#[test]
fn faults_do_not_quote_a_password() {
    for text in [
        format!("ssl-keyfile-password = ['{PASSWORD}']"),
        format!("workers = 2\nssl-keyfile-password = '{PASSWORD}"),
        format!("ssl_keyfile_password = '{PASSWORD}' 7"),
        format!("keyfile-password = {PASSWORD}"),
        format!("keyfile-password = \"\"\"\n{PASSWORD}\\q"),
    ] {
        let said = messages(app().file(&toml(&text)).build()).join("\n");
        assert!(!said.contains("sesame"), "{said}");
        assert!(said.contains("ssl-keyfile-password") || said.contains("line "), "{said}");
    }
    // A file without a secret is still quoted.
    let said = messages(app().file(&toml("workers = 'two")).build()).join("\n");
    assert!(said.contains("workers = 'two"), "{said}");
}
