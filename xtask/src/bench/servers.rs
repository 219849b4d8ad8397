//! The servers and their command lines for each workload. The table of the peers is in `peers.rs`.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::certificate;
use super::peers::Peer;
use super::workloads::{Load, Workload};
use crate::workspace;

/// The role of a server in the comparison.
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
    /// Arguments, with the placeholders `{app}`, `{apps}` and `{port}`.
    arguments: Vec<String>,
    speaks: Speaks,
    /// The virtualenv of its applications.
    pub(super) venv: Option<PathBuf>,
}

/// The arguments for each protocol of a server; `None` if it does not speak the protocol. The placeholders are
/// `{certificate}` and `{key}`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Speaks {
    pub(super) http1: &'static [&'static str],
    /// Clear text by prior knowledge, TLS by ALPN.
    pub(super) http2: Option<&'static [&'static str]>,
    pub(super) websocket: Option<&'static [&'static str]>,
    /// Whether WebSocket messages are compressed if the client offers it.
    pub(super) has_deflate: bool,
    /// In addition to the protocol's arguments.
    pub(super) tls: Option<&'static [&'static str]>,
}

/// The protocols of Pounce, all on one port.
const POUNCE: Speaks = Speaks {
    http1: &[],
    http2: Some(&[]),
    websocket: Some(&[]),
    has_deflate: true,
    tls: Some(&["--ssl-certfile", "{certificate}", "--ssl-keyfile", "{key}"]),
};

const FLOOR: Speaks = Speaks { http1: &[], http2: None, websocket: None, has_deflate: false, tls: None };

/// A peer from a virtualenv.
pub(super) fn peer(peer: &Peer, venv: &Path) -> Server {
    Server {
        name: peer.name.into(),
        role: Role::Peer,
        program: venv.join("bin").join(peer.program),
        arguments: peer.arguments.iter().map(ToString::to_string).collect(),
        speaks: peer.speaks,
        venv: Some(venv.to_path_buf()),
    }
}

/// A build of Pounce, with the packages of a virtualenv.
pub(super) fn pounce(name: &str, program: PathBuf, venv: Option<&Path>) -> Server {
    #[rustfmt::skip]
    let arguments = [
        "{app}:app", "--app-dir", "{apps}", "--host", "127.0.0.1", "--port", "{port}", "--no-access-log",
    ];
    Server {
        name: name.into(),
        role: Role::Pounce,
        program,
        arguments: arguments.map(String::from).into(),
        speaks: POUNCE,
        venv: venv.map(Path::to_path_buf),
    }
}

/// The engine with a Rust application.
pub(super) fn floor(program: PathBuf) -> Server {
    Server {
        name: "floor".into(),
        role: Role::Floor,
        program,
        arguments: ["--port", "{port}"].map(String::from).into(),
        speaks: FLOOR,
        venv: None,
    }
}

/// Whether `holds` is true for every row of a build of Pounce or of the floor; `name` returns a row's server.
pub(super) fn holds_of_ours<T>(
    servers: &[Server],
    rows: &[T],
    name: impl Fn(&T) -> &str,
    holds: impl Fn(&T) -> bool,
) -> bool {
    let is_ours = |row: &T| servers.iter().any(|one| one.role != Role::Peer && one.name == name(row));
    rows.iter().all(|row| holds(row) || !is_ours(row))
}

impl Server {
    /// Whether this server supports a workload.
    pub(super) fn serves(&self, workload: &Workload) -> bool {
        (self.role != Role::Floor || workload.has_floor) && self.protocol(workload).is_some()
    }

    /// The arguments for a workload's protocol and, if needed, TLS; `None` if the server does not support them.
    fn protocol(&self, workload: &Workload) -> Option<Vec<&'static str>> {
        let speaks = &self.speaks;
        let protocol = match workload.load {
            Load::Streams(_) => speaks.http2?,
            Load::Echo { is_deflated: true } | Load::Broadcast { is_deflated: true }
                if !speaks.has_deflate =>
            {
                return None;
            }
            Load::Echo { .. } | Load::Broadcast { .. } => speaks.websocket?,
            Load::Get | Load::Connect | Load::Pipeline(_) | Load::Post(_) => speaks.http1,
        };
        let tls = if workload.is_tls { speaks.tls? } else { &[] };
        Some([protocol, tls].concat())
    }

    /// The same server with more arguments, under another name.
    pub(super) fn with(mut self, name: String, arguments: &[String]) -> Server {
        self.name = name;
        self.arguments.extend_from_slice(arguments);
        self
    }

    /// The command that serves a workload on a port of 127.0.0.1, run by `wrapper` if not empty.
    pub(super) fn command(&self, wrapper: &[String], workload: &Workload, port: u16) -> Command {
        let apps = workspace::root().join("bench/apps");
        let protocol = self.protocol(workload).unwrap_or_default();
        let mut words = wrapper.to_vec();
        words.push(self.program.display().to_string());
        let arguments = protocol.into_iter().chain(self.arguments.iter().map(String::as_str));
        words.extend(arguments.map(|argument| {
            argument
                .replace("{apps}", &apps.display().to_string())
                .replace("{app}", workload.app)
                .replace("{certificate}", &certificate::certificate().display().to_string())
                .replace("{key}", &certificate::key().display().to_string())
                .replace("{port}", &port.to_string())
        }));
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]).current_dir(&apps);
        // Settings of the user's shell or cargo must not affect the measurement.
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
    use super::super::{peers, workloads};
    use super::*;

    fn workload(name: &str) -> &'static Workload {
        workloads::named(&[name.into()]).unwrap()[0]
    }

    fn arguments(server: &Server, workload: &Workload) -> Vec<String> {
        let command = server.command(&[], workload, 8123);
        command.get_args().map(|argument| argument.to_string_lossy().into_owned()).collect()
    }

    #[test]
    fn a_command_line_names_application_and_port() {
        let arguments = arguments(&pounce("pounce", "/opt/pounce".into(), None), workload("get-1k"));
        assert_eq!(arguments[0], "raw:app");
        assert!(arguments.contains(&"8123".to_string()));
        assert!(arguments[2].ends_with("bench/apps"));
    }

    #[test]
    fn a_command_line_names_the_certificate_where_there_is_tls() {
        let pounce = pounce("pounce", "/opt/pounce".into(), None);
        assert_eq!(arguments(&pounce, workload("tls-get-1k"))[0], "--ssl-certfile");
        assert!(arguments(&pounce, workload("tls-get-1k"))[3].ends_with("target/bench/key.pem"));
        assert_eq!(arguments(&pounce, workload("h2-get-1k")), arguments(&pounce, workload("get-1k")));
    }

    #[test]
    fn a_server_is_left_out_of_what_it_does_not_speak() {
        let serves = |name: &str, of: &str| {
            let found = peers::named(&[name.into()]).unwrap();
            peer(found[0], "v".as_ref()).serves(workload(of))
        };
        assert!(serves("uvicorn", "tls-get-1k") && !serves("uvicorn", "h2-tls-get-1k"));
        assert!(serves("granian", "ws-echo") && !serves("granian", "ws-broadcast-deflate"));
        assert!(serves("h2corn", "ws-echo-deflate") && serves("h2corn", "h2-get-1k"));
        let floor = floor("f".into());
        assert!(floor.serves(workload("get-1k")) && !floor.serves(workload("tls-get-1k")));
    }
}
