//! One worker: the wire side of ASGI on one thread.
//!
//! [`Worker`] accepts connections and serves an [`App`](pounce_asgi::App) over them. Everything happens
//! on the thread that runs it, inside a tokio `LocalRuntime`: accepting, parsing, the application, writing.
//! [`http1`], [`http2`] and [`websocket`] parse and encode without I/O. Nothing here depends on Python; [`test_apps`]
//! has applications for tests and benchmarks.

#![cfg_attr(not(test), deny(clippy::print_stdout, clippy::print_stderr))]

mod accept;
mod connection;
mod crypto;
mod engine;
mod flusher;
mod forwarded;
mod hex;
pub mod http1;
pub mod http2;
mod observer;
mod output;
mod progress;
mod request_id;
mod settings;
mod stream;
pub mod test_apps;
pub mod tls;
mod trace_context;
pub mod websocket;
mod worker;

pub use engine::OpenRequest;
pub use observer::{CLIENT_CLOSED_REQUEST, ExchangeRecord, ObservedRequest, Observer};
pub use settings::{MetricsText, Settings};
pub use trace_context::TraceContext;
pub use worker::{Drained, Queue, Worker};
