//! Configurations of other servers: their files and variables, read where the user names the server.

use std::path::PathBuf;

use super::{Layers, Origin};
use crate::fault::{ConfigFault, Problem};
use crate::options::{Kind, OptionSpec, Verdict, find_foreign, find_option};

/// A server whose configuration Pounce reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Compat {
    /// uvicorn: variables `UVICORN_…`.
    Uvicorn,
    /// granian: variables `GRANIAN_…`.
    Granian,
    /// gunicorn: `gunicorn.conf.py` and `GUNICORN_CMD_ARGS`.
    Gunicorn,
    /// hypercorn: TOML or Python.
    Hypercorn,
}

/// What another server's file sets: its names, each with its values as text.
pub type ForeignSettings = Vec<(String, Vec<String>)>;

/// The variable with gunicorn's arguments.
pub(super) const GUNICORN_ARGUMENTS: &str = "GUNICORN_CMD_ARGS";

/// Settings of gunicorn with other names than its command line's, which Pounce knows.
const GUNICORN: &[(&str, &str)] = &[
    ("wsgi_app", "app"),
    ("keepalive", "keep-alive"),
    ("reload_extra_files", "reload-extra-file"),
    ("preload_app", "preload"),
    ("sendfile", "no-sendfile"),
    ("raw_env", "set-env"),
    ("pidfile", "pid"),
    ("accesslog", "access-logfile"),
    ("errorlog", "error-logfile"),
    ("loglevel", "log-level"),
    ("logconfig", "log-config"),
    ("logconfig_dict", "log-config"),
    ("logconfig_json", "log-config"),
    ("syslog", "log-syslog"),
    ("syslog_addr", "log-syslog-to"),
    ("syslog_prefix", "log-syslog-prefix"),
    ("syslog_facility", "log-syslog-facility"),
    ("proc_name", "name"),
    ("raw_paste_global_conf", "paste-global"),
    ("proxy_allow_ips", "proxy-allow-from"),
    ("uwsgi_allow_ips", "uwsgi-allow-from"),
    ("dirty_apps", "dirty-app"),
    ("control_socket_disable", "no-control-socket"),
    ("http2_initial_window_size", "http2-initial-stream-window-size"),
    ("websocket_max_message_size", "ws-max-size"),
];

/// Settings of gunicorn without a counterpart: functions that it calls, and what belongs to WSGI.
const GUNICORN_ONLY: &[&str] = &[
    "on_starting",
    "on_reload",
    "when_ready",
    "pre_fork",
    "post_fork",
    "post_worker_init",
    "worker_int",
    "worker_abort",
    "pre_exec",
    "pre_request",
    "post_request",
    "child_exit",
    "worker_exit",
    "nworkers_changed",
    "on_exit",
    "ssl_context",
    "on_dirty_starting",
    "dirty_post_fork",
    "dirty_worker_init",
    "dirty_worker_exit",
    "default_proc_name",
    "secure_scheme_headers",
    "tmp_upload_dir",
];

/// Settings of hypercorn with other names than its command line's.
const HYPERCORN: &[(&str, &str)] = &[
    ("accesslog", "access-logfile"),
    ("application_path", "app"),
    ("errorlog", "error-logfile"),
    ("h2_max_concurrent_streams", "http2-max-concurrent-streams"),
    ("h2_max_inbound_frame_size", "http2-max-frame-size"),
    ("include_date_header", "date-header"),
    ("include_server_header", "server-header"),
    ("keep_alive_timeout", "keep-alive"),
    ("logconfig", "log-config"),
    ("logconfig_dict", "log-config"),
    ("loglevel", "log-level"),
    ("pid_path", "pid"),
    ("server_names", "server-name"),
    ("use_reloader", "reload"),
    ("websocket_max_message_size", "ws-max-size"),
    ("websocket_ping_interval", "ws-ping-interval"),
];

/// Settings of hypercorn without a counterpart.
const HYPERCORN_ONLY: &[&str] = &[
    "alpn_protocols",
    "alt_svc_headers",
    "h11_max_incomplete_size",
    "h11_pass_raw_headers",
    "keep_alive_max_requests",
    "logger_class",
    "max_app_queue_size",
    "shutdown_timeout",
    "verify_flags",
    "wsgi_max_body_size",
];

/// Variables of uvicorn that are not named as its options.
const UVICORN: &[(&str, &str)] = &[
    ("headers", "header"),
    ("reload_dirs", "reload-dir"),
    ("reload_excludes", "reload-exclude"),
    ("reload_includes", "reload-include"),
];

/// Variables of granian that are not named as its options.
const GRANIAN: &[(&str, &str)] = &[
    ("log_access_enabled", "access-log"),
    ("log_access_fmt", "access-log-format"),
    ("log_enabled", "log"),
    ("metrics_enabled", "metrics"),
    ("websockets", "ws"),
];

/// Short options with another meaning in one server than in the others.
const GUNICORN_SHORT: &[(&str, &str)] = &[("-e", "set-env"), ("-p", "pid"), ("-u", "user")];
const HYPERCORN_SHORT: &[(&str, &str)] = &[("-p", "pid"), ("-u", "user")];

impl Compat {
    /// The server as messages name it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Uvicorn => "uvicorn",
            Self::Granian => "granian",
            Self::Gunicorn => "gunicorn",
            Self::Hypercorn => "hypercorn",
        }
    }

    /// The prefix of its variables.
    pub(super) fn prefix(self) -> Option<&'static str> {
        match self {
            Self::Uvicorn => Some("UVICORN_"),
            Self::Granian => Some("GRANIAN_"),
            Self::Gunicorn | Self::Hypercorn => None,
        }
    }

    /// What an option on its command line is called here.
    pub(super) fn argument(self, typed: &str) -> &str {
        let renamed = match self {
            Self::Gunicorn => GUNICORN_SHORT,
            Self::Hypercorn => HYPERCORN_SHORT,
            Self::Uvicorn | Self::Granian => &[],
        };
        renamed_in(renamed, typed)
    }

    fn setting(self, name: &str) -> &str {
        let renamed = match self {
            Self::Uvicorn => UVICORN,
            Self::Granian => GRANIAN,
            Self::Gunicorn => GUNICORN,
            Self::Hypercorn => HYPERCORN,
        };
        renamed_in(renamed, name)
    }

    /// Whether it has a setting of this name.
    fn has_setting(self, name: &str) -> bool {
        let settings = match self {
            Self::Gunicorn => include_str!("compat/gunicorn.txt"),
            Self::Hypercorn => include_str!("compat/hypercorn.txt"),
            Self::Uvicorn | Self::Granian => "",
        };
        settings.lines().any(|setting| setting == name)
    }

    /// Whether it has a setting of this name that has no counterpart here.
    fn has_alone(self, name: &str) -> bool {
        match self {
            Self::Gunicorn => GUNICORN_ONLY.contains(&name),
            Self::Hypercorn => HYPERCORN_ONLY.contains(&name),
            Self::Uvicorn | Self::Granian => false,
        }
    }
}

fn renamed_in<'a>(renamed: &[(&str, &'static str)], name: &'a str) -> &'a str {
    renamed.iter().find(|(theirs, _)| *theirs == name).map_or(name, |(_, ours)| ours)
}

/// A file of another server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForeignFile {
    /// The server.
    pub owner: Compat,
    /// Its name as it was given; `file:PATH` and `python:MODULE` are Python, too.
    pub path: PathBuf,
    /// Whether it is a Python program rather than TOML.
    pub is_python: bool,
}

impl Layers {
    /// The server that `--compat` or `POUNCE_COMPAT` names.
    pub fn compat(&self) -> Option<Compat> {
        let named = self.winner(find_option("compat")?)?.values.first()?;
        compat(named)
    }

    /// Gunicorn's arguments in the environment, if `compat` names it: to be split as a shell does, and given to
    /// [`environment_arguments`](Self::environment_arguments).
    pub fn gunicorn_arguments(&self) -> Option<&str> {
        let gunicorn = self.compat() == Some(Compat::Gunicorn);
        let found = self.theirs.iter().find(|(name, _)| gunicorn && name == GUNICORN_ARGUMENTS);
        found.map(|(_, value)| value.as_str()).filter(|value| !value.trim().is_empty())
    }

    /// Adds options in the environment, as [`command_line`](Self::command_line) does. `POUNCE_` variables win over them.
    #[must_use]
    pub fn environment_arguments(mut self, options: impl IntoIterator<Item = (String, Vec<String>)>) -> Self {
        let origin = Origin::Environment { name: GUNICORN_ARGUMENTS.to_owned() };
        for (typed, values) in options {
            let typed = Compat::Gunicorn.argument(&typed).to_owned();
            self.argument(super::Source::Environment, &typed, values, origin.clone());
        }
        self
    }

    /// Reports arguments of gunicorn that cannot be split.
    #[must_use]
    pub fn malformed_arguments(mut self, reason: &str) -> Self {
        let origin = Origin::Environment { name: GUNICORN_ARGUMENTS.to_owned() };
        let fault = ConfigFault::invalid(
            GUNICORN_ARGUMENTS,
            "",
            origin,
            format!("arguments as in a shell: {reason}"),
        );
        self.faults.push(fault);
        self
    }

    /// Adds what another server's file sets, functions among it without values. Names that are none of its settings
    /// are a program's variables. One note lists what has no meaning here.
    #[must_use]
    pub fn foreign_file(mut self, file: &ForeignFile, settings: ForeignSettings) -> Self {
        let mut without_meaning = Vec::new();
        for (theirs, values) in settings {
            let origin = Origin::File { path: file.path.clone(), key: theirs.clone() };
            let name = file.owner.setting(&theirs);
            if file.owner.has_alone(&theirs) {
                without_meaning.push(theirs);
            } else if values.iter().all(String::is_empty) {
                // None, an empty list or text: the setting's default.
            } else if file.is_python && !file.owner.has_setting(&theirs) {
                // A variable of the program.
            } else if let Some(spec) = find_option(name) {
                if self.environment.get(spec).is_some_and(super::Setting::is_of_platform) {
                    self.environment.remove(spec);
                }
                self.file.set(spec, values, origin);
            } else if let Some(option) = find_foreign(name) {
                match option.verdict_on(&values) {
                    _ if option.is_turned_off_by(&values) => {}
                    Verdict::Ignored => without_meaning.push(theirs),
                    _ => self.fault(&theirs, origin, Problem::Foreign { option }),
                }
            } else if !file.is_python {
                self.unknown(&theirs, origin);
            }
        }
        if !without_meaning.is_empty() {
            let (file, names) = (file.path.display(), without_meaning.join(", "));
            self.notes.push(format!("{file} sets what has no meaning here: {names}"));
        }
        self
    }

    /// Reads the variables of the server that `compat` names, and notes the others.
    pub(super) fn read_their_variables(&mut self) {
        let compat = self.compat();
        let prefix = compat.and_then(Compat::prefix);
        let mut unread = Vec::new();
        for (name, value) in std::mem::take(&mut self.theirs) {
            let rest = prefix.and_then(|prefix| name.strip_prefix(prefix));
            match (compat, rest) {
                (Some(compat), Some(rest)) => self.their_variable(compat, &name, rest, &value),
                (Some(Compat::Gunicorn), None) if name == GUNICORN_ARGUMENTS => {}
                _ => unread.push(name),
            }
        }
        self.notes.extend(super::environment::unread(unread));
    }

    fn their_variable(&mut self, compat: Compat, name: &str, rest: &str, value: &str) {
        let typed = rest.to_ascii_lowercase();
        let typed = compat.setting(&typed);
        let origin = Origin::Environment { name: name.to_owned() };
        if let Some(spec) = find_option(typed) {
            if self.environment.get(spec).is_none_or(super::Setting::is_of_platform) {
                self.environment.set(spec, items(spec, value), origin);
            }
        } else if let Some(option) = find_foreign(typed) {
            self.foreign(option, &[value.to_owned()], origin);
        } else {
            let server = compat.name();
            self.notes
                .push(format!("{name} in the environment names no option of {server} that Pounce knows"));
        }
    }
}

/// The server of this name.
pub(super) fn compat(name: &str) -> Option<Compat> {
    let all = [Compat::Uvicorn, Compat::Granian, Compat::Gunicorn, Compat::Hypercorn];
    all.into_iter().find(|compat| compat.name().eq_ignore_ascii_case(name))
}

/// The items of a variable as click splits them: paths at colons, other texts at white space.
fn items(spec: &OptionSpec, value: &str) -> Vec<String> {
    let texts: Vec<&str> = match spec.kind {
        Kind::Headers => value.split('\n').collect(),
        Kind::List { .. } if spec.name == "reload-dir" => value.split(':').collect(),
        Kind::List { .. } | Kind::Choices(_) => value.split_whitespace().collect(),
        _ => vec![value],
    };
    texts.into_iter().map(str::to_owned).collect()
}
