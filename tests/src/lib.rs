//! The harness of the end-to-end tests: starts the built server, talks to it over raw sockets and
//! observes its process from outside. It is independent of the server's code.
//!
//! | module | holds |
//! |---|---|
//! | [`options`] | command line and environment of a server |
//! | [`server`] | the running process: start, signals, exit, quick requests |
//! | [`output`] | the process's output, as it comes |
//! | [`client`] | one connection: "send this, expect that" |
//! | [`h2`] | the same for HTTP/2, frame by frame |
//! | [`response`] | responses parsed strictly from a stream of bytes |
//! | [`attack`] | a request that must be refused, and the state afterwards |
//! | [`notes`] | events recorded by applications |
//! | [`python`] | the test virtualenv and its modules |
//! | [`process`] | memory and file descriptors of a process |
//! | [`family`] | the processes that belong to a server |
//! | [`modes`] | the kinds of workers, and a test for each |
//! | [`load`] | clients that send requests without a pause |
//! | [`project`] | an application that is edited while it runs |
//! | [`pki`] | certificates made for a test |
//! | [`tls`] | the client's side of TLS |
//! | [`secured`] | a server with TLS, and its clients' trust |
//! | [`services`] | PostgreSQL, Redis and an echo, for applications to use |
//! | [`transport`] | requests and responses over HTTP/1.1 and HTTP/2, clear and encrypted, and a test for each |
//! | [`wait`] | bounded waiting |
//! | [`websocket`] | one WebSocket: "send this frame, expect that frame", over every transport |
//!
//! | environment | names |
//! |---|---|
//! | `POUNCE_TEST_BINARY` | the server to test, instead of the one built next to the tests |
//! | `POUNCE_TEST_VENV` | the virtualenv with frameworks and clients; tests that need one are skipped without it |

pub mod attack;
pub mod client;
pub mod family;
pub mod h2;
pub mod load;
pub mod metrics;
pub mod modes;
pub mod notes;
pub mod options;
pub mod output;
pub mod pki;
pub mod process;
pub mod project;
pub mod python;
pub mod response;
pub mod secured;
pub mod server;
pub mod services;
pub mod tls;
pub mod transport;
pub mod wait;
pub mod websocket;

pub use client::Client;
pub use load::Load;
pub use modes::Mode;
pub use options::Options;
pub use project::Project;
pub use response::Response;
pub use server::{Exit, Server};
pub use transport::{Answer, Ask, End, Exchange, Transport, TransportLoad};
pub use wait::{PATIENCE, eventually};
pub use websocket::{Frame, Handshake, WebSocket};
