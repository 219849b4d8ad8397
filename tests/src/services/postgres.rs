//! PostgreSQL, in a temporary cluster.

use super::daemon::{self, Daemon, Program};
use crate::python::run;
use std::fs;
use std::os::unix::fs::{MetadataExt, chown};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// A running PostgreSQL that trusts every connection from this machine.
#[derive(Debug)]
pub struct Postgres {
    programs: PathBuf,
    port: u16,
    _daemon: Daemon,
}

impl Postgres {
    /// The PostgreSQL of this test program; if not installed, prints on stderr that the test is skipped.
    pub fn shared() -> Option<&'static Self> {
        static SHARED: OnceLock<Option<Postgres>> = OnceLock::new();
        let shared = SHARED.get_or_init(|| {
            let programs = installed()?;
            let owner = Owner::of_cluster()?;
            Some(Self::start(programs, owner))
        });
        if shared.is_none() {
            eprintln!("skipped: no PostgreSQL here");
        }
        shared.as_ref()
    }

    fn start(programs: PathBuf, owner: Owner) -> Self {
        let folder = daemon::folder("pounce-postgres-");
        owner.take(&folder);
        let data = folder.join("data").display().to_string();
        let program = |name: &str| programs.join(name).display().to_string();
        let make = ["-D", &data, "-U", "test", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"];
        let make = owner.command(&program("initdb"), &make);
        run(Command::new(&make[0]).args(&make[1..]).current_dir(&folder));
        let (daemon, port) = Program {
            command: &|port| {
                let port = port.to_string();
                let sockets = format!("unix_socket_directories={}", folder.display());
                let mut arguments = vec!["-D", &data, "-F", "-h", "127.0.0.1", "-p", &port];
                for setting in [sockets.as_str(), "max_connections=200", "autovacuum=off"] {
                    arguments.extend(["-c", setting]);
                }
                owner.command(&program("postgres"), &arguments)
            },
            signal: "QUIT",
            ready: "ready to accept connections",
        }
        .start(&folder);
        Self { programs, port, _daemon: daemon }
    }

    /// Its URL, with the scheme that libraries expect.
    pub fn url(&self) -> String {
        format!("postgresql://test@127.0.0.1:{}/postgres", self.port)
    }

    /// Runs SQL on a new connection, and returns the rows.
    pub fn run(&self, sql: &str) -> String {
        let mut psql = Command::new(self.programs.join("psql"));
        psql.args(["-X", "-A", "-t", "-q", "-v", "ON_ERROR_STOP=1", "-c", sql]).arg(self.url());
        run(&mut psql).trim_end().to_owned()
    }
}

/// The folder of its programs; the newest if Debian has several versions.
fn installed() -> Option<PathBuf> {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut versions: Vec<_> = versions
        .filter_map(|entry| {
            Some((entry.file_name().to_str()?.parse::<u32>().ok()?, entry.path().join("bin")))
        })
        .collect();
    versions.sort();
    let folders =
        versions.into_iter().rev().map(|(_, folder)| folder).chain([PathBuf::from("/usr/local/bin")]);
    daemon::find("initdb", folders).filter(|folder| folder.join("psql").is_file())
}

/// The owner of the cluster. PostgreSQL does not run as root.
enum Owner {
    Caller,
    Other { uid: u32, gid: u32 },
}

impl Owner {
    /// The user of the test program, or another one if that is root.
    fn of_cluster() -> Option<Self> {
        let caller = fs::metadata("/proc/self").expect("there is a /proc").uid();
        if caller != 0 {
            return Some(Self::Caller);
        }
        daemon::find("setpriv", [])?;
        let users = fs::read_to_string("/etc/passwd").unwrap_or_default();
        let user = |name: &str| {
            let line = users.lines().find(|line| line.split(':').next() == Some(name))?;
            let mut ids = line.split(':').skip(2).map(str::parse);
            Some(Self::Other { uid: ids.next()?.ok()?, gid: ids.next()?.ok()? })
        };
        user("postgres").or_else(|| user("nobody"))
    }

    fn take(&self, folder: &Path) {
        if let Self::Other { uid, gid } = self {
            chown(folder, Some(*uid), Some(*gid)).expect("root may do so");
        }
    }

    fn command(&self, program: &str, arguments: &[&str]) -> Vec<String> {
        let mut command = Vec::new();
        if let Self::Other { uid, gid } = self {
            command = vec!["setpriv".into(), format!("--reuid={uid}"), format!("--regid={gid}")];
            command.push("--clear-groups".into());
        }
        command.push(program.into());
        command.extend(arguments.iter().map(|argument| String::from(*argument)));
        command
    }
}
