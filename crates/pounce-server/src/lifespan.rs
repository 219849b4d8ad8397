//! The application's lifespan, within its timeouts.

use std::time::Duration;

use pounce_asgi::App as _;
use pounce_asgi::python::PythonApp;

use crate::error::ServerError;

/// Runs the startup.
///
/// # Errors
/// The startup failed, or did not complete in time.
pub(crate) async fn start(app: &PythonApp, timeout: Duration) -> Result<(), ServerError> {
    match tokio::time::timeout(timeout, app.startup()).await {
        Ok(started) => started.map_err(ServerError::Startup),
        Err(_) => Err(ServerError::StartupTimeout(timeout)),
    }
}

/// Runs the shutdown. Errors are only logged: the server ends anyway.
pub(crate) async fn shut_down(app: &PythonApp, timeout: Duration) {
    match tokio::time::timeout(timeout, app.shutdown()).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::error!(target: "pounce", "the application's shutdown failed: {error}"),
        Err(_) => {
            tracing::error!(target: "pounce", "the application's shutdown was not complete after {timeout:?}");
        }
    }
}
