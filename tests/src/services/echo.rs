//! An echo over TCP and UDP, outside the server's process: only its answers wake the application's loop.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::thread;

/// Answers each piece over TCP, and each datagram, with itself. Runs until the test program ends.
#[derive(Debug, Clone, Copy)]
pub struct Echo {
    /// The port of both.
    pub port: u16,
}

impl Echo {
    /// Starts one.
    pub fn start() -> Self {
        // A port may be free for only one of the two.
        loop {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("loopback has a free port");
            let port = listener.local_addr().expect("it is bound").port();
            let Ok(datagrams) = UdpSocket::bind((Ipv4Addr::LOCALHOST, port)) else { continue };
            thread::spawn(move || serve_streams(&listener));
            thread::spawn(move || serve_datagrams(&datagrams));
            return Self { port };
        }
    }
}

fn serve_streams(listener: &TcpListener) {
    for stream in listener.incoming() {
        let mut stream = stream.expect("accepting works");
        thread::spawn(move || {
            let mut block = [0; 65536];
            // Any end of the client ends the echo.
            while let Ok(count @ 1..) = stream.read(&mut block) {
                if stream.write_all(&block[..count]).is_err() {
                    break;
                }
            }
        });
    }
}

fn serve_datagrams(socket: &UdpSocket) {
    let mut block = [0; 65536];
    // A sender that has gone shows as an error of the next receive.
    loop {
        if let Ok((count, sender)) = socket.recv_from(&mut block) {
            let _ = socket.send_to(&block[..count], sender);
        }
    }
}
