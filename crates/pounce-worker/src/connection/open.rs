//! How a connection begins: the TLS handshake, if any, then the protocol that the client speaks.

use std::future::poll_fn;
use std::io;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Instant;

use pounce_asgi::{Address, App, ConnectionInfo, Peer, Scheme};
use pounce_config::{HttpVersions, Proxies};
use pounce_metrics::{Protocol, Refused};
use pounce_net::{Proxied, ProxyHeader};

use super::LAST_REQUEST;
use super::alarm::Alarm;
use super::http1::{ConnectionTask, Ended, Http1Link};
use super::input::Input;
use super::{http2, websocket};
use crate::engine::{ConnectionGuard, Engine, WorkerPhase};
use crate::stream::{Socket, Stream};
use crate::tls::{TlsStore, TlsStream};

/// Serves one connection to its end.
pub(crate) async fn serve<A: App>(
    socket: Socket,
    mut info: ConnectionInfo,
    connection_guard: ConnectionGuard,
    engine: Rc<Engine>,
    app: Rc<A>,
) {
    poll_fn(|cx| {
        connection_guard.set_waker(cx.waker());
        Poll::Ready(())
    })
    .await;
    connection_guard.speaks(Protocol::Http1);
    let now = Instant::now();
    if let Err(error) = meet_proxy(&socket, &mut info, &engine, now).await {
        engine.count_metric(|metrics| metrics.refused(Refused::ProxyHeader));
        tracing::debug!(target: "pounce", client = %info.peer.client, %error, "refused a connection");
        return;
    }
    // A handshake has its time after the header.
    let now = Instant::now();
    let mut is_http2 = engine.settings.http.version == HttpVersions::Http2;
    let stream = match &engine.settings.tls {
        None => Stream::Clear(socket),
        Some(store) => match Box::pin(handshake(socket, store, &engine, now)).await {
            Ok(stream) => {
                engine.count_metric(|metrics| metrics.handshake(true));
                is_http2 |= stream.alpn() == Some(b"h2");
                info.tls = stream.info();
                Rc::make_mut(&mut info.peer).scheme = Scheme::Https;
                Stream::Tls(Box::new(stream))
            }
            Err(error) => {
                engine.count_metric(|metrics| metrics.handshake(false));
                tracing::debug!(target: "pounce", client = %info.peer.client, %error, "no TLS handshake");
                return;
            }
        },
    };
    let info = Rc::new(info);
    if is_http2 {
        connection_guard.speaks(Protocol::Http2);
        return Box::pin(http2::serve(stream, Input::default(), info, engine, app)).await;
    }
    let may_be_http2 = engine.settings.tls.is_none() && engine.settings.http.version == HttpVersions::Auto;
    let link = Http1Link::new(Rc::clone(&engine), Rc::clone(&info), stream, may_be_http2, now);
    match ConnectionTask::new(link, Rc::clone(&app)).await {
        Ended::Closed => {}
        Ended::Http2(stream, input) => {
            connection_guard.speaks(Protocol::Http2);
            Box::pin(http2::serve(stream, input, info, engine, app)).await;
        }
        Ended::WebSocket(upgrade) => {
            connection_guard.speaks(Protocol::WebSocket);
            // A WebSocket lives long. A new task frees the memory that HTTP/1.1 needed.
            let connection = app.connect(&info);
            let called = (&*app, &connection);
            tokio::task::spawn_local(websocket::serve(*upgrade, info, connection_guard, engine, called));
        }
    }
}

/// Finds out whether the peer is a trusted proxy, and takes what it says of the connection by the PROXY protocol.
async fn meet_proxy(
    socket: &Socket,
    info: &mut ConnectionInfo,
    engine: &Engine,
    now: Instant,
) -> io::Result<()> {
    let proxies = &engine.settings.proxies;
    if proxies.protocol && is_trusted(&info.peer.client, &proxies.trusted) {
        let deadline = now + engine.settings.http.timeout_header;
        let header = within(deadline, engine, |cx| socket.poll_proxy_header(cx)).await?;
        if let ProxyHeader::Proxied(mut proxied) = header {
            info.id = proxied.unique_id.take();
            set_proxied(Rc::make_mut(&mut info.peer), proxied);
        }
    }
    info.is_trusted_proxy = proxies.headers && is_trusted(&info.peer.client, &proxies.trusted);
    Ok(())
}

fn is_trusted(client: &Address, trusted: &Proxies) -> bool {
    match client {
        Address::Ip(address) => trusted.contain(address.ip()),
        Address::Unix(_) => trusted.unix,
        Address::Name(..) => false,
    }
}

fn set_proxied(peer: &mut Peer, proxied: Proxied) {
    if let Some((client, server)) = proxied.ends {
        (peer.client, peer.server) = (Address::Ip(client), Address::Ip(server));
        if let Some(authority) = proxied.authority {
            peer.server = Address::Name(authority, server.port());
        }
    }
    if proxied.is_tls {
        peer.scheme = Scheme::Https;
    }
}

/// Performs the handshake within its timeout, which a draining worker shortens.
async fn handshake(socket: Socket, store: &TlsStore, engine: &Engine, now: Instant) -> io::Result<TlsStream> {
    let mut stream = TlsStream::new(store, socket, now).map_err(io::Error::other)?;
    let deadline = now + store.config().handshake_timeout;
    within(deadline, engine, |cx| stream.poll_handshake(cx)).await?;
    Ok(stream)
}

/// Waits for something before the first request, within a deadline that a draining worker shortens.
async fn within<T>(
    mut deadline: Instant,
    engine: &Engine,
    mut poll: impl FnMut(&mut Context<'_>) -> Poll<io::Result<T>>,
) -> io::Result<T> {
    let mut alarm = Alarm::default();
    poll_fn(|cx| {
        let now = Instant::now();
        match engine.phase() {
            WorkerPhase::Serving => {}
            WorkerPhase::Draining => deadline = deadline.min(now + LAST_REQUEST),
            WorkerPhase::Aborting => return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into())),
        }
        match poll(cx) {
            Poll::Pending if alarm.poll_expired(deadline, now, cx) => {
                Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
            }
            other => other,
        }
    })
    .await
}
