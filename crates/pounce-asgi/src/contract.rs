//! The contract half: types that the wire and the application share, independent of Python and of any runtime.

pub(crate) mod app;
pub(crate) mod connection;
pub(crate) mod error;
pub(crate) mod exchange;
pub(crate) mod fields;
pub(crate) mod request;
pub(crate) mod response;
pub(crate) mod websocket;
