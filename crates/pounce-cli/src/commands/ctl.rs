//! `pounce ctl`: looks at a running server and changes it, through its control socket.

use clap::{Arg, ArgAction, ArgMatches, Command};
use pounce_server::Host;
use serde_json::Value;

use super::{client, control_argument, control_path, fail, print, shape};

/// How the command is written.
pub(super) fn command(base: Command) -> Command {
    let sub = |name: &'static str, about: &'static str| Command::new(name).about(about);
    let json = Arg::new("json")
        .long("json")
        .action(ArgAction::SetTrue)
        .global(true)
        .help("Print the answer as JSON");
    base.subcommand_required(true)
        .arg(control_argument())
        .arg(json)
        .subcommand(sub("status", "The server as a whole"))
        .subcommand(sub("workers", "Its workers"))
        .subcommand(sub("requests", "The requests that run, the longest first"))
        .subcommand(sub(
            "reload",
            "Replace every worker by one that imports the application afresh; waits until it is done",
        ))
        .subcommand(
            sub("scale", "Run so many workers").arg(
                Arg::new("workers")
                    .value_name("N")
                    .required(true)
                    .value_parser(clap::value_parser!(u16).range(1..=1024)),
            ),
        )
        .subcommand(sub("drain", "Make health checks say that the server is not ready; it serves on"))
        .subcommand(sub("ready", "Undo drain"))
        .subcommand(sub("stop", "Finish running requests, then stop, as on SIGTERM"))
        .subcommand(
            sub("log-level", "Log from this level on").arg(
                Arg::new("level")
                    .value_name("LEVEL")
                    .required(true)
                    .value_parser(["critical", "error", "warning", "info", "debug", "trace"]),
            ),
        )
        .subcommand(sub("stack", "What each worker does at this moment: its Python stack"))
}

/// Runs it.
pub(super) fn run(host: &dyn Host, matches: &ArgMatches) -> u8 {
    let Some((name, given)) = matches.subcommand() else { return 2 };
    let (method, target) = match name {
        "scale" => {
            ("POST", format!("/scale?workers={}", given.get_one::<u16>("workers").copied().unwrap_or(1)))
        }
        "log-level" => (
            "POST",
            format!("/log-level?level={}", given.get_one::<String>("level").map_or("", |level| level)),
        ),
        "status" | "workers" | "requests" | "stack" => ("GET", format!("/{name}")),
        _ => ("POST", format!("/{name}")),
    };
    match control_path(host, given).and_then(|socket| client::ask(&socket, method, &target)) {
        Ok(answer) if given.get_flag("json") => print(&format!("{answer}\n")),
        Ok(answer) => print(&shown(name, &answer)),
        Err(error) => return fail(&error),
    }
    0
}

/// An answer for people.
fn shown(name: &str, answer: &Value) -> String {
    let lines = match name {
        "status" => status(answer),
        "workers" => workers(answer),
        "requests" => requests(answer),
        "stack" => items(answer).iter().map(|worker| text(worker, "stack")).collect(),
        "reload" => vec!["reloaded: all workers serve the new code".to_owned()],
        "scale" => vec![format!("scaling to {} workers", number(answer, "workers"))],
        "drain" => vec!["health checks say that the server is not ready; it serves on".to_owned()],
        "ready" => vec!["health checks say that the server is ready".to_owned()],
        "stop" => vec!["stopping: the server finishes running requests".to_owned()],
        _ => vec![format!("the log's level is {}", text(answer, "level"))],
    };
    lines.join("\n") + "\n"
}

fn status(of: &Value) -> Vec<String> {
    let state = match (of["stopping"].as_bool(), of["ready"].as_bool()) {
        (Some(true), _) => "stopping",
        (_, Some(false)) => "not ready",
        _ => "ready",
    };
    vec![
        format!(
            "Pounce {} ({state}), process {}, up {}",
            text(of, "version"),
            number(of, "process"),
            time(of, "uptime")
        ),
        text(of, "serving"),
        format!(
            "{}, {}, {}, {}",
            count(of, "workers"),
            count(of, "restarts"),
            count(of, "reloads"),
            shape::bytes(number(of, "resident_memory")),
        ),
        format!(
            "{}, {} of them answered with 5xx; {} in flight, {}, {}",
            count(of, "requests"),
            number(of, "errors"),
            number(of, "in_flight"),
            count(of, "connections"),
            count(of, "websockets"),
        ),
        format!(
            "event loops: blocked for {} so far, {} now",
            time(of, "event_loop_blocked"),
            time(of, "event_loop_stuck")
        ),
    ]
}

/// The table of workers.
pub(super) fn workers(answer: &Value) -> Vec<String> {
    let row = |worker: &Value| {
        let process = number(worker, "process");
        vec![
            number(worker, "slot").to_string(),
            if process == 0 { "-".to_owned() } else { process.to_string() },
            number(worker, "generation").to_string(),
            text(worker, "phase"),
            time(worker, "age"),
            number(worker, "in_flight").to_string(),
            number(worker, "connections").to_string(),
            time(worker, "event_loop_stuck"),
            shape::bytes(number(worker, "resident_memory")),
        ]
    };
    let head =
        ["WORKER", "PROCESS", "GENERATION", "PHASE", "AGE", "IN FLIGHT", "CONNECTIONS", "BLOCKED", "MEMORY"];
    shape::table(&head, &items(answer).iter().map(row).collect::<Vec<_>>())
}

/// The table of requests.
pub(super) fn requests(answer: &Value) -> Vec<String> {
    let row = |request: &Value| {
        vec![
            time(request, "seconds"),
            number(request, "slot").to_string(),
            text(request, "method"),
            text(request, "path"),
        ]
    };
    shape::table(
        &["RUNS FOR", "WORKER", "METHOD", "PATH"],
        &items(answer).iter().map(row).collect::<Vec<_>>(),
    )
}

fn items(of: &Value) -> &[Value] {
    of.as_array().map_or(&[], Vec::as_slice)
}

/// A number and what it counts, by its name in the plural: `1 worker`, `2 workers`.
pub(super) fn count(of: &Value, name: &str) -> String {
    match number(of, name) {
        1 => format!("1 {}", name.strip_suffix('s').unwrap_or(name)),
        number => format!("{number} {name}"),
    }
}

pub(super) fn number(of: &Value, name: &str) -> u64 {
    of[name].as_u64().unwrap_or(0)
}

pub(super) fn time(of: &Value, name: &str) -> String {
    shape::duration(of[name].as_f64().unwrap_or(0.0))
}

pub(super) fn text(of: &Value, name: &str) -> String {
    of[name].as_str().unwrap_or_default().to_owned()
}
