//! Listens at an endpoint, echoes one connection until it ends, and exits.
//!
//! ```text
//! cargo run -p pounce-net --example echo -- unix:echo.sock
//! ```

use std::error::Error;
use std::io::{self, Read, Write};
use std::process::ExitCode;

use pounce_net::{BindError, BindOptions, Endpoint, Listener, StdListener, bind};

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            if let Some(hint) = error.downcast_ref::<BindError>().and_then(BindError::hint) {
                eprintln!("\nhint: {hint}");
            }
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Box<dyn Error>> {
    let endpoint: Endpoint = std::env::args().nth(1).as_deref().unwrap_or("127.0.0.1:0").parse()?;
    let options = BindOptions { unix_mode: Some(0o600), ..BindOptions::default() };
    let listeners = bind(&endpoint, &options)?;
    for listener in &listeners {
        println!("listening on {}", listener.local_addr());
    }
    // This example serves one listener; connections to the rest stay queued until the process ends.
    echo_one(listeners[0].try_clone()?)?;
    for listener in &listeners {
        listener.unlink()?;
    }
    Ok(())
}

fn echo_one(listener: Listener) -> io::Result<()> {
    match listener.into_std() {
        StdListener::Tcp(listener) => {
            listener.set_nonblocking(false)?; // no event loop here
            let (stream, _peer) = listener.accept()?;
            echo(&stream, &stream)
        }
        StdListener::Unix(listener) => {
            listener.set_nonblocking(false)?;
            let (stream, _peer) = listener.accept()?;
            echo(&stream, &stream)
        }
    }
}

fn echo(mut from: impl Read, mut to: impl Write) -> io::Result<()> {
    io::copy(&mut from, &mut to).map(|_bytes| ())
}
