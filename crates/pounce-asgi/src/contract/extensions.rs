//! The optional ASGI extensions, offered only when the operator names them.

/// Which of the optional extensions to offer.
///
/// They are off by default because middleware that rewrites bodies and does not know them would lose the
/// response.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Extensions {
    /// `http.response.pathsend`.
    pub pathsend: bool,
    /// `http.response.zerocopysend`.
    pub zerocopysend: bool,
}
