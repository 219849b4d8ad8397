//! Importing an application for processes that this one forks.

use std::path::Path;

use pyo3::prelude::*;

use super::asyncio::attached;
use super::event_loop::EventLoop;
use super::load_error::{LoadError, load_error};
use super::signals;

impl EventLoop {
    /// Imports the module of an application for workers that this process forks later, and returns the names of the threads
    /// that there are now besides this one: a fork would be without them. Factories are not called.
    ///
    /// # Errors
    /// See [`LoadError`](super::LoadError).
    pub fn preload(&self, target: &str, folder: &Path) -> Result<Vec<String>, LoadError> {
        let glue = self.asyncio.glue.bind(attached());
        let loaded = glue.call_method1("preload", (target, folder.as_os_str()));
        self.asyncio.driver.look();
        let names = loaded.and_then(|names| signals::prepare(attached()).and(names.extract()));
        names.map_err(|error| load_error(attached(), &self.asyncio, &error))
    }
}
