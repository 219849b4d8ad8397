//! Frames on their way to `h2`. `cargo bench -p pounce-worker --bench http2`.

use std::cell::RefCell;
use std::hint::black_box;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use criterion::{Criterion, criterion_group, criterion_main};
use pounce_worker::http2::{Screen, Screened};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Records the output of an `h2` client.
#[derive(Clone, Default)]
struct Sent(Rc<RefCell<Vec<u8>>>);

impl AsyncRead for Sent {
    fn poll_read(
        self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
        _buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Poll::Pending
    }
}

impl AsyncWrite for Sent {
    fn poll_write(self: Pin<&mut Self>, _cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.0.borrow_mut().extend_from_slice(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

fn browser() -> http::Request<()> {
    http::Request::get("https://www.example.com/some/longer/path")
        .header("user-agent", "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0")
        .header("accept", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8")
        .header("accept-language", "en-US,en;q=0.5")
        .header("accept-encoding", "gzip, deflate, br, zstd")
        .header("cookie", "session=0123456789abcdef0123456789abcdef; theme=dark")
        .header("upgrade-insecure-requests", "1")
        .header("sec-fetch-dest", "document")
        .header("sec-fetch-mode", "navigate")
        .header("sec-fetch-site", "none")
        .header("priority", "u=0, i")
        .body(())
        .expect("it is one")
}

/// The frames of a connection: its opening, the first request, the second.
fn frames() -> [Vec<u8>; 3] {
    let cx = &mut Context::from_waker(Waker::noop());
    let sent = Sent::default();
    let mut handshake = Box::pin(h2::client::handshake(sent.clone()));
    let Poll::Ready(Ok((mut sender, mut connection))) = handshake.as_mut().poll(cx) else {
        panic!("it waits for nothing");
    };
    [false, true, true].map(|asks| {
        if asks {
            assert!(sender.poll_ready(cx).is_ready());
            let _response = sender.send_request(browser(), true).expect("it is open");
        }
        assert!(Pin::new(&mut connection).poll(cx).is_pending());
        std::mem::take(&mut *sent.0.borrow_mut())
    })
}

fn requests(criterion: &mut Criterion) {
    let [opening, first, second] = frames();
    let data = [&[0, 0x40, 0, 0, 0, 0, 0, 0, 1][..], &[0; 16 * 1024]].concat();
    let inputs = [("first request", first), ("second request", second), ("16 KiB of data", data)];
    for (name, input) in inputs {
        let mut screen = Screen::new(16 * 1024);
        assert_eq!(screen.look(&opening), Screened::Pass(opening.len()));
        criterion.bench_function(&format!("{name}, {} bytes", input.len()), |bencher| {
            bencher.iter(|| {
                assert_eq!(screen.look(black_box(&input)), Screened::Pass(input.len()));
            });
        });
    }
}

criterion_group!(benches, requests);
criterion_main!(benches);
