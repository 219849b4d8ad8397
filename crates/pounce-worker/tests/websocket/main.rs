//! The WebSocket machine: what it reads and writes, without a socket.

mod deflate;
mod frames;
mod refusals;
mod round_trips;
mod splits;
