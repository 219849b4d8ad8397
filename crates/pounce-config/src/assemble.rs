//! Layers into a [`ServerConfig`]: where each option goes, and how options combine.

mod tls;

use std::path::PathBuf;
use std::time::Duration;

use crate::config::{
    AccessLogFormat, AppConfig, HttpConfig, LifecycleConfig, ListenConfig, LogConfig, LogFormat, LogSource,
    Proxies, ProxyConfig, ReloadConfig, ServerConfig, WorkersConfig,
};
use crate::fault::ConfigErrors;
use crate::layer::{Compat, Layers};
use crate::resolve::Resolver;
use crate::value;
use crate::value::endpoint::{self, endpoint};

/// How long the event loop may be blocked with `--reload`, unless that is given.
const BLOCKED_IN_DEVELOPMENT: Duration = Duration::from_millis(100);

const APP: &str = "MODULE:ATTRIBUTE, MODULE:FACTORY() or MODULE, such as main:app";

impl Layers {
    /// Builds one configuration from the layers.
    ///
    /// # Errors
    ///
    /// Every fault of every layer and of their combination, all at once.
    pub fn build(self) -> Result<ServerConfig, ConfigErrors> {
        assemble(self)
    }
}

fn assemble(layers: Layers) -> Result<ServerConfig, ConfigErrors> {
    let mut options = Resolver::new(layers);
    let app = app(&mut options);
    let listen = listen(&mut options);
    let mut http: HttpConfig = options.part();
    // Read even if WebSockets are off: a faulty value is still a fault.
    let websocket = options.part();
    let websocket = options.flag("ws").then_some(websocket);
    let tls = tls::tls(&mut options);
    http.headers.extend(hsts(&mut options, tls.is_some()));
    let redirect_http = redirect_http(&mut options, tls.is_some());
    let proxies = proxies(&mut options);
    let mut lifecycle: LifecycleConfig = options.part();
    let workers = workers(&mut options);
    let process = options.part();
    let log = log(&mut options);
    let metrics_bind = options.text("metrics-bind", endpoint::EXPECTED, endpoint);
    let control = options.path("control");
    let reload = reload(&mut options);
    if reload.is_some() && !options.is_given("log-blocked-loop") {
        lifecycle.log_blocked_loop = Some(BLOCKED_IN_DEVELOPMENT);
    }
    // The caller has already chosen the file; this only validates the path.
    options.path("config");
    options.optional_choice::<Compat>("compat");
    let Resolver { settings, faults, notes } = options;
    if faults.is_empty() {
        Ok(ServerConfig {
            app,
            listen,
            http,
            websocket,
            tls,
            proxies,
            lifecycle,
            workers,
            process,
            log,
            redirect_http,
            metrics_bind,
            control,
            reload,
            settings,
            notes,
        })
    } else {
        Err(ConfigErrors(faults))
    }
}

fn app(options: &mut Resolver) -> AppConfig {
    if !options.is_given("app") {
        options.missing("app", APP);
    }
    let mut extensions = options.choices("asgi-extensions");
    extensions.sort_unstable();
    extensions.dedup();
    AppConfig {
        // Empty only together with a fault, so never in a finished config.
        target: options.text("app", APP, value::app).unwrap_or_default(),
        app_dir: options.path("app-dir"),
        factory: options.flag("factory"),
        interface: options.choice("interface"),
        event_loop: options.choice("loop"),
        root_path: options
            .text("root-path", "a path that begins with /, without percent-encoding", value::root_path)
            .unwrap_or_default(),
        python: options.path("python"),
        env_file: options.path("env-file"),
        environment: options.list("set-env", Some("NAME=VALUE"), value::variable),
        extensions,
        debug: options.flag("debug"),
    }
}

fn listen(options: &mut Resolver) -> ListenConfig {
    let mut binds = options.list("bind", Some(endpoint::EXPECTED), endpoint);
    binds.extend(options.path("uds").map(|path| format!("unix:{}", path.display())));
    binds.extend(options.optional_integer("fd").map(|fd| format!("fd://{fd}")));
    let host = options.text("host", "a host name or an address, without a port", endpoint::host);
    let port = options.integer("port");
    let named = ["bind", "uds", "fd"].into_iter().find(|name| options.is_given(name));
    match named {
        None => binds.push(format!("{}:{port}", host.unwrap_or_default())),
        Some(named) => overruled(options, named),
    }
    let mut seen = std::collections::HashSet::new();
    binds.retain(|bind| seen.insert(bind.clone()));

    let uds_permissions = options.permissions("uds-permissions");
    if uds_permissions.is_some() && !binds.iter().any(|bind| bind.starts_with("unix:")) {
        let origin = options.origin("uds-permissions");
        options.notes.push(format!("uds-permissions ({origin}) has no effect: there is no Unix socket"));
    }
    ListenConfig { binds, uds_permissions, backlog: narrow(options.integer("backlog")) }
}

/// Notes a host or port that has no effect because `named` already says where to listen. No note for one from a
/// lower layer: overruling it was the intent.
fn overruled(options: &mut Resolver, named: &str) {
    for name in ["host", "port"] {
        let (loser, winner) = (options.origin(name), options.origin(named));
        if options.is_given(name) && loser.rank() >= winner.rank() {
            let note = format!("{name} ({loser}) has no effect: {named} ({winner}) says where to listen");
            options.notes.push(note);
        }
    }
}

/// The port that redirects to HTTPS.
fn redirect_http(options: &mut Resolver, has_tls: bool) -> Option<u16> {
    let port = options.optional_integer("redirect-http")?;
    if !has_tls {
        let origin = options.origin("redirect-http");
        let note = format!("redirect-http ({origin}) has no effect without a certificate (ssl-certfile)");
        options.notes.push(note);
        return None;
    }
    Some(narrow(port))
}

/// The header that tells browsers to use only HTTPS.
fn hsts(options: &mut Resolver, has_tls: bool) -> Option<(String, String)> {
    let age = options.optional_seconds("hsts")?;
    if !has_tls {
        let origin = options.origin("hsts");
        options.notes.push(format!("hsts ({origin}) has no effect without a certificate (ssl-certfile)"));
        return None;
    }
    Some(("strict-transport-security".to_owned(), format!("max-age={}", age.as_secs())))
}

fn proxies(options: &mut Resolver) -> ProxyConfig {
    let mut trusted = Proxies::default();
    let expected = "addresses, networks such as 10.0.0.0/8, unix or *";
    let texts = options.list("forwarded-allow-ips", Some(expected), |text| {
        let mut parsed = Proxies::default();
        let mut texts = text.split(',').map(str::trim).filter(|text| !text.is_empty());
        texts.all(|text| parsed.add(text)).then_some(parsed)
    });
    for Proxies { all, unix, networks } in texts {
        trusted.all |= all;
        trusted.unix |= unix;
        trusted.networks.extend(networks);
    }
    // Every peer includes those at Unix sockets.
    trusted.unix |= trusted.all;
    ProxyConfig { headers: options.flag("proxy-headers"), protocol: options.flag("proxy-protocol"), trusted }
}

fn workers(options: &mut Resolver) -> WorkersConfig {
    for (jitter, limit) in
        [("limit-max-requests-jitter", "limit-max-requests"), ("workers-lifetime-jitter", "workers-lifetime")]
    {
        if options.is_given(jitter) && !options.is_given(limit) {
            let origin = options.origin(jitter);
            options.notes.push(format!("{jitter} ({origin}) has no effect without {limit}"));
        }
    }
    options.part()
}

fn log(options: &mut Resolver) -> LogConfig {
    let one_line = |text: &str| match text {
        "json" => Some(AccessLogFormat::Json),
        _ if text.is_empty() || text.contains(char::is_control) => None,
        _ => Some(AccessLogFormat::Text(text.to_owned())),
    };
    let format = options.text("access-log-format", "a template of one line, or json", one_line);
    let form: LogFormat = options.choice("log-format");
    // With a JSON log the access log is JSON too, unless its format was given.
    let format = match form {
        LogFormat::Json if !options.is_given("access-log-format") => Some(AccessLogFormat::Json),
        _ => format,
    };
    let access = format.filter(|_| options.flag("access-log"));
    // The streams are open; another user might not open them again by these names.
    let mut file = |name, stream: &str| {
        options.path(name).filter(|path| path.as_os_str() != "-" && path.as_os_str() != stream)
    };
    let mut access_file = file("access-logfile", "/dev/stdout");
    let mut error_file = file("error-logfile", "/dev/stderr");
    let python = options.text("log-config", "a path, or a JSON object", log_source);
    if python.is_some() {
        for name in ["log-format", "use-colors", "access-logfile", "error-logfile"] {
            if options.is_given(name) {
                let (origin, winner) = (options.origin(name), options.origin("log-config"));
                let note =
                    format!("{name} ({origin}) has no effect: log-config ({winner}) says where lines go");
                options.notes.push(note);
            }
        }
        (access_file, error_file) = (None, None);
    }
    LogConfig {
        python,
        level: options.choice("log-level"),
        level_is_given: options.is_given("log-level"),
        format: form,
        colors: options.optional_flag("use-colors"),
        access,
        access_exclude: options.list("access-log-exclude", Some("a path such as /health"), |text| {
            text.starts_with(['/', '*']).then(|| text.to_owned())
        }),
        access_format_is_given: options.is_given("access-log-format"),
        access_file,
        error_file,
    }
}

fn log_source(text: &str) -> Option<LogSource> {
    match text.trim_start().starts_with('{') {
        true => Some(LogSource::Json(text.to_owned())),
        false => value::path(text).map(|path| LogSource::File(path.into())),
    }
}

fn reload(options: &mut Resolver) -> Option<ReloadConfig> {
    // Read even if reloading is off: a faulty value is still a fault.
    let reload = ReloadConfig {
        dirs: options
            .list("reload-dir", Some("a path"), value::path)
            .into_iter()
            .map(PathBuf::from)
            .collect(),
        include: options.list("reload-include", Some("a pattern of file names"), value::path),
        exclude: options.list("reload-exclude", Some("a pattern of file names"), value::path),
        delay: options.seconds("reload-delay"),
    };
    options.flag("reload").then_some(reload)
}

/// A number whose range in the table fits the narrower type on every platform.
fn narrow<T: TryFrom<u64>>(number: u64) -> T {
    T::try_from(number).ok().expect("a range of the table that fits")
}
