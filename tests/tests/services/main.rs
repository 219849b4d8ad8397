//! Applications that use real services, as applications do: a database, Redis, Channels, HTTP clients, I/O of their
//! own. What is not installed is skipped.
//!
//! Each test first asks an otherwise idle server, where nothing but the service's answer wakes the loop, for so many
//! round trips that a lost wake-up cannot be hidden by a timer; then many connections at once.

mod channels;
mod clients;
mod own_io;
mod postgres;
mod redis;
mod setup;
