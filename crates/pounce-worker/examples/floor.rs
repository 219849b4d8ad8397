//! The floor: the worker alone, serving a Rust application. A full server's extra time is the cost of Python.
//!
//! `cargo run --release -p pounce-worker --example floor -- --port 8000` answers GET with 1 KiB and sends
//! the body of a POST back.

use std::rc::Rc;

use pounce_asgi::{App, ConnectionInfo, Exchange, Outcome, Peer, RequestHead, Socket};
use pounce_net::{BindOptions, Endpoint, bind};
use pounce_worker::test_apps::{EchoApp, HelloApp};
use pounce_worker::{Settings, Worker};

/// GET says hello, everything else echoes.
struct Floor {
    hello: HelloApp,
    echo: EchoApp,
}

enum Call {
    Hello(<HelloApp as App>::Call),
    Echo(<EchoApp as App>::Call),
}

impl Future for Call {
    type Output = Outcome;

    fn poll(self: std::pin::Pin<&mut Self>, cx: &mut std::task::Context<'_>) -> std::task::Poll<Outcome> {
        match self.get_mut() {
            Self::Hello(call) => std::pin::Pin::new(call).poll(cx),
            Self::Echo(call) => std::pin::Pin::new(call).poll(cx),
        }
    }
}

impl App for Floor {
    type Connection = ();
    type Call = Call;

    fn connect(&self, _info: &Rc<ConnectionInfo>) {}

    fn http(&self, (): &(), peer: &Rc<Peer>, head: &RequestHead, exchange: Exchange) -> Call {
        if head.method() == b"GET" {
            Call::Hello(self.hello.http(&(), peer, head, exchange))
        } else {
            Call::Echo(self.echo.http(&(), peer, head, exchange))
        }
    }

    fn websocket(&self, (): &(), peer: &Rc<Peer>, head: &RequestHead, socket: Socket) -> Call {
        Call::Echo(self.echo.websocket(&(), peer, head, socket))
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip_while(|argument| argument != "--port");
    let port: u16 = arguments.nth(1).ok_or("usage: floor --port PORT")?.parse()?;
    let endpoint: Endpoint = format!("127.0.0.1:{port}").parse()?;
    let listeners = bind(&endpoint, &BindOptions::default())?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build_local(tokio::runtime::LocalOptions::default())?;
    let app = Floor { hello: HelloApp::new(vec![b'x'; 1024]), echo: EchoApp };
    let worker = Worker::new(Settings::default(), Rc::new(app), None);
    runtime.block_on(worker.serve(listeners, std::future::pending()))?;
    Ok(())
}
