//! HTTP/1.1 on the wire: what is read, what is refused, what is written.

mod backpressure;
mod chunks;
mod connections;
mod extensions;
mod framing;
mod head;
mod limits;
mod readers;
mod response_splitting;
mod responses;
mod slow;
mod volume;
