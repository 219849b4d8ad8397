//! HTTP/1.1 (RFC 9112) as a sans-IO machine: bytes in, events and bytes out, no socket and no clock.
//!
//! [`RequestMachine`] reads requests; [`ResponseEncoder`] writes responses into an [`Output`]. Neither
//! knows about the other: the connection that owns both carries the few facts that cross.

mod chunked;
mod encode;
mod fault;
mod head;
mod host;
mod machine;
mod response;
mod status;

pub use crate::output::Output;
pub(crate) use chunked::is_forbidden_trailer;
pub(crate) use encode::{check_field, field, status_line};
pub use fault::Fault;
pub(crate) use head::decimal;
pub use head::{BodyFraming, Facts};
pub(crate) use host::is_host;
pub use machine::{Event, Limits, RequestMachine, Step};
pub use response::{ResponseContext, ResponseEncoder};
