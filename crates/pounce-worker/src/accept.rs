//! The accept loop of one listener.

use std::io;
use std::rc::Rc;
use std::time::{Duration, Instant};

use pounce_asgi::{Address, App, ConnectionInfo, Payload, Peer, Scheme};
use pounce_metrics::Refused;
use pounce_net::{Accepted, Listener, LocalAddr};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::net::{TcpStream, UnixStream};

use crate::connection;
use crate::engine::{ConnectionGuard, Engine};
use crate::http1::ResponseEncoder;
use crate::output::Output;
use crate::stream::Socket;

/// How many clients beyond the connection limit are answered at a time; more are closed without an answer, because each
/// holds a descriptor until it has read that.
const MAX_REFUSING: usize = 64;

/// How long to wait when the process is out of descriptors or memory.
const BACK_OFF: Duration = Duration::from_millis(250);

/// How long a worker that is ahead of others leaves connections to them before it accepts some anyway.
const DEFERENCE: Duration = Duration::from_millis(1);

/// How many it then accepts; doubled while the queue stays non-empty, since the other workers may be stuck.
const HELPING: usize = 8;

/// A listening socket that tokio watches.
pub(crate) struct Acceptor {
    listener: AsyncFd<Listener>,
    /// The local address of every connection; none if the listener accepts at several.
    address: Option<Address>,
}

impl Acceptor {
    /// Takes over a bound listener.
    ///
    /// # Errors
    /// The socket cannot be watched.
    pub(crate) fn new(listener: Listener) -> io::Result<Self> {
        let address = match listener.local_addr() {
            LocalAddr::Tcp(address) if address.ip().is_unspecified() => None,
            LocalAddr::Tcp(address) => Some(Address::Ip(*address)),
            LocalAddr::Unix(path) => Some(Address::Unix(path.display().to_string())),
        };
        #[expect(
            deprecated,
            reason = "the replacement is unsafe, for types whose descriptor may change; a listener's does not"
        )]
        let listener = AsyncFd::with_interest(listener, Interest::READABLE)?;
        Ok(Self { listener, address })
    }

    /// Accepts one connection. Cancel safe.
    async fn accept(&self) -> io::Result<(Socket, ConnectionInfo)> {
        self.listener.async_io(Interest::READABLE, |listener| self.take(listener)).await
    }

    /// Accepts a connection that is already queued.
    fn take(&self, listener: &Listener) -> io::Result<(Socket, ConnectionInfo)> {
        let (stream, client, server) = match listener.accept()? {
            Accepted::Tcp(stream, client) => {
                let stream = TcpStream::from_std(stream)?;
                let server = match &self.address {
                    Some(address) => address.clone(),
                    None => Address::Ip(unmap(stream.local_addr()?)),
                };
                (Socket::from(stream), Address::Ip(unmap(client)), server)
            }
            Accepted::Unix(stream, client) => {
                let client = client.map(|path| path.display().to_string()).unwrap_or_default();
                let server = self.address.clone().unwrap_or_else(|| Address::Unix(String::new()));
                (Socket::from(UnixStream::from_std(stream)?), Address::Unix(client), server)
            }
        };
        let peer = Rc::new(Peer { client, server, scheme: Scheme::Http, root_path: None });
        Ok((stream, ConnectionInfo { peer, tls: None, is_trusted_proxy: false, id: None }))
    }

    /// Accepts until it is dropped. Queued connections are accepted without waiting in between; other tasks get their
    /// turn when tokio's budget is used up.
    pub(crate) async fn run<A: App>(&self, engine: Rc<Engine>, app: Rc<A>) {
        let mut out_of_resources = false;
        let mut helping = HELPING;
        loop {
            let accepted = if engine.is_ahead() {
                self.accept_what_is_left(&mut helping, &engine, &app).await
            } else {
                helping = HELPING;
                self.accept().await.map(|(socket, info)| serve(socket, info, &engine, &app))
            };
            match accepted {
                Ok(()) => out_of_resources = false,
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

    /// Waits for connections, leaves them to workers of the same socket that have fewer for a moment, then accepts some
    /// of the rest. Returns early once this worker is no longer ahead.
    async fn accept_what_is_left<A: App>(
        &self,
        helping: &mut usize,
        engine: &Rc<Engine>,
        app: &Rc<A>,
    ) -> io::Result<()> {
        drop(self.listener.readable().await?);
        let caught_up = async {
            while engine.is_ahead() {
                engine.departed.notified().await;
            }
        };
        if tokio::time::timeout(DEFERENCE, caught_up).await.is_ok() {
            return Ok(());
        }
        for _ in 0..*helping {
            let mut ready = self.listener.readable().await?;
            match ready.try_io(|listener| self.take(listener.get_ref())) {
                Ok(accepted) => accepted.map(|(socket, info)| serve(socket, info, engine, app))?,
                Err(_would_block) => {
                    *helping = HELPING;
                    return Ok(());
                }
            }
        }
        *helping = helping.saturating_mul(2);
        Ok(())
    }

    /// Accepts only the connections already in the kernel's queue, whether or not the runtime has noticed them.
    pub(crate) fn take_queued<A: App>(&self, engine: &Rc<Engine>, app: &Rc<A>) {
        loop {
            match self.take(self.listener.get_ref()) {
                Ok((socket, info)) => serve(socket, info, engine, app),
                Err(error) if is_connection_error(&error) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) => {
                    tracing::error!(target: "pounce", %error, "cannot accept the connections that are queued");
                    return;
                }
            }
        }
    }
}

fn serve<A: App>(mut socket: Socket, info: ConnectionInfo, engine: &Rc<Engine>, app: &Rc<A>) {
    if engine.settings.http.limit_connections.is_some_and(|limit| engine.connections() as u64 >= limit.get())
    {
        engine.count_metric(|metrics| metrics.refused(Refused::Connections));
        // Over TLS a response needs a handshake, which is the work the limit avoids.
        if engine.settings.tls.is_none() && engine.refusing.get() < MAX_REFUSING {
            engine.refusing.set(engine.refusing.get() + 1);
            tokio::task::spawn_local(refuse(socket, Rc::clone(engine)));
        }
        return;
    }
    if engine.settings.own_user_only && !socket.is_of_own_user() {
        tracing::warn!(target: "pounce", "refused a connection from another user");
        return;
    }
    let connection_guard = ConnectionGuard::new(engine);
    socket.count_in(engine.settings.metrics.clone());
    tokio::task::spawn_local(connection::serve(
        socket,
        info,
        connection_guard,
        Rc::clone(engine),
        Rc::clone(app),
    ));
}

/// The response to a client beyond the connection limit.
fn no_room(engine: &Engine) -> Output {
    let (mut encoder, mut output) = (ResponseEncoder::default(), Output::new());
    let (head, body) = connection::server_response(503, "the server has too many connections");
    let sent = encoder.start(&head).and_then(|()| {
        engine.own_fields.with_context(Instant::now(), true, |context| {
            encoder.body(Payload::Borrowed(body.as_bytes()), false, context, &mut output)
        })
    });
    debug_assert_eq!(sent, Ok(()), "the server's own response is valid");
    output
}

/// Sends that response, and gives the client a moment to read it.
async fn refuse(mut socket: Socket, engine: Rc<Engine>) {
    use std::future::poll_fn;
    let mut output = no_room(&engine);
    let answered = async {
        let _ = poll_fn(|cx| output.poll_write(|slices| socket.poll_write(cx, slices))).await;
        let _ = poll_fn(|cx| socket.poll_shutdown(cx)).await;
        let mut rest = [0; 1024];
        while let Ok(1..) = poll_fn(|cx| socket.poll_read(cx, &mut rest)).await {}
    };
    let _ = tokio::time::timeout(Duration::from_secs(1), answered).await;
    engine.refusing.set(engine.refusing.get() - 1);
}

/// Whether an error concerns the connection being accepted, not the listener (accept(2)).
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
