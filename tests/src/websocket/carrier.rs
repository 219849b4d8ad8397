//! What a WebSocket's bytes travel on, whichever transport it is.

use std::io;
use std::time::Duration;

/// A stream of bytes in each direction.
pub trait Carrier {
    /// Sends some of `bytes`, and says how many. `WouldBlock` or `TimedOut` when `limit` is over.
    fn write(&mut self, bytes: &[u8], limit: Duration) -> io::Result<usize>;

    /// Reads what has come, something; nothing is the end. `WouldBlock` or `TimedOut` when `limit` is over.
    fn read(&mut self, limit: Duration) -> io::Result<Vec<u8>>;

    /// Ends the sending side.
    fn finish(&mut self);

    /// Goes away at once, as a reset.
    fn abort(self: Box<Self>);
}
