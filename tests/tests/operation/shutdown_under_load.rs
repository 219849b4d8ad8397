//! Stopping under load loses no request: requests that the application began are answered in full, and clients
//! may retry the others (RFC 9112 §9.3.1, §9.6).

use pounce_tests::notes::token;
use pounce_tests::{Client, Options, Server};
use std::collections::HashSet;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

const CLIENTS: usize = 8;

/// The outcomes of the clients' requests.
#[derive(Debug, Default)]
struct Seen {
    next: AtomicU32,
    answered: Mutex<HashSet<String>>,
    unanswered: Mutex<Vec<String>>,
    stopping: AtomicBool,
}

/// Sends requests over one kept connection after the other until the server no longer listens.
fn ask(address: SocketAddr, file: &str, seen: &Seen) {
    while let Ok(mut client) = Client::try_tcp(address) {
        loop {
            let number = seen.next.fetch_add(1, Ordering::Relaxed).to_string();
            let request = format!("GET /counted/{file}/{number} HTTP/1.1\r\nHost: test\r\n\r\n");
            if client.try_send(request).is_err() || !client.has_more() {
                // Closed before a byte of the answer, which only a server that stops may do.
                assert!(
                    seen.stopping.load(Ordering::Relaxed),
                    "{number} closed before the server was asked to stop"
                );
                seen.unanswered.lock().expect("no client panicked").push(number);
                break;
            }
            let response = client.response().expect(200);
            assert_eq!(response.text(), number, "the answer to another request");
            seen.answered.lock().expect("no client panicked").insert(number);
            if response.says_close() {
                client.expect_closed();
                break;
            }
        }
    }
}

fn began(path: &Path) -> io::Result<HashSet<String>> {
    Ok(std::fs::read_to_string(path)?.lines().map(str::to_owned).collect())
}

#[test]
fn every_request_that_began_is_answered_and_no_other_is_half_done() {
    for _ in 0..3 {
        let file = token();
        let mut server = Server::start(Options::app("raw:app").flag("--no-access-log"));
        let path = server.directory().join(&file);
        let (address, seen) = (server.address(), Arc::new(Seen::default()));
        let clients: Vec<_> = (0..CLIENTS)
            .map(|_| {
                let (file, seen) = (file.clone(), Arc::clone(&seen));
                std::thread::spawn(move || ask(address, &file, &seen))
            })
            .collect();
        std::thread::sleep(Duration::from_millis(500));
        seen.stopping.store(true, Ordering::Relaxed);
        server.sigterm();
        for client in clients {
            client.join().expect("no client saw half an answer");
        }
        assert_eq!(server.wait_exit().code, Some(0));

        let began = began(&path).expect("some requests began");
        let answered = seen.answered.lock().expect("no client panicked");
        let unanswered = seen.unanswered.lock().expect("no client panicked");
        let lost: Vec<_> = began.difference(&answered).collect();
        assert!(lost.is_empty(), "began and never answered: {lost:?}");
        assert!(answered.len() > 50, "only {} requests", answered.len());
        // At most one request per connection may meet its end.
        assert!(unanswered.len() <= 2 * CLIENTS, "{} requests were turned away", unanswered.len());
    }
}
