//! Options of workers, the process, reloading, logs and configuration.

use std::time::Duration;

use super::{COMMAS, DAY, FROM_ZERO, HOUR, MIB, YEAR};
use crate::options::build::option;
use crate::options::{Kind, OptionSpec, Section};

pub(super) const OPTIONS: &[OptionSpec] = &[
    option("workers", Kind::Integer { min: 0, max: 1024 }, Section::Workers)
        .value("N")
        .short('w')
        .variable("WEB_CONCURRENCY")
        .default("1")
        .help("Number of workers; 0 is one for each usable CPU"),
    option("worker-mode", Kind::Choice(&["auto", "process", "thread", "subinterpreter"]), Section::Workers)
        .value("MODE")
        .default("auto")
        .help("What a worker runs as; auto: threads on free-threaded Python, else processes"),
    option("worker-hooks", Kind::Flag, Section::Workers)
        .default("off")
        .help("Call the application with the scope types pounce.worker.startup, .draining and .shutdown"),
    option("preload", Kind::Flag, Section::Workers)
        .default("off")
        .aliases(&["preload-app"])
        .help("Import the application once and fork worker processes from there, which share its memory"),
    option("reuse-port", Kind::Flag, Section::Workers)
        .default("off")
        .help("Give each worker its own listening socket (SO_REUSEPORT) instead of a shared one"),
    option("limit-max-requests", Kind::Count, Section::Workers)
        .value("N")
        .aliases(&["max-requests"])
        .help("Requests after which a worker is replaced"),
    option("limit-max-requests-jitter", Kind::Integer { min: 0, max: u32::MAX as u64 }, Section::Workers)
        .value("N")
        .aliases(&["max-requests-jitter"])
        .default("0")
        .help("Up to this many requests are added to the limit at random, to spread the replacements"),
    option("workers-lifetime", Kind::Seconds { min: Duration::from_secs(1), max: YEAR }, Section::Workers)
        .value("SECONDS")
        .help("Time after which a worker is replaced"),
    option("workers-lifetime-jitter", Kind::Seconds { min: Duration::ZERO, max: YEAR }, Section::Workers)
        .value("SECONDS")
        .default("0")
        .help("Up to this much time is added to the lifetime at random"),
    option("workers-max-rss", Kind::Size { min: 8 * MIB, max: u64::MAX }, Section::Workers)
        .value("SIZE")
        .help("Memory of a worker process (RSS) above which it is replaced, such as 512MiB"),
    option("respawn-limit", Kind::Integer { min: 0, max: 1000 }, Section::Workers)
        .value("N")
        .default("5")
        .help("Restarts of a worker within respawn-window before it is given up"),
    option("respawn-window", Kind::Seconds { min: Duration::from_secs(1), max: DAY }, Section::Workers)
        .value("SECONDS")
        .default("60")
        .help("Time after which a restart no longer counts"),
    option("chdir", Kind::Path, Section::Process)
        .value("DIR")
        .aliases(&["working-dir"])
        .of_process()
        .help("Working directory; every relative path but that of --config counts from it"),
    option("set-env", Kind::List { separator: '\n' }, Section::Process)
        .value("NAME=VALUE")
        .aliases(&["env"])
        .help("Variable for the application's environment; repeatable"),
    option("user", Kind::Text, Section::Process)
        .value("USER")
        .of_process()
        .help("User, by name or number, to become once the addresses are bound and certificates are read"),
    option("group", Kind::Text, Section::Process)
        .value("GROUP")
        .short('g')
        .of_process()
        .help("Group, by name or number, to become then; by default that of --user"),
    option("umask", Kind::Permissions, Section::Process)
        .value("MODE")
        .short('m')
        .of_process()
        .help("Permission bits that new files do not get"),
    option("pid", Kind::Path, Section::Process).value("FILE").aliases(&["pid-file"]).of_process().help(
        "File for the server's process id while it runs; a second server with the same file is refused",
    ),
    option("name", Kind::Text, Section::Process)
        .value("NAME")
        .short('n')
        .aliases(&["process-name"])
        .of_process()
        .help("Name of its processes in ps and top, up to 15 bytes"),
    option("reload", Kind::Flag, Section::Reload)
        .default("off")
        .help("Restart when the application's files change, for development"),
    option("reload-dir", COMMAS, Section::Reload)
        .value("DIR")
        .aliases(&["reload-paths"])
        .help("Folder to watch instead of the working directory; repeatable"),
    option("reload-include", COMMAS, Section::Reload)
        .value("GLOB")
        .default("*.py")
        .help("Files to watch; repeatable"),
    option("reload-exclude", COMMAS, Section::Reload)
        .value("GLOB")
        .aliases(&["reload-ignore-dirs", "reload-ignore-paths"])
        .help("Files and folders not to watch; repeatable"),
    option("reload-delay", Kind::Seconds { min: Duration::ZERO, max: HOUR }, Section::Reload)
        .value("SECONDS")
        .default("0.25")
        .help("How long files must stay unchanged before the restart"),
    option(
        "log-level",
        Kind::Choice(&["critical", "error", "warning", "info", "debug", "trace"]),
        Section::Logging,
    )
    .value("LEVEL")
    .default("info")
    .synonyms(&[("warn", "warning"), ("notset", "trace")])
    .help("Least severe messages to log"),
    option("log-format", Kind::Choice(&["auto", "text", "json"]), Section::Logging)
        .value("FORMAT")
        .default("auto")
        .help("Format of log lines"),
    option("use-colors", Kind::Flag, Section::Logging)
        .help("Colour log lines; by default only on a terminal"),
    option("log-config", Kind::PathOrTable, Section::Logging)
        .value("FILE")
        .aliases(&["log-config-json"])
        .help("Configuration of Python's logging, which then gets all lines: .json, .yaml, .toml or INI"),
    option("log-blocked-loop", FROM_ZERO, Section::Logging).value("SECONDS").help(
        "Log where the application blocks the event loop for longer, such as 100ms (with --reload); 0 never",
    ),
    option("access-log", Kind::Flag, Section::Logging).default("on").help("Log a line for every request"),
    option("access-log-format", Kind::Text, Section::Logging)
        .value("FORMAT")
        .aliases(&["access-log-fmt", "access-logformat"])
        .default("%(h)s - \"%(r)s\" %(s)s")
        .help("Access log line in gunicorn's %(h)s or granian's %(addr)s atoms, or json"),
    option("access-log-exclude", COMMAS, Section::Logging)
        .value("PATH")
        .help("Path whose requests are not in the access log; * at its end stands for anything; repeatable"),
    option("access-logfile", Kind::Path, Section::Logging)
        .value("FILE")
        .default("-")
        .of_process()
        .help("File for the access log; - is standard output"),
    option("error-logfile", Kind::Path, Section::Logging)
        .value("FILE")
        .aliases(&["log-file", "error-log"])
        .default("-")
        .of_process()
        .help("File for all other log lines; - is standard error"),
    option("config", Kind::Path, Section::Configuration).value("FILE").short('c').not_in_file().help(
        "TOML file to read instead of pounce.toml and pyproject.toml; or gunicorn.conf.py, hypercorn.toml",
    ),
    option("compat", Kind::Choice(&["uvicorn", "granian", "gunicorn", "hypercorn"]), Section::Configuration)
        .value("SERVER")
        .not_in_file()
        .help("Read that server's environment variables, and its configuration file"),
];
