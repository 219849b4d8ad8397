//! The bridge: a Python application as an [`App`](crate::App).
//!
//! Start an [`Interpreter`], [`run`] a future together with asyncio's loop, and in it [`PythonApp::load`] an
//! application. All of this runs on one thread; see `ARCHITECTURE.md` for the rules that keep it sound.

#![allow(unsafe_code)] // CPython's C interface; each block says why it is sound.

mod app;
mod app_coroutine;
mod asyncio;
mod call;
mod callback;
mod collector;
mod context;
mod coroutine;
mod current_task;
mod deadline;
mod disowned;
mod entries;
mod event_loop;
mod files;
mod flag;
mod foreign_config;
mod forked;
mod function;
mod http_message;
mod interpreter;
mod load_error;
mod loggers;
mod loop_driver;
mod memory;
mod message;
mod names;
#[cfg(target_os = "linux")]
mod native_loop;
#[cfg(not(target_os = "linux"))]
#[path = "python/native_loop/elsewhere.rs"]
mod native_loop;
mod object;
mod own_module;
mod owner;
mod park;
mod preload;
mod program_objects;
mod pulse;
mod reading;
mod request_task;
mod scope;
mod side;
mod signals;
mod slots;
mod socket_message;
mod stacks;
mod subinterpreter;
mod turns;
mod types;

/// Python source that ends with a NUL.
const fn source(text: &'static str) -> &'static std::ffi::CStr {
    match std::ffi::CStr::from_bytes_with_nul(text.as_bytes()) {
        Ok(source) => source,
        Err(_) => panic!("the source has a NUL in it"),
    }
}

pub use app::{PythonApp, SharedApp};
pub use call::Call;
pub use collector::CollectorWatch;
pub use disowned::disown;
pub use event_loop::{EventLoop, RunError, SetAside, run};
pub use foreign_config::evaluate_config;
pub use forked::disown_opened_by;
pub use interpreter::{Interpreter, InterpreterError, InterpreterOptions};
pub use load_error::LoadError;
pub use loggers::{LogConfigError, LogDict, LogEvent, LogLine, LogRequest, Loggers};
pub use native_loop::loop_class;
pub use program_objects::ProgramObjects;
pub use pulse::Pulse;
pub use scope::ScopeConnection;
pub use signals::{Received, Sender, Signals, call_handlers_for};
pub use stacks::Stacks;
pub use subinterpreter::Exclusive;
