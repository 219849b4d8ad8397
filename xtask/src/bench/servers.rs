//! The servers and their command lines: one worker each, HTTP/1.1, no access log.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;

use super::workloads::Workload;
use crate::error::hinted;
use crate::workspace;

/// What a server is to the comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// A build of Pounce.
    Pounce,
    /// The engine with a Rust application.
    Floor,
    /// A server to compare with.
    Peer,
}

/// A server that can be started.
#[derive(Clone, Debug)]
pub(super) struct Server {
    pub(super) name: String,
    pub(super) role: Role,
    program: PathBuf,
    /// Arguments, with `{app}`, `{apps}` and `{port}` to be filled in.
    arguments: Vec<String>,
    venv: Option<PathBuf>,
}

/// The peers by name: program and arguments.
const PEERS: [(&str, &str, &[&str]); 7] = [
    ("granian", "granian", &GRANIAN_ST),
    ("granian-mt", "granian", &GRANIAN_MT),
    ("h2corn", "h2corn", &H2CORN),
    ("h2corn-uvloop", "h2corn", &H2CORN_UVLOOP),
    ("uvicorn", "uvicorn", &UVICORN),
    (
        "hypercorn",
        "hypercorn",
        &["--bind", "127.0.0.1:{port}", "--workers", "1", "-k", "uvloop", "{app}:app"],
    ),
    ("gunicorn", "gunicorn", &GUNICORN),
];

#[rustfmt::skip]
const GRANIAN_ST: [&str; 17] = [
    "--interface", "asgi", "--http", "1", "--host", "127.0.0.1", "--port", "{port}", "--workers", "1",
    "--runtime-mode", "st", "--loop", "uvloop", "--no-ws", "--log-level=warning", "{app}:app",
];
#[rustfmt::skip]
const GRANIAN_MT: [&str; 17] = [
    "--interface", "asgi", "--http", "1", "--host", "127.0.0.1", "--port", "{port}", "--workers", "1",
    "--runtime-mode", "mt", "--loop", "uvloop", "--no-ws", "--log-level=warning", "{app}:app",
];
#[rustfmt::skip]
const H2CORN: [&str; 10] = [
    "--host", "127.0.0.1", "--port", "{port}", "--workers", "1", "--loop", "asyncio", "--no-access-log", "{app}:app",
];
#[rustfmt::skip]
const H2CORN_UVLOOP: [&str; 10] = [
    "--host", "127.0.0.1", "--port", "{port}", "--workers", "1", "--loop", "uvloop", "--no-access-log", "{app}:app",
];
#[rustfmt::skip]
const UVICORN: [&str; 11] = [
    "--host", "127.0.0.1", "--port", "{port}", "--http", "httptools", "--loop", "uvloop",
    "--no-access-log", "--log-level=warning", "{app}:app",
];
#[rustfmt::skip]
const GUNICORN: [&str; 8] = [
    "-k", "asgi", "-b", "127.0.0.1:{port}", "-w", "1", "--log-level=warning", "{app}:app",
];

/// The peers of these names.
pub(super) fn peers(names: &[String]) -> Result<Vec<&'static str>> {
    let find = |name: &String| {
        PEERS.iter().map(|(known, ..)| *known).find(|known| known == name).ok_or_else(|| {
            let known: Vec<&str> = PEERS.iter().map(|(known, ..)| *known).collect();
            hinted(format!("there is no peer `{name}`"), format!("the peers are {}", known.join(", ")))
        })
    };
    names.iter().filter(|name| !name.is_empty()).map(find).collect()
}

/// A peer out of a virtualenv. The name comes from [`peers`].
pub(super) fn peer(name: &'static str, venv: &Path) -> Server {
    let (program, arguments) = PEERS
        .iter()
        .find(|(known, ..)| *known == name)
        .map_or((name, &[][..]), |(_, program, arguments)| (*program, *arguments));
    Server {
        name: name.into(),
        role: Role::Peer,
        program: venv.join("bin").join(program),
        arguments: arguments.iter().map(ToString::to_string).collect(),
        venv: Some(venv.to_path_buf()),
    }
}

/// A build of Pounce, with the packages of a virtualenv.
pub(super) fn pounce(name: &str, program: PathBuf, venv: Option<&Path>) -> Server {
    #[rustfmt::skip]
    let arguments = [
        "{app}:app", "--app-dir", "{apps}", "--host", "127.0.0.1", "--port", "{port}", "--no-access-log",
    ];
    let arguments = arguments.map(String::from).into();
    Server { name: name.into(), role: Role::Pounce, program, arguments, venv: venv.map(Path::to_path_buf) }
}

/// The engine with a Rust application.
pub(super) fn floor(program: PathBuf) -> Server {
    Server {
        name: "floor".into(),
        role: Role::Floor,
        program,
        arguments: ["--port", "{port}"].map(String::from).into(),
        venv: None,
    }
}

impl Server {
    /// Whether this server can do a workload.
    pub(super) fn serves(&self, workload: &Workload) -> bool {
        self.role != Role::Floor || workload.has_floor
    }

    /// The same server with more arguments, under another name.
    pub(super) fn with(mut self, name: String, arguments: &[String]) -> Server {
        self.name = name;
        self.arguments.extend_from_slice(arguments);
        self
    }

    /// The command that serves an application on a port of 127.0.0.1, run by `wrapper` when there is one.
    pub(super) fn command(&self, wrapper: &[String], app: &str, port: u16) -> Command {
        let apps = workspace::root().join("bench/apps");
        let mut words = wrapper.to_vec();
        words.push(self.program.display().to_string());
        words.extend(self.arguments.iter().map(|argument| {
            argument
                .replace("{apps}", &apps.display().to_string())
                .replace("{app}", app)
                .replace("{port}", &port.to_string())
        }));
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]).current_dir(&apps);
        // What a user's shell or cargo says about Python or Pounce is no part of the measurement.
        for name in ["PYTHONHOME", "PYTHONDONTWRITEBYTECODE", "VIRTUAL_ENV", "POUNCE_APP_DIR"] {
            command.env_remove(name);
        }
        command.env("PYTHONPATH", &apps).env("PYTHONHASHSEED", "0");
        command.env("PYTHONPYCACHEPREFIX", workspace::target().join("bench/pycache"));
        if let Some(venv) = &self.venv {
            command.env("VIRTUAL_ENV", venv);
        }
        command
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_line_names_application_and_port() {
        let server = pounce("pounce", "/opt/pounce".into(), None);
        let command = server.command(&[], "raw", 8123);
        let arguments: Vec<String> =
            command.get_args().map(|argument| argument.to_string_lossy().into_owned()).collect();
        assert_eq!(arguments[0], "raw:app");
        assert!(arguments.contains(&"8123".to_string()));
        assert!(arguments[2].ends_with("bench/apps"));
    }

    #[test]
    fn peers_are_found_by_name() {
        assert_eq!(peers(&["uvicorn".into(), "granian-mt".into()]).unwrap(), ["uvicorn", "granian-mt"]);
        assert!(peers(&["apache".into()]).is_err());
    }
}
