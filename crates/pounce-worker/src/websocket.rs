//! The WebSocket protocol (RFC 6455, RFC 7692) as sans-IO machines: no socket and no clock.
//!
//! [`Receiver`] reads a client's frames and returns whole messages; [`Sender`] writes the server's into an
//! [`Output`](crate::http1::Output). The connections of a worker share [`Codecs`] to compress and decompress.

mod codecs;
mod fault;
mod frame;
mod handshake;
mod mask;
mod receiver;
mod sender;

pub use codecs::{Codecs, WindowBits};
pub use fault::FrameFault;
pub(crate) use handshake::{Refusal, UpgradeRequest};
pub use receiver::{FrameEvent, FrameStep, MessageLimits, Receiver};
pub use sender::Sender;

/// Whether a peer may put this code into a close frame (RFC 6455 section 7.4).
pub fn is_close_code(code: u16) -> bool {
    matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999)
}

/// The longest reason that fits in a close frame, in bytes.
pub const MAX_CLOSE_REASON: usize = 123;
