//! The byte stream of a WebSocket, over any transport.

use std::io;
use std::time::Duration;

/// A stream of bytes in each direction.
pub trait Carrier {
    /// Sends some of `bytes`, and returns how many. `WouldBlock` or `TimedOut` when `limit` is over.
    fn write(&mut self, bytes: &[u8], limit: Duration) -> io::Result<usize>;

    /// Reads received bytes; an empty result is the end. `WouldBlock` or `TimedOut` when `limit` is over.
    fn read(&mut self, limit: Duration) -> io::Result<Vec<u8>>;

    /// Ends the sending side.
    fn finish(&mut self);

    /// Disconnects at once, with a reset.
    fn abort(self: Box<Self>);
}
