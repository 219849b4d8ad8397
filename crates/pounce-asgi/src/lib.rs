//! The ASGI contract in Rust, and the bridge that implements it with CPython.
//!
//! Two halves. The **contract** ([`App`], [`Exchange`], [`Wire`], [`RequestHead`], …) expresses ASGI as Rust types:
//! the messages between a protocol implementation and an application. It depends on neither Python nor an I/O
//! runtime. The **bridge** (`python`, behind the default feature of the same name) makes an [`App`] out of a Python
//! application: it starts the interpreter, imports the application, builds scopes, and runs asyncio on the worker's
//! thread.
//!
//! Everything here is single-threaded: an exchange never leaves its worker's thread.

#![cfg_attr(not(test), deny(clippy::print_stdout, clippy::print_stderr))]

mod contract;
#[cfg(feature = "python")]
pub mod python;

pub use contract::app::{App, LifespanError, Outcome};
pub use contract::connection::{Address, ConnectionInfo, Peer, Scheme, TlsInfo};
pub use contract::error::SendError;
pub use contract::exchange::{Exchange, ExchangeId, Inbound, Wire};
pub use contract::fields::{Fields, alphanumeric_and, is_field_name, is_field_value, is_token_byte};
pub use contract::request::{HttpVersion, RequestHead};
pub use contract::response::{FileBody, Payload, ResponseHead};
pub use contract::websocket::{Accept, MessageKind, Socket, SocketEvent, SocketWire};
