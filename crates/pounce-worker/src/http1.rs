//! HTTP/1.1 (RFC 9112) as a sans-IO machine: bytes in, events and bytes out, no socket and no clock.
//!
//! [`RequestMachine`] reads requests; [`ResponseEncoder`] writes responses into an [`Output`]. They are independent:
//! the connection that owns both passes the few facts from one to the other.

mod chunked;
mod encode;
mod extension;
mod fault;
mod head;
mod host;
mod machine;
mod response;
mod status;
mod version;

pub use crate::output::Output;
pub(crate) use chunked::is_forbidden_trailer;
pub(crate) use encode::{check_field, field, status_line};
pub use fault::Fault;
pub use head::{BodyFraming, Facts};
pub(crate) use head::{LONG_METHOD, MAX_METHOD, decimal};
pub(crate) use host::{agrees, is_host};
pub use machine::{RequestEvent, RequestMachine, RequestStep};
pub use pounce_config::RequestLimits;
pub use response::{ResponseContext, ResponseEncoder};
