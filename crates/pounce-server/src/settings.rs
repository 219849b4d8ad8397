//! The settings of the worker and of the interpreter, taken from the configuration.

use std::num::NonZeroU64;
use std::path::PathBuf;
use std::sync::Arc;

use pounce_asgi::python::InterpreterOptions;
use pounce_config::WorkerConfig;
use pounce_metrics::WorkerMetrics;
use pounce_net::Load;
use pounce_worker::Settings;
use pounce_worker::tls::TlsStore;

use crate::metrics;

/// The settings of the worker.
pub(crate) fn worker(
    config: &WorkerConfig,
    max_requests: Option<NonZeroU64>,
    load: Option<Load>,
    tls: Option<Arc<TlsStore>>,
    metrics: Option<&WorkerMetrics>,
) -> Settings {
    Settings {
        http: config.http.clone(),
        websocket: config.websocket,
        proxies: config.proxies.clone(),
        lifecycle: config.lifecycle.clone(),
        tls,
        max_requests,
        load,
        metrics: metrics.cloned().map(Arc::new),
        metrics_text: metrics.map(|metrics| metrics::text(metrics.rows())),
        ..Settings::default()
    }
}

/// Where the interpreter finds its packages.
pub(crate) fn interpreter(config: &WorkerConfig) -> InterpreterOptions {
    interpreter_in(config.app.python.clone(), Some(config.app.folder()))
}

/// The same for a program without an application: `python` is what `--python` names, `folder` is looked at before the
/// working directory.
pub(crate) fn interpreter_in(python: Option<PathBuf>, folder: Option<PathBuf>) -> InterpreterOptions {
    InterpreterOptions {
        python,
        virtual_env: std::env::var_os("VIRTUAL_ENV").filter(|path| !path.is_empty()).map(PathBuf::from),
        projects: folder.into_iter().chain(std::env::current_dir().ok()).collect(),
    }
}
