//! Workers, reloading, logs and metrics.

use super::{DAPHNE, ForeignOption, GRANIAN, GUNICORN, GUNICORN_HYPERCORN, METRICS, STATSD, option};
use crate::options::foreign::Arity::{Flag, Value};
use crate::options::foreign::Verdict::{Ignored, NotYet, Refused};

const LOG_CONFIG: &str =
    "use --log-config with a configuration of Python's logging, or --log-format and --access-log-format";
const SYSLOG: &str = "run it under systemd, or pipe its output to systemd-cat or logger";
const CHECK: &str = "start the server on port 0 for now: it lists everything that is wrong";

pub(super) static OPERATION: &[ForeignOption] = &[
    // Workers and processes
    option(
        GRANIAN,
        Flag,
        Ignored,
        &["respawn-failed-workers"],
        "failed workers are respawned; respawn-limit says how often",
    ),
    option(
        GRANIAN,
        Value,
        Ignored,
        &["respawn-interval"],
        "failed workers are respawned after 0.5 seconds, and then later each time",
    ),
    option(GRANIAN, Value, Ignored, &["rss-sample-interval"], "memory is looked at while a worker is busy"),
    option(GRANIAN, Value, Ignored, &["rss-samples"], "memory is looked at while a worker is busy"),
    option(GUNICORN, Value, Ignored, &["worker-tmp-dir"], "workers are watched without files"),
    option(
        GUNICORN_HYPERCORN,
        Flag,
        Refused,
        &["daemon", "-D"],
        "let systemd or a container runtime run it, or the shell: nohup pounce ... &",
    ),
    option(
        &["gunicorn", "hypercorn", "daphne"],
        Value,
        Refused,
        &["-p"],
        "it is a port for some and a file for others; write --port for the port",
    ),
    option(
        &["gunicorn", "hypercorn", "daphne"],
        Value,
        Refused,
        &["-u"],
        "it is a user for some and a Unix socket for others; write --uds for the socket",
    ),
    option(
        GUNICORN,
        Value,
        NotYet,
        &["control-socket"],
        "use signals for now: HUP reloads, TTIN and TTOU change the number of workers",
    ),
    option(GUNICORN, Value, NotYet, &["control-socket-mode"], "there is no control socket to protect"),
    option(GUNICORN, Flag, Ignored, &["no-control-socket"], "there is none"),
    option(GUNICORN, Flag, NotYet, &["check-config"], CHECK),
    option(GUNICORN, Flag, NotYet, &["print-config"], CHECK),
    option(GUNICORN, Flag, Ignored, &["initgroups"], "a user's supplementary groups are always set"),
    // Reloading
    option(GUNICORN, Value, Ignored, &["reload-engine"], "there is one way to watch files"),
    option(GUNICORN, Value, Ignored, &["reload-extra-file"], "use reload-dir and reload-include"),
    option(
        GRANIAN,
        Value,
        Ignored,
        &["reload-ignore-patterns"],
        "it takes regular expressions; use reload-exclude, which takes globs",
    ),
    option(GRANIAN, Value, Ignored, &["reload-tick"], "it counts milliseconds; use reload-delay, in seconds"),
    option(
        GRANIAN,
        Flag,
        Ignored,
        &["reload-ignore-worker-failure"],
        "a server whose reload failed waits for the next change",
    ),
    // Logs and metrics
    option(GRANIAN, Flag, Ignored, &["log"], "use log-level to make the log quieter"),
    option(GUNICORN, Value, Refused, &["logger-class"], LOG_CONFIG),
    option(DAPHNE, Value, Refused, &["log-fmt"], LOG_CONFIG),
    option(DAPHNE, Value, Ignored, &["verbosity"], "use log-level"),
    option(&["gunicorn", "daphne"], Flag, Refused, &["-v"], "write --version, or --log-level LEVEL"),
    option(
        GUNICORN,
        Flag,
        Ignored,
        &["capture-output"],
        "the application writes to the server's own stdout and stderr",
    ),
    option(
        GUNICORN,
        Flag,
        Ignored,
        &["enable-stdio-inheritance", "-R"],
        "the application writes to the server's own stdout and stderr",
    ),
    option(
        GUNICORN,
        Flag,
        Ignored,
        &["disable-redirect-access-to-syslog"],
        "the access log never goes to syslog",
    ),
    option(GUNICORN, Flag, Refused, &["log-syslog"], SYSLOG),
    option(GUNICORN, Value, Refused, &["log-syslog-to"], SYSLOG),
    option(GUNICORN, Value, Refused, &["log-syslog-prefix"], SYSLOG),
    option(GUNICORN, Value, Refused, &["log-syslog-facility"], SYSLOG),
    option(GUNICORN_HYPERCORN, Value, NotYet, &["statsd-host"], STATSD),
    option(GUNICORN_HYPERCORN, Value, NotYet, &["statsd-prefix"], STATSD),
    option(GUNICORN, Value, NotYet, &["dogstatsd-tags"], STATSD),
    option(GUNICORN, Flag, NotYet, &["enable-backlog-metric"], STATSD),
    option(GRANIAN, Flag, Refused, &["metrics"], METRICS),
    option(
        GRANIAN,
        Value,
        Ignored,
        &["metrics-scrape-interval"],
        "metrics are collected when they are asked for",
    ),
    option(GRANIAN, Value, Refused, &["metrics-address"], METRICS),
    option(GRANIAN, Value, Refused, &["metrics-port"], METRICS),
];
