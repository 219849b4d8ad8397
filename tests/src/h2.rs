//! A test vocabulary for HTTP/2, frame by frame: "send this, expect that" (RFC 9113). It shares nothing with the
//! server: sent frames may break every rule, and received frames are checked against all of them.
//!
//! | module | holds |
//! |---|---|
//! | [`frame`] | frames, written and read |
//! | [`code`] | error codes by their names |
//! | [`hpack`] | field blocks, made byte by byte so that they may be wrong |
//! | [`request`] | the fields of a request |
//! | [`client`] | one connection: sending, and received events |
//! | [`received`] | received frames, checked against the rules for a server |
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
