//! TLS on rustls: certificates from files, kept up to date, and the encrypted stream of one connection.
//!
//! The connections of a worker, or of all workers of a process, share a [`TlsStore`].

mod clients;
mod error;
mod files;
mod identity;
mod key;
mod revocation;
mod store;
mod stream;
#[cfg(test)]
mod tests;
mod tickets;

pub use crate::crypto::default_provider as crypto_provider;
pub use error::TlsError;
pub use store::TlsStore;
pub(crate) use stream::TlsStream;
pub use tickets::{TicketSecret, Tickets};
