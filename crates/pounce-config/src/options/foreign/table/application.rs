//! Options of running the application, static files and planned features.

use super::{DAPHNE, ForeignOption, GRANIAN, GUNICORN, GUNICORN_HYPERCORN, PLANNED, UVICORN, option};
use crate::options::foreign::Arity::{Flag, Value};
use crate::options::foreign::Verdict::{Ignored, NotYet, Refused};

const ONE_THREAD: &str = "a worker is one thread, which runs the network and the application";
const STATIC: &str =
    "serve the files with the application for now (Starlette's StaticFiles, WhiteNoise) or with a proxy";
const DIRTY: &str = "run such work in a task queue or in a separate service";
const PASTE: &str = "load it in a module of yours, app = paste.deploy.loadapp(...), and name that as APP";

pub(super) static APPLICATION: &[ForeignOption] = &[
    // How the application runs
    option(UVICORN, Flag, Ignored, &["reset-contextvars"], "every request runs in a copy of the context"),
    option(GRANIAN, Value, Ignored, &["task-impl"], "there is one way to run the application"),
    option(
        GUNICORN_HYPERCORN,
        Value,
        Ignored,
        &["worker-class", "-k"],
        "there is one kind of worker, and it speaks ASGI",
    ),
    option(GRANIAN, Value, Ignored, &["runtime-mode"], ONE_THREAD),
    option(GRANIAN, Value, Ignored, &["runtime-threads"], ONE_THREAD),
    option(GRANIAN, Value, Ignored, &["runtime-blocking-threads"], ONE_THREAD),
    option(GRANIAN, Value, Ignored, &["blocking-threads"], ONE_THREAD),
    option(GRANIAN, Value, Ignored, &["blocking-threads-idle-timeout"], ONE_THREAD),
    option(GUNICORN, Value, Ignored, &["threads"], ONE_THREAD),
    option(GUNICORN, Flag, Ignored, &["spew"], "use python -m trace, or sys.settrace in the application"),
    option(GUNICORN, Value, Refused, &["pythonpath"], "use --app-dir, or set PYTHONPATH"),
    option(
        &["gunicorn", "daphne"],
        Value,
        Refused,
        &["-e"],
        "it is a variable for some and an endpoint for others; write --set-env NAME=VALUE or --bind ADDRESS",
    ),
    option(GUNICORN, Value, Refused, &["paste", "paster"], PASTE),
    option(GUNICORN, Value, Refused, &["paste-global"], PASTE),
    option(
        GUNICORN,
        Value,
        Ignored,
        &["asgi-disconnect-grace-period"],
        "an application whose client left runs until it ends",
    ),
    option(
        DAPHNE,
        Value,
        Ignored,
        &["application-close-timeout"],
        "an application whose client left runs until it ends",
    ),
    option(GUNICORN, Value, Refused, &["dirty-app"], DIRTY),
    option(GUNICORN, Value, Refused, &["dirty-workers"], DIRTY),
    option(GUNICORN, Value, Refused, &["dirty-timeout"], DIRTY),
    option(GUNICORN, Value, Refused, &["dirty-threads"], DIRTY),
    option(GUNICORN, Value, Refused, &["dirty-graceful-timeout"], DIRTY),
    // Static files
    option(GRANIAN, Value, NotYet, &["static-path-route"], STATIC),
    option(GRANIAN, Value, NotYet, &["static-path-mount"], STATIC),
    option(GRANIAN, Value, NotYet, &["static-path-dir-to-file"], STATIC),
    option(GRANIAN, Value, NotYet, &["static-path-expires"], STATIC),
    // Planned by Pounce only
    option(PLANNED, Value, NotYet, &["static"], STATIC),
    option(
        PLANNED,
        Value,
        NotYet,
        &["compression"],
        "compress in the application for now (Starlette's GZipMiddleware) or in a proxy",
    ),
    option(PLANNED, Value, NotYet, &["cpu-affinity"], "use taskset or CPUAffinity= of systemd for now"),
];
