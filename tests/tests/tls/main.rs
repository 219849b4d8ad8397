//! TLS: certificates, handshakes, sessions, the encrypted stream.

mod clients;
mod files;
mod handshake;
mod hostile;
mod redirect;
mod renewal;
mod resumption;
mod stream;
