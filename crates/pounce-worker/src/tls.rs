//! TLS on rustls: certificates from files, kept up to date, and the encrypted stream of one connection.
//!
//! The connections of a worker, or of all workers of a process, share a [`TlsStore`].

mod clients;
mod error;
mod identity;
mod key;
mod revocation;
mod secret;
mod store;
mod stream;
mod tickets;

pub use error::TlsError;
pub use secret::Secret;
pub use store::{ClientCertificates, TlsFiles, TlsSettings, TlsStore};
pub(crate) use stream::TlsStream;
pub use tickets::TicketSecret;
