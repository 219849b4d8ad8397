//! How a connection begins: the TLS handshake, if any, then the protocol that the client speaks.

use std::future::poll_fn;
use std::io;
use std::rc::Rc;
use std::task::Poll;
use std::time::Instant;

use pounce_asgi::{App, ConnectionInfo, Scheme};
use pounce_config::HttpVersions;

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
    let now = Instant::now();
    let mut is_http2 = engine.settings.http.version == HttpVersions::Http2;
    let stream = match &engine.settings.tls {
        None => Stream::Clear(socket),
        Some(store) => match Box::pin(handshake(socket, store, &engine, now)).await {
            Ok(stream) => {
                is_http2 |= stream.alpn() == Some(b"h2");
                info.tls = stream.info();
                Rc::make_mut(&mut info.peer).scheme = Scheme::Https;
                Stream::Tls(Box::new(stream))
            }
            Err(error) => {
                tracing::debug!(target: "pounce", client = %info.peer.client, %error, "no TLS handshake");
                return;
            }
        },
    };
    let info = Rc::new(info);
    if is_http2 {
        return Box::pin(http2::serve(stream, Input::default(), info, engine, app)).await;
    }
    let may_be_http2 = engine.settings.tls.is_none() && engine.settings.http.version == HttpVersions::Auto;
    let link = Http1Link::new(Rc::clone(&engine), Rc::clone(&info), stream, may_be_http2, now);
    match ConnectionTask::new(link, Rc::clone(&app)).await {
        Ended::Closed => {}
        Ended::Http2(stream, input) => Box::pin(http2::serve(stream, input, info, engine, app)).await,
        Ended::WebSocket(upgrade) => {
            // A WebSocket lives long. A new task frees the memory that HTTP/1.1 needed.
            let connection = app.connect(&info);
            let called = (&*app, &connection);
            tokio::task::spawn_local(websocket::serve(*upgrade, info, connection_guard, engine, called));
        }
    }
}

/// Performs the handshake within its timeout, which a draining worker shortens.
async fn handshake(socket: Socket, store: &TlsStore, engine: &Engine, now: Instant) -> io::Result<TlsStream> {
    let mut stream = TlsStream::new(store, socket, now).map_err(io::Error::other)?;
    let mut alarm = Alarm::default();
    let mut deadline = now + store.config().handshake_timeout;
    poll_fn(|cx| {
        let now = Instant::now();
        match engine.phase() {
            WorkerPhase::Serving => {}
            WorkerPhase::Draining => deadline = deadline.min(now + LAST_REQUEST),
            WorkerPhase::Aborting => return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into())),
        }
        match stream.poll_handshake(cx) {
            Poll::Pending if alarm.poll_expired(deadline, now, cx) => {
                Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
            }
            other => other,
        }
    })
    .await?;
    Ok(stream)
}
