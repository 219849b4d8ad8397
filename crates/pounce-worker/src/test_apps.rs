//! Applications in Rust, to test and measure the worker without Python.

use std::cell::RefCell;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::time::Duration;

use pounce_asgi::{
    Accept, App, ConnectionInfo, Exchange, Fields, Inbound, MessageKind, Outcome, Payload, Peer, RequestHead,
    ResponseHead, Socket, SocketEvent,
};

type Boxed = Pin<Box<dyn Future<Output = Outcome>>>;

/// Answers everything with the same body, without waiting.
#[derive(Debug)]
pub struct HelloApp {
    fields: Fields,
    /// The head of the last response, to which the worker may have added fields.
    head: RefCell<ResponseHead>,
    body: Vec<u8>,
}

impl HelloApp {
    /// Answers 200 with `body`.
    pub fn new(body: impl Into<Vec<u8>>) -> Self {
        let body = body.into();
        let mut fields = Fields::new();
        fields.push(b"content-type", b"text/plain");
        fields.push(b"content-length", body.len().to_string().as_bytes());
        Self { fields, head: RefCell::new(ResponseHead { status: 200, ..ResponseHead::default() }), body }
    }
}

impl App for HelloApp {
    type Connection = ();
    type Call = std::future::Ready<Outcome>;

    fn connect(&self, _info: &Rc<ConnectionInfo>) {}

    fn http(&self, (): &(), _peer: &Rc<Peer>, _head: &RequestHead, exchange: Exchange) -> Self::Call {
        let head = &mut *self.head.borrow_mut();
        head.fields.clone_from(&self.fields);
        // Fails only if the client has gone.
        let _ = exchange.start(head).and_then(|()| exchange.body(Payload::Borrowed(&self.body), false));
        std::future::ready(Outcome::Returned)
    }

    fn websocket(&self, (): &(), _peer: &Rc<Peer>, _head: &RequestHead, socket: Socket) -> Self::Call {
        let _ = socket.close(1000, "");
        std::future::ready(Outcome::Returned)
    }
}

/// Sends the request body back, piece by piece, and a WebSocket's messages one by one.
#[derive(Debug)]
pub struct EchoApp;

impl App for EchoApp {
    type Connection = ();
    type Call = Boxed;

    fn connect(&self, _info: &Rc<ConnectionInfo>) {}

    fn http(&self, (): &(), _peer: &Rc<Peer>, _head: &RequestHead, exchange: Exchange) -> Self::Call {
        Box::pin(async move {
            let mut head = ResponseHead { status: 200, ..ResponseHead::default() };
            if exchange.start(&mut head).is_err() {
                return Outcome::Returned;
            }
            loop {
                let mut piece = Vec::new();
                let Inbound::Body { more } = exchange.receive(&mut piece).await else { break };
                let sent = exchange.body(Payload::Borrowed(&piece), more);
                if sent.is_err() || exchange.ready().await.is_err() || !more {
                    break;
                }
            }
            Outcome::Returned
        })
    }

    fn websocket(&self, (): &(), _peer: &Rc<Peer>, _head: &RequestHead, socket: Socket) -> Self::Call {
        Box::pin(async move {
            loop {
                let mut message = None;
                let mut open = true;
                socket
                    .receive(|event| match event {
                        SocketEvent::Connect => {}
                        SocketEvent::Text(text) => {
                            message = Some((MessageKind::Text, text.as_bytes().to_vec()))
                        }
                        SocketEvent::Binary(bytes) => message = Some((MessageKind::Binary, bytes.to_vec())),
                        SocketEvent::Disconnect { .. } => open = false,
                    })
                    .await;
                let sent = match message {
                    Some((kind, data)) => socket.send(kind, Payload::Borrowed(&data)),
                    None => socket.accept(&Accept::default()),
                };
                if !open || sent.is_err() || socket.ready().await.is_err() {
                    return Outcome::Returned;
                }
            }
        })
    }
}

/// Answers after a pause, without reading the request body.
#[derive(Debug)]
pub struct SlowApp(pub Duration);

impl App for SlowApp {
    type Connection = ();
    type Call = Boxed;

    fn connect(&self, _info: &Rc<ConnectionInfo>) {}

    fn http(&self, (): &(), _peer: &Rc<Peer>, _head: &RequestHead, exchange: Exchange) -> Self::Call {
        let pause = self.0;
        Box::pin(async move {
            tokio::time::sleep(pause).await;
            let mut head = ResponseHead { status: 200, ..ResponseHead::default() };
            let _ = exchange.start(&mut head).and_then(|()| exchange.body(Payload::Borrowed(b"slow"), false));
            Outcome::Returned
        })
    }

    fn websocket(&self, (): &(), _peer: &Rc<Peer>, _head: &RequestHead, socket: Socket) -> Self::Call {
        let pause = self.0;
        Box::pin(async move {
            tokio::time::sleep(pause).await;
            let _ = socket.close(1000, "");
            Outcome::Returned
        })
    }
}

/// Fails: at once if the path is `/`, otherwise after the first piece of its response.
#[derive(Debug)]
pub struct FailingApp;

impl App for FailingApp {
    type Connection = ();
    type Call = std::future::Ready<Outcome>;

    fn connect(&self, _info: &Rc<ConnectionInfo>) {}

    fn http(&self, (): &(), _peer: &Rc<Peer>, head: &RequestHead, exchange: Exchange) -> Self::Call {
        if head.raw_path() != b"/" {
            let mut head = ResponseHead { status: 200, ..ResponseHead::default() };
            let _ = exchange.start(&mut head).and_then(|()| exchange.body(Payload::Borrowed(b"half"), true));
        }
        std::future::ready(Outcome::Failed)
    }

    fn websocket(&self, (): &(), _peer: &Rc<Peer>, head: &RequestHead, socket: Socket) -> Self::Call {
        if head.raw_path() != b"/" {
            let _ = socket.accept(&Accept::default());
        }
        std::future::ready(Outcome::Failed)
    }
}
