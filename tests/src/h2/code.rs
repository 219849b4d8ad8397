//! Error codes by their names (RFC 9113 §7).

use std::fmt;

/// An error code.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Code(pub u32);

impl Code {
    /// Graceful shutdown, or no error.
    pub const NO_ERROR: Code = Code(0x0);
    /// A violation without a more specific code.
    pub const PROTOCOL_ERROR: Code = Code(0x1);
    /// An internal fault of the sender.
    pub const INTERNAL_ERROR: Code = Code(0x2);
    /// More data than the window allows, or a window too large.
    pub const FLOW_CONTROL_ERROR: Code = Code(0x3);
    /// SETTINGS were not acknowledged.
    pub const SETTINGS_TIMEOUT: Code = Code(0x4);
    /// A frame for a stream that is half closed or closed.
    pub const STREAM_CLOSED: Code = Code(0x5);
    /// A frame of a wrong size.
    pub const FRAME_SIZE_ERROR: Code = Code(0x6);
    /// Refused before any processing.
    pub const REFUSED_STREAM: Code = Code(0x7);
    /// No longer needed.
    pub const CANCEL: Code = Code(0x8);
    /// A field block that does not decode.
    pub const COMPRESSION_ERROR: Code = Code(0x9);
    /// The connection of a CONNECT request failed.
    pub const CONNECT_ERROR: Code = Code(0xa);
    /// Excessive load.
    pub const ENHANCE_YOUR_CALM: Code = Code(0xb);
    /// The transport is not secure enough.
    pub const INADEQUATE_SECURITY: Code = Code(0xc);
    /// HTTP/1.1 is required.
    pub const HTTP_1_1_REQUIRED: Code = Code(0xd);
}

const NAMES: [&str; 14] = [
    "NO_ERROR",
    "PROTOCOL_ERROR",
    "INTERNAL_ERROR",
    "FLOW_CONTROL_ERROR",
    "SETTINGS_TIMEOUT",
    "STREAM_CLOSED",
    "FRAME_SIZE_ERROR",
    "REFUSED_STREAM",
    "CANCEL",
    "COMPRESSION_ERROR",
    "CONNECT_ERROR",
    "ENHANCE_YOUR_CALM",
    "INADEQUATE_SECURITY",
    "HTTP_1_1_REQUIRED",
];

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match NAMES.get(self.0 as usize) {
            Some(name) => f.write_str(name),
            None => write!(f, "{:#x}", self.0),
        }
    }
}
