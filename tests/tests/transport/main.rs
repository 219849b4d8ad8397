//! The same behaviour, whatever carries it: HTTP/1.1 and HTTP/2, in the clear and over TLS.

mod bodies;
mod clients;
mod extensions;
mod faults;
mod files;
mod limits;
mod operation;
mod options;
mod scope;
