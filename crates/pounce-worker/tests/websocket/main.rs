//! The WebSocket machines' input and output, without a socket.

mod deflate;
mod frames;
mod refusals;
mod round_trips;
mod splits;
