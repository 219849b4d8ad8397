//! A vocabulary for HTTP/2, frame by frame: "send this, expect that" (RFC 9113). It shares nothing with the
//! server: what is sent may break every rule, what comes is held against all of them.
//!
//! | module | holds |
//! |---|---|
//! | [`frame`] | frames, written and read |
//! | [`code`] | error codes by their names |
//! | [`hpack`] | field blocks, made byte by byte so that they may be wrong |
//! | [`request`] | the fields of a request |
//! | [`client`] | one connection: sending, and what was received |
//! | [`received`] | what came, with the rules that a server has to keep checked |
//! | [`exchange`] | requests, responses and bodies within their windows |
//! | [`expect`] | errors of connections and streams that must follow |
//! | [`flood`] | frames without end |

pub mod client;
pub mod code;
pub mod exchange;
pub mod expect;
pub mod flood;
pub mod frame;
pub mod hpack;
pub mod received;
pub mod request;

pub use client::Client;
pub use code::Code;
pub use frame::{Frame, flag, kind, setting};
pub use received::Event;
pub use request::Request;
