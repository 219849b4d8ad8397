//! What a program that runs the server hands over instead of names.

use pyo3::prelude::*;

/// What the program that runs the server gives as Python objects. To be dropped attached.
#[derive(Default)]
pub struct ProgramObjects {
    /// The application, or a factory of one, in place of the one that the configuration names.
    pub app: Option<Py<PyAny>>,
    /// A function that makes the ASGI 3 application to serve out of that one; it is told whether that one is ASGI 2.
    pub wrap: Option<Py<PyAny>>,
    /// A configuration of Python's logging: a dictionary.
    pub log_config: Option<Py<PyAny>>,
}

impl ProgramObjects {
    /// Whether the application is one of them.
    pub fn has_app(&self) -> bool {
        self.app.is_some() || self.wrap.is_some()
    }
}

impl std::fmt::Debug for ProgramObjects {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ProgramObjects(..)")
    }
}
