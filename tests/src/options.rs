//! The command line and environment of a server. Nothing from the tests' environment reaches it by accident.

use crate::secured::Tls;
use std::ffi::{OsStr, OsString};
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

/// The command line, environment and directory of a server.
#[derive(Debug)]
pub struct Options {
    app: Option<String>,
    app_dir: Option<PathBuf>,
    any_port: bool,
    arguments: Vec<OsString>,
    environment: Vec<(OsString, OsString)>,
    virtualenv: bool,
    directory: Option<PathBuf>,
    listener: Option<OwnedFd>,
    tls: Option<Tls>,
}

impl Options {
    /// Serves `app` from `tests/apps` on a port that the system chooses.
    pub fn app(app: &str) -> Self {
        Self {
            app: Some(app.to_owned()),
            app_dir: Some(apps()),
            any_port: true,
            arguments: Vec::new(),
            environment: Vec::new(),
            virtualenv: true,
            directory: None,
            listener: None,
            tls: None,
        }
    }

    /// A bare command line: no application, no `--app-dir`, no `--port`.
    pub fn bare() -> Self {
        Self { app: None, app_dir: None, any_port: false, ..Self::app("") }
    }

    /// Adds an argument without a value.
    pub fn flag(mut self, name: impl AsRef<OsStr>) -> Self {
        self.arguments.push(name.as_ref().into());
        self
    }

    /// Adds an option and its value.
    pub fn with(self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.flag(name).flag(value)
    }

    /// Sets a variable of the server's environment.
    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.environment.push((name.into(), value.as_ref().into()));
        self
    }

    /// Leaves `VIRTUAL_ENV` unset even if there is a test virtualenv.
    pub fn without_virtualenv(mut self) -> Self {
        self.virtualenv = false;
        self
    }

    /// Starts in `directory` instead of an empty temporary one.
    pub fn directory(mut self, directory: &Path) -> Self {
        self.directory = Some(directory.to_owned());
        self
    }

    /// Imports from `directory` instead of `tests/apps`.
    pub fn app_dir(mut self, directory: &Path) -> Self {
        self.app_dir = Some(directory.to_owned());
        self
    }

    /// Leaves `--app-dir` out: the application is imported from the working directory.
    pub fn without_app_dir(mut self) -> Self {
        self.app_dir = None;
        self
    }

    /// Leaves `--port 0` out: the test says where to listen.
    pub fn without_port(mut self) -> Self {
        self.any_port = false;
        self
    }

    /// Hands `listener` over as file descriptor 3.
    pub fn inherit(mut self, listener: TcpListener) -> Self {
        self.listener = Some(listener.into());
        self
    }

    /// Uses TLS with a certificate for this test; so does [`Server::connect`](crate::Server::connect).
    pub fn tls(self) -> Self {
        self.tls_as(Tls::default())
    }

    /// Uses TLS with given files, which clients trust.
    pub fn tls_as(self, tls: Tls) -> Self {
        let options = self.with("--ssl-certfile", tls.certificate()).with("--ssl-keyfile", tls.key());
        Self { tls: Some(tls), ..options }
    }

    /// The TLS settings of its clients.
    pub(crate) fn take_tls(&mut self) -> Option<Tls> {
        self.tls.take()
    }

    /// The directory to start in, if the test chose one.
    pub(crate) fn chosen_directory(&self) -> Option<&Path> {
        self.directory.as_deref()
    }

    /// The command that starts the server in `directory`.
    pub fn command(mut self, directory: &Path) -> Command {
        let mut command = match self.listener.take() {
            // The shell moves standard input to descriptor 3, so no unsafe code is needed here.
            Some(listener) => {
                let mut shell = Command::new("/bin/sh");
                shell.args(["-c", "exec 3<&0 </dev/null; exec \"$@\"", "sh"]).arg(binary());
                shell.stdin(Stdio::from(listener));
                shell
            }
            None => {
                let mut command = Command::new(binary());
                command.stdin(Stdio::null());
                command
            }
        };
        command.args(self.app.as_deref());
        if let Some(app_dir) = &self.app_dir {
            command.arg("--app-dir").arg(app_dir);
        }
        if self.any_port {
            command.args(["--port", "0"]);
        }
        command.args(&self.arguments).current_dir(directory);
        self.set_environment(&mut command);
        command
    }

    fn set_environment(&self, command: &mut Command) {
        // Cargo itself sets variables that start with POUNCE_ for a test of this workspace.
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("POUNCE_") {
                command.env_remove(name);
            }
        }
        for name in [
            "VIRTUAL_ENV",
            "WEB_CONCURRENCY",
            "FORWARDED_ALLOW_IPS",
            "NOTIFY_SOCKET",
            "PYTHONPATH",
            "PYTHON_GIL",
        ] {
            command.env_remove(name);
        }
        if let Some(path) = crate::python::virtualenv().filter(|_| self.virtualenv) {
            command.env("VIRTUAL_ENV", path);
        }
        command.env("PYTHONDONTWRITEBYTECODE", "1");
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
    }
}

/// The folder with the applications under test.
pub fn apps() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("apps")
}

/// The server's executable: `POUNCE_TEST_BINARY`, or the one next to the tests, built if it is missing.
pub fn binary() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| {
        if let Some(named) = std::env::var_os("POUNCE_TEST_BINARY") {
            return named.into();
        }
        let test = std::env::current_exe().expect("a test knows its own path");
        // <target dir>/<profile>/deps/<test>
        let profile = test.ancestors().nth(2).expect("cargo puts tests two folders deep");
        let binary = profile.join("pounce");
        if !binary.exists() {
            build(profile);
        }
        binary
    })
}

/// Whether the server under test has an interpreter of its own, which chooses a virtualenv. That of the Python package
/// runs in the one that it is installed for.
pub fn is_embedded() -> bool {
    !std::fs::read(binary()).expect("the server is there").starts_with(b"#!")
}

fn build(profile: &Path) {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(["build", "-p", "pounce-cli"]).current_dir(env!("CARGO_MANIFEST_DIR"));
    if profile.ends_with("release") {
        cargo.arg("--release");
    }
    // Cargo locks the target directory, so concurrent test binaries build it once.
    if let Some(target) = profile.parent() {
        cargo.env("CARGO_TARGET_DIR", target);
    }
    let status = cargo.status().expect("cargo is there: it built this test");
    assert!(status.success(), "the server does not build");
}
