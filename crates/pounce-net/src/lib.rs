//! Endpoints and listening sockets: parsing, binding, duplicating, reconstructing from a descriptor.
//!
//! An [`Endpoint`] is where a server should listen, as a user writes it; [`bind`] turns it into one or more
//! [`Listener`]s, and a [`Listener`] can be duplicated, handed to another process by its descriptor and
//! [`Family`], and reconstructed there once every property is checked.
//!
//! The crate knows no async runtime, no protocol above the socket and no configuration format:
//! [`Listener::accept`] does not wait, and [`Listener::into_std`] gives a type that every runtime takes.
//!
//! # Example
//!
//! ```
//! use std::io::{Read, Write};
//! use std::net::TcpStream;
//! use pounce_net::{BindOptions, Endpoint, LocalAddr, StdListener, bind};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let endpoint: Endpoint = "127.0.0.1:0".parse()?;
//! let listener = bind(&endpoint, &BindOptions::default())?.remove(0);
//! let LocalAddr::Tcp(address) = *listener.local_addr() else { unreachable!("bound to TCP") };
//! assert_ne!(address.port(), 0, "port 0 becomes the port that the kernel picked");
//!
//! let mut client = TcpStream::connect(address)?;
//! let StdListener::Tcp(listener) = listener.into_std() else { unreachable!("bound to TCP") };
//! listener.set_nonblocking(false)?; // listeners are nonblocking; this example has no event loop
//! let (mut server, _peer) = listener.accept()?;
//!
//! server.write_all(b"hello")?;
//! drop(server);
//! let mut received = String::new();
//! client.read_to_string(&mut received)?;
//! assert_eq!(received, "hello");
//! # Ok(())
//! # }
//! ```
//!
//! # Map
//!
//! | module | subject |
//! |---|---|
//! | `endpoint` | the text form of an endpoint and its errors |
//! | `bind` | from an endpoint to listeners: TCP, Unix, descriptors, SO_REUSEPORT sets |
//! | `listener` | the listener, its address and family, adopting a descriptor |
//! | `file` | sending files |
//! | `load` | how many connections each of several workers has, in memory that they share |
//! | `proxy_protocol` | the PROXY protocol |
//! | `raw_fd` | descriptors across `exec`; only this, `accept`, `file`, `shared_memory` and `unsent` have unsafe code |
//! | `shared_memory` | memory that processes share |
//! | `unsent` | how many written bytes have not reached the peer |
//! | `sys` | what differs between Linux and other systems |

#![cfg_attr(not(test), deny(clippy::print_stdout, clippy::print_stderr))]

mod adopt_error;
mod bind;
mod endpoint;
mod file;
mod listener;
mod load;
mod proxy_protocol;
mod raw_fd;
mod shared_memory;
mod sys;
mod unsent;

pub use adopt_error::AdoptError;
pub use bind::error::BindError;
pub use bind::{BindOptions, bind, bind_set};
pub use endpoint::Endpoint;
pub use endpoint::parse::EndpointError;
pub use file::{read_at, send_file};
pub use listener::addr::{Family, LocalAddr, UnknownFamily};

pub use listener::{Accepted, Listener, StdListener};
pub use load::{Load, LoadTable, Reservation};
pub use proxy_protocol::{Proxied, ProxyHeader, take_proxy_header};
pub use raw_fd::{inherit, inherited_packets, inherited_stream};
pub use shared_memory::{Shared, SharedMemory};
pub use sys::{REUSE_PORT_BALANCES, is_own_user};
pub use unsent::unsent;
