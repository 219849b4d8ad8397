//! Behaviour that is the same over every transport: HTTP/1.1 and HTTP/2, in clear text and over TLS.

mod bodies;
mod clients;
mod extensions;
mod faults;
mod files;
mod limits;
mod operation;
mod options;
mod request_timeout;
mod scope;
