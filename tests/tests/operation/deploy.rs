//! The files of `docs/deploy`, run as far as they can be here, and the commands for before a deployment.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use pounce_tests::options::{apps, binary};
use pounce_tests::{Options, Server, python};
use serde_json::Value;
use tempfile::TempDir;

fn file(name: &str) -> String {
    let path = apps().join("../../docs/deploy").join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn folder() -> TempDir {
    TempDir::new().expect("temporary directories can be made")
}

fn write(folder: &TempDir, name: &str, text: &str) -> PathBuf {
    let path = folder.path().join(name);
    std::fs::write(&path, text).expect("it can be written");
    path
}

fn output(command: &mut Command) -> Output {
    command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"))
}

fn succeeds(command: &mut Command) -> String {
    let done = output(command);
    let text = format!("{}{}", String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
    assert!(done.status.success(), "{command:?}: {text}");
    text
}

/// Whether a program is installed; if not, prints that the test is skipped.
fn has(program: &str) -> bool {
    let found = ["/usr/bin", "/usr/sbin", "/usr/local/bin"]
        .iter()
        .any(|folder| Path::new(folder).join(program).exists());
    if !found {
        eprintln!("skipped: no {program}");
    }
    found
}

/// The program, in an empty folder, with the virtualenv of the tests.
fn pounce(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(binary());
    command.args(arguments).current_dir(folder).env_clear();
    if let Some(virtualenv) = python::virtualenv() {
        command.env("VIRTUAL_ENV", virtualenv);
    }
    command
}

#[test]
fn every_option_of_the_files_exists() {
    let service = file("pounce.service");
    let started =
        service.lines().find_map(|line| line.strip_prefix("ExecStart=")).expect("it starts something");
    let docker = file("Dockerfile");
    let run = docker.lines().find_map(|line| line.strip_prefix("CMD ")).expect("it runs something");
    let run: Vec<String> = serde_json::from_str(run).expect("the exec form");
    let kubernetes = file("kubernetes.yaml");
    let kubernetes = kubernetes.lines().filter_map(|line| line.trim().strip_prefix("- ")).map(str::trim);
    let kubernetes = kubernetes.filter(|line| line.starts_with("--") || *line == "site:app");
    let lines: [Vec<String>; 3] = [
        started.split(' ').skip(1).map(str::to_owned).collect(),
        run.into_iter().skip(1).collect(),
        kubernetes.map(str::to_owned).collect(),
    ];
    for line in lines {
        assert!(line.len() > 4, "{line:?}");
        let folder = folder();
        let mut arguments = vec!["config", "show"];
        arguments.extend(line.iter().map(String::as_str));
        let shown = succeeds(&mut pounce(folder.path(), &arguments));
        assert_eq!(shown.matches("on the command line").count(), shown.matches("command line").count());
        assert!(shown.contains("health-path") || shown.contains("control"), "{shown}");
    }
}

#[test]
fn systemd_takes_the_units() {
    if !has("systemd-analyze") {
        return;
    }
    let folder = folder();
    let program = binary().display().to_string();
    let service = file("pounce.service").replace("/srv/site/.venv/bin/pounce", &program);
    write(&folder, "site.socket", &file("pounce.socket"));
    let unit = write(&folder, "site.service", &service);
    let said = succeeds(Command::new("systemd-analyze").args(["verify", "--man=no"]).arg(&unit));
    let about_ours = said.lines().filter(|line| line.contains("site.")).collect::<Vec<_>>();
    assert!(about_ours.is_empty(), "{about_ours:?}");
}

#[test]
fn nginx_and_haproxy_take_their_files() {
    let folder = folder();
    if has("nginx") {
        let path = write(&folder, "nginx.conf", &file("nginx.conf"));
        let global = format!("pid {}/nginx.pid; error_log stderr;", folder.path().display());
        succeeds(Command::new("/usr/sbin/nginx").arg("-t").arg("-c").arg(path).args(["-g", &global]));
    }
    if has("haproxy") {
        let path = write(&folder, "haproxy.cfg", &file("haproxy.cfg"));
        succeeds(Command::new("/usr/sbin/haproxy").arg("-c").arg("-f").arg(path));
    }
}

#[test]
fn kubernetes_takes_its_file() {
    let (Some(interpreter), true) = (python::interpreter(), python::has("kubernetes_validate")) else {
        return;
    };
    let script = "\
import sys, yaml, kubernetes_validate
version = kubernetes_validate.latest_version()
documents = list(yaml.safe_load_all(sys.argv[1]))
for document in documents:
    kubernetes_validate.validate(document, version, strict=True)
print(len(documents))";
    let said = succeeds(Command::new(interpreter).args(["-I", "-c", script]).arg(file("kubernetes.yaml")));
    assert!(said.trim().ends_with('2'), "{said}");
}

#[test]
fn the_schema_of_the_file_accepts_what_the_server_accepts() {
    let folder = folder();
    let schema = succeeds(&mut pounce(folder.path(), &["config", "schema"]));
    let parsed: Value = serde_json::from_str(&schema).expect("it is JSON");
    assert_eq!(parsed["properties"]["workers"]["type"], "integer");
    let (Some(interpreter), true) = (python::interpreter(), python::has("jsonschema")) else { return };
    let script = "\
import json, sys, tomllib, jsonschema
schema = json.loads(sys.argv[1])
jsonschema.Draft202012Validator.check_schema(schema)
for text, fits in [
    ('workers = 4\\nbind = [\":80\"]\\nheader = [\"a: b\"]\\nlog-level = \"warn\"\\ntimeout-startup = \"90s\"', True),
    ('access-log = false\\nlimit-request-body = \"16MiB\"\\n[log-config]\\nversion = 1', True),
    ('worker-mode = \"fibre\"', False),
    ('port = 70000', False),
    ('reload = \"maybe\"', False),
]:
    errors = list(jsonschema.Draft202012Validator(schema).iter_errors(tomllib.loads(text)))
    assert (not errors) == fits, (text, errors)";
    succeeds(Command::new(interpreter).args(["-I", "-c", script]).arg(schema));
}

#[test]
fn the_configuration_is_shown_with_its_origins_and_without_secrets() {
    let folder = folder();
    let text =
        "app = 'main:app'\nworkers = 2\nssl-keyfile-password = 'hunter2'\nset-env = ['DATABASE=hunter2']\n";
    write(&folder, "pounce.toml", text);
    let mut show = pounce(folder.path(), &["config", "show", "--port", "81"]);
    let shown = succeeds(show.env("POUNCE_LOG_LEVEL", "debug"));
    let row = |name: &str| {
        let row = shown.lines().find(|line| line.split_whitespace().next() == Some(name));
        row.unwrap_or_else(|| panic!("no {name} in {shown}")).split_whitespace().collect::<Vec<_>>().join(" ")
    };
    assert_eq!(row("app"), "app main:app app in pounce.toml");
    assert_eq!(row("port"), "port 81 --port on the command line");
    assert!(row("log-level").starts_with("log-level debug POUNCE_LOG_LEVEL"), "{shown}");
    assert_eq!(row("host"), "host 127.0.0.1 default");
    assert_eq!(row("set-env"), "set-env DATABASE=(hidden) set-env in pounce.toml");
    assert!(!shown.contains("hunter2"), "{shown}");
    let json = succeeds(&mut pounce(folder.path(), &["config", "show", "--json"]));
    let json: Value = serde_json::from_str(&json).expect("it is JSON");
    assert_eq!(json["workers"]["value"], "2");
    let refused = output(&mut pounce(folder.path(), &["config", "show", "--port", "x"]));
    assert_eq!(refused.status.code(), Some(2));
}

#[test]
fn a_check_finds_what_would_keep_the_server_from_starting() {
    let app_dir = apps().display().to_string();
    let check = |arguments: &[&str]| {
        let folder = folder();
        let given = [&["check", "--app-dir", &app_dir], arguments].concat();
        let done = output(&mut pounce(folder.path(), &given));
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (done.status.code(), text(&done.stdout), text(&done.stderr))
    };
    let (code, stdout, stderr) = check(&["raw:app", "--workers", "2"]);
    assert_eq!(code, Some(0), "{stderr}");
    assert!(stdout.starts_with("raw:app is an ASGI 3 application (Python 3."), "{stdout}");
    for (arguments, expected, said) in [
        (&["nowhere:app"][..], 3, "no module named \"nowhere\""),
        (&["raw:nothing"], 3, "nothing"),
        (&["raw:app", "--port", "x"], 2, "port: expected a whole number"),
        (&["raw:app", "--ssl-certfile", "gone.pem", "--ssl-keyfile", "gone.key"], 2, "gone.pem"),
        (&[], 2, "Usage: pounce"),
    ] {
        let (code, _, stderr) = check(arguments);
        assert_eq!(code, Some(expected), "{arguments:?}: {stderr}");
        assert!(stderr.contains(said), "{arguments:?}: {stderr}");
    }
}

#[test]
fn the_other_commands_print_what_they_are_for() {
    let folder = folder();
    let info = succeeds(&mut pounce(folder.path(), &["info"]));
    for fact in ["Python 3.", "interpreter ", "open files"] {
        assert!(info.contains(fact), "{fact}: {info}");
    }
    assert!(succeeds(&mut pounce(folder.path(), &["completions", "bash"])).contains("--metrics-bind"));
    assert!(succeeds(&mut pounce(folder.path(), &["man"])).contains(".SH NAME"));
    assert!(succeeds(&mut pounce(folder.path(), &["config", "reference"])).starts_with("# Options\n"));
    let help = succeeds(&mut pounce(folder.path(), &["--help"]));
    for command in ["check", "config", "ctl", "top", "info", "completions", "man"] {
        assert!(help.contains(&format!("\n  {command} ")), "{command}: {help}");
    }
    // With an attribute the name is a module's.
    let exit = Server::run(Options::bare().flag("check:app"));
    assert!(exit.stderr.contains("no module named \"check\""), "{}", exit.stderr);
}
