//! HTTP/1.1 on the wire: accepted requests, refused requests, responses.

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
