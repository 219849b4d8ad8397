//! The accept loop of one listener.

use std::io;
use std::rc::Rc;
use std::time::{Duration, Instant};

use pounce_asgi::{Address, App, ConnectionInfo};
use tokio::net::{TcpListener, UnixListener};

use crate::connection::{ConnectionTask, Link};
use crate::engine::Engine;
use crate::http1::ResponseEncoder;
use crate::stream::Stream;

/// How long to wait when the process is out of descriptors or memory.
const BACK_OFF: Duration = Duration::from_millis(250);

/// A listening socket that tokio watches.
pub(crate) enum Acceptor {
    Tcp {
        listener: TcpListener,
        /// The address that every connection has on our side; none where the listener takes several.
        address: Option<Address>,
    },
    Unix {
        listener: UnixListener,
        address: Address,
    },
}

impl Acceptor {
    /// Takes over a bound listener.
    ///
    /// # Errors
    /// The socket cannot be watched.
    pub(crate) fn new(listener: pounce_net::Listener) -> io::Result<Self> {
        match listener.into_std() {
            pounce_net::StdListener::Tcp(listener) => {
                let bound = listener.local_addr()?;
                let address = (!bound.ip().is_unspecified()).then_some(Address::Ip(bound));
                Ok(Self::Tcp { listener: TcpListener::from_std(listener)?, address })
            }
            pounce_net::StdListener::Unix(listener) => {
                let path = listener.local_addr()?.as_pathname().map(|path| path.display().to_string());
                let address = Address::Unix(path.unwrap_or_default());
                Ok(Self::Unix { listener: UnixListener::from_std(listener)?, address })
            }
        }
    }

    /// Accepts one connection. Cancel safe.
    async fn accept(&self) -> io::Result<(Stream, ConnectionInfo)> {
        match self {
            Self::Tcp { listener, address } => {
                let (stream, client) = listener.accept().await?;
                let server = match address {
                    Some(address) => address.clone(),
                    None => Address::Ip(unmap(stream.local_addr()?)),
                };
                let info = ConnectionInfo { client: Address::Ip(unmap(client)), server, scheme: "http" };
                Ok((Stream::Tcp(stream), info))
            }
            Self::Unix { listener, address } => {
                let (stream, client) = listener.accept().await?;
                let client = client.as_pathname().map(|path| path.display().to_string()).unwrap_or_default();
                let info =
                    ConnectionInfo { client: Address::Unix(client), server: address.clone(), scheme: "http" };
                Ok((Stream::Unix(stream), info))
            }
        }
    }

    /// Accepts until it is dropped. tokio takes what is queued without waiting in between, and gives other
    /// tasks their turn when its budget is used up.
    pub(crate) async fn run<A: App>(&self, engine: Rc<Engine>, app: Rc<A>) {
        let mut out_of_resources = false;
        loop {
            match self.accept().await {
                Ok((stream, info)) => {
                    out_of_resources = false;
                    serve(stream, info, &engine, &app);
                }
                Err(error) if is_connection_error(&error) => {}
                Err(error) => {
                    if !out_of_resources {
                        tracing::error!(target: "pounce", %error, "cannot accept connections; trying again");
                    }
                    out_of_resources = true;
                    tokio::time::sleep(BACK_OFF).await;
                }
            }
        }
    }

    /// Takes the connections that are queued already, and no more.
    pub(crate) async fn run_queued<A: App>(&self, engine: &Rc<Engine>, app: &Rc<A>) {
        let mut accept = std::pin::pin!(tokio::task::unconstrained(async {
            while let Ok((stream, info)) = self.accept().await {
                serve(stream, info, engine, app);
            }
        }));
        std::future::poll_fn(|cx| {
            let _ = accept.as_mut().poll(cx);
            std::task::Poll::Ready(())
        })
        .await;
    }
}

fn serve<A: App>(stream: Stream, info: ConnectionInfo, engine: &Rc<Engine>, app: &Rc<A>) {
    let now = Instant::now();
    if engine.settings.max_connections.is_some_and(|limit| engine.connections() >= limit) {
        let mut bytes = Vec::new();
        engine.with_context(now, true, |context| {
            ResponseEncoder::refuse(503, "the server has too many connections", context, &mut bytes);
        });
        tokio::task::spawn_local(refuse(stream, bytes));
        return;
    }
    let link = Link::new(Rc::clone(engine), Rc::new(info), stream, now);
    tokio::task::spawn_local(ConnectionTask::new(link, Rc::clone(app)));
}

/// Tells a client that there is no room, and gives it a moment to read that.
async fn refuse(mut stream: Stream, bytes: Vec<u8>) {
    use std::future::poll_fn;
    let goodbye = async {
        let _ = poll_fn(|cx| stream.poll_write(cx, &[io::IoSlice::new(&bytes)])).await;
        let _ = poll_fn(|cx| stream.poll_shutdown(cx)).await;
        let mut rest = [0; 1024];
        while let Ok(1..) = poll_fn(|cx| stream.poll_read(cx, &mut rest)).await {}
    };
    let _ = tokio::time::timeout(Duration::from_secs(1), goodbye).await;
}

/// Errors of the connection that was to be accepted, not of the listener (accept(2)).
fn is_connection_error(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionRefused
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::Interrupted
    )
}

/// An IPv4 client of a dual-stack socket is an IPv4 client.
fn unmap(address: std::net::SocketAddr) -> std::net::SocketAddr {
    std::net::SocketAddr::new(address.ip().to_canonical(), address.port())
}
