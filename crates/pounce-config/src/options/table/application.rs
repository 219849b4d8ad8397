//! Options of the application.

use crate::options::build::option;
use crate::options::{Kind, OptionSpec, Section};

pub(super) const OPTIONS: &[OptionSpec] = &[
    option("app", Kind::Text, Section::Application)
        .value("APP")
        .positional()
        .help("The application: module:attribute, module:factory() or module"),
    option("app-dir", Kind::Path, Section::Application)
        .value("DIR")
        .help("First folder on sys.path instead of the working directory"),
    option("factory", Kind::Flag, Section::Application)
        .default("off")
        .help("Call APP without arguments to get the application"),
    option("interface", Kind::Choice(&["auto", "asgi3", "asgi2"]), Section::Application)
        .value("NAME")
        .default("auto")
        .synonyms(&[("asgi", "auto")])
        .refusals(&[
            (
                "wsgi",
                "wrap a WSGI application: app = asgiref.wsgi.WsgiToAsgi(app), or a2wsgi.WSGIMiddleware(app)",
            ),
            ("rsgi", "RSGI is granian's own; name an ASGI application"),
            ("asginl", "asginl is ASGI without lifespan: write --interface asgi3 --lifespan off"),
        ])
        .help("ASGI version of the application; auto looks at how it is called"),
    option("loop", Kind::Choice(&["pounce", "asyncio"]), Section::Application)
        .value("NAME")
        .aliases(&["asgi-loop"])
        .default("pounce")
        .implementations(&["auto", "none", "uvloop", "rloop", "winloop", "zuvloop"])
        .help("Event loop: Pounce's, which behaves as asyncio's and is faster, or asyncio's own"),
    option("lifespan", Kind::Choice(&["auto", "on", "off"]), Section::Application)
        .value("MODE")
        .aliases(&["asgi-lifespan"])
        .default("auto")
        .help("Lifespan events; auto serves without them if the application does not support them"),
    option("lifespan-scope", Kind::Choice(&["auto", "server", "worker"]), Section::Application)
        .value("SCOPE")
        .default("auto")
        .help("Lifespan once for the server or once per worker; auto: once per copy of the application"),
    option("root-path", Kind::Text, Section::Application)
        .value("PATH")
        .aliases(&["url-path-prefix"])
        .default("")
        .help("Path the application is mounted at behind a proxy"),
    option("python", Kind::Path, Section::Application)
        .value("PATH")
        .help("Python interpreter or virtual environment whose packages the application sees"),
    option("env-file", Kind::Path, Section::Application)
        .value("FILE")
        .aliases(&["env-files"])
        .help("File of KEY=VALUE lines that become environment variables of the application"),
    option("asgi-extensions", Kind::Choices(&["pathsend", "zerocopysend"]), Section::Application)
        .value("NAMES")
        .help("ASGI extensions to offer in addition to the default ones"),
    option("debug", Kind::Flag, Section::Application)
        .default("off")
        .help("Answer a failed request with a page that shows the error"),
];
