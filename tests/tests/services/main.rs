//! Applications that use real services: a database, Redis, Channels, HTTP clients, and their
//! own I/O. Services that are not installed are skipped.
//!
//! Each test first uses an otherwise idle server, where only the service's answers wake the loop, for so many
//! round trips that a lost wake-up cannot be hidden by a timer; then many connections at once.

mod channels;
mod clients;
mod own_io;
mod postgres;
mod proxies;
mod redis;
mod setup;
