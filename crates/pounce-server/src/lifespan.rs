//! The application's lifespan, within its time.

use std::time::Duration;

use pounce_asgi::App as _;
use pounce_asgi::python::PythonApp;

use crate::error::ServerError;

/// Runs the startup.
///
/// # Errors
/// It failed, or is not complete in time.
pub(crate) async fn start(app: &PythonApp, timeout: Duration) -> Result<(), ServerError> {
    match tokio::time::timeout(timeout, app.startup()).await {
        Ok(started) => started.map_err(ServerError::Startup),
        Err(_) => Err(ServerError::StartupTimeout(timeout)),
    }
}

/// Runs the shutdown. What goes wrong is logged: there is nothing else to be done about it.
pub(crate) async fn shut_down(app: &PythonApp, timeout: Duration) {
    match tokio::time::timeout(timeout, app.shutdown()).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::error!(target: "pounce", "the application's shutdown failed: {error}"),
        Err(_) => {
            tracing::error!(target: "pounce", "the application's shutdown was not complete after {timeout:?}");
        }
    }
}
