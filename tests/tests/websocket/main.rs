//! WebSocket over HTTP/1.1, HTTP/2 and TLS.

mod accept;
mod backpressure;
mod clients;
mod close;
mod deflate;
mod drain;
mod faults;
mod handshake;
mod hostile;
mod http2;
mod messages;
mod modes;
mod ping;
mod scope;
