//! Files that applications send by their path, over every transport: into the socket inside the kernel over HTTP/1.1
//! in clear text, in pieces otherwise.

use pounce_tests::process::{largest_receive_buffer, largest_send_buffer};
use pounce_tests::transport::Servers;
use pounce_tests::{Ask, End, Options, Server, Transport, eventually, over_every_transport};
use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};
use std::process::Command;

const MIB: u64 = 1 << 20;

static SERVERS: Servers = Servers::new(options);

/// A server with short timeouts.
static HASTY: Servers = Servers::new(|| options().with("--timeout-write", "1"));

over_every_transport! {
    a_file_comes_whole_through_a_small_window_and_the_connection_goes_on,
    head_of_a_file_has_its_length_and_no_content,
    an_empty_file_is_a_whole_response,
    a_path_of_no_regular_file_raises_and_is_named,
    a_path_of_no_regular_file_is_a_500_if_uncaught,
    a_descriptor_of_a_pipe_raises,
    of_a_file_that_has_grown_as_much_is_sent_as_was_announced,
    a_file_that_is_shorter_than_announced_is_a_500,
    a_part_is_not_sent_from_the_beginning_of_the_file,
    a_file_that_becomes_shorter_while_it_is_sent_is_visibly_cut_short,
    a_file_is_closed_when_its_client_leaves,
    a_client_that_does_not_read_its_file_is_cut_off,
}

fn options() -> Options {
    Options::app("extensions:app").with("--asgi-extensions", "pathsend,zerocopysend")
}

fn server(transport: Transport) -> &'static Server {
    SERVERS.over(transport)
}

/// A file without repetitions in its content, a new one for each test.
fn written(transport: Transport, name: &str, length: u32) -> (PathBuf, Vec<u8>) {
    let content: Vec<u8> = (0..length).map(|number| ((number * 7) >> 2) as u8).collect();
    let path = fresh(transport, server(transport), name);
    std::fs::write(&path, &content).expect("the directory is writable");
    (path, content)
}

/// A sparse file, larger than all socket buffers.
fn vast(transport: Transport, server: &Server, name: &str) -> (PathBuf, File) {
    let path = fresh(transport, server, name);
    let file =
        OpenOptions::new().write(true).create_new(true).open(&path).expect("the directory is writable");
    let length = largest_receive_buffer() as u64 + largest_send_buffer() as u64 + 16 * MIB;
    file.set_len(length).expect("holes take no room");
    (path, file)
}

fn fresh(transport: Transport, server: &Server, name: &str) -> PathBuf {
    server.directory().join(format!("{name}-{transport:?}"))
}

fn ask(handler: &str, path: &Path) -> Ask {
    Ask::get(&format!("/{handler}?path={}", path.display()))
}

/// Whether the server's process has a file open.
fn has_open(server: &Server, path: &Path) -> bool {
    let descriptors = std::fs::read_dir(format!("/proc/{}/fd", server.pid())).expect("it runs");
    descriptors.flatten().any(|entry| std::fs::read_link(entry.path()).is_ok_and(|open| open == path))
}

fn a_file_comes_whole_through_a_small_window_and_the_connection_goes_on(transport: Transport) {
    let (path, content) = written(transport, "whole", 2_000_000);
    for handler in ["path-send", "path-send-unannounced"] {
        let mut exchange =
            transport.ask_with_receive_buffer(server(transport), &ask(handler, &path), 16 * 1024);
        assert_eq!(exchange.head().header("content-length"), Some("2000000"), "{handler}");
        let mut body = Vec::new();
        while let Some(piece) = exchange.piece() {
            body.extend(piece);
        }
        assert!(body == content, "{handler}: {} of {} bytes, or others", body.len(), content.len());
        exchange.again(&Ask::get("/offered")).answer().expect(200);
    }
}

fn head_of_a_file_has_its_length_and_no_content(transport: Transport) {
    let (path, _) = written(transport, "head", 1000);
    let ask = Ask::new("HEAD", &format!("/path-send-unannounced?path={}", path.display()));
    let answer = transport.ask(server(transport), &ask).answer().expect(200);
    assert_eq!((answer.header("content-length"), answer.body.len()), (Some("1000"), 0));
}

fn an_empty_file_is_a_whole_response(transport: Transport) {
    let (path, _) = written(transport, "empty", 0);
    let answer = transport.ask(server(transport), &ask("path-send", &path)).answer().expect(200);
    assert_eq!((answer.header("content-length"), answer.body.len()), (Some("0"), 0));
}

/// Paths that cannot be sent, and the texts of their exceptions.
fn unfit(transport: Transport, test: &str) -> Vec<(PathBuf, &'static str)> {
    let pipe = fresh(transport, server(transport), test);
    let made = Command::new("mkfifo").arg(&pipe).status().expect("mkfifo is there");
    assert!(made.success());
    vec![
        (pipe, "it is a pipe"),
        (server(transport).directory().to_owned(), "it is a directory"),
        (PathBuf::from("/dev/zero"), "it is a device"),
        (PathBuf::from("/nonexistent/file"), "No such file"),
    ]
}

fn a_path_of_no_regular_file_raises_and_is_named(transport: Transport) {
    for (path, reason) in unfit(transport, "caught") {
        let answer = transport.ask(server(transport), &ask("path-send-caught", &path)).answer().expect(200);
        let text = answer.text();
        assert!(text.starts_with("OSError|") && text.contains(reason), "{text}");
        assert!(text.contains(path.to_str().expect("plain")), "{text}");
    }
}

fn a_path_of_no_regular_file_is_a_500_if_uncaught(transport: Transport) {
    for (path, _) in unfit(transport, "uncaught") {
        transport.ask(server(transport), &ask("path-send-unannounced", &path)).answer().expect(500);
        server(transport).wait_stderr(path.to_str().expect("plain"));
    }
}

fn a_descriptor_of_a_pipe_raises(transport: Transport) {
    for path in ["/zero-copy-send-pipe", "/zero-copy-send-pipe/0"] {
        let text = transport.get(server(transport), path).expect(200).text();
        assert!(text.starts_with("OSError|") && text.contains("it is a pipe"), "{text}");
    }
}

fn of_a_file_that_has_grown_as_much_is_sent_as_was_announced(transport: Transport) {
    let (path, content) = written(transport, "grown", 100_000);
    let exchange = transport.ask(server(transport), &ask("path-send-announced/200/60000", &path));
    let answer = exchange.answer().expect(200);
    assert_eq!(answer.header("content-length"), Some("60000"));
    assert!(answer.body == content[..60_000], "{} bytes, or others", answer.body.len());
}

fn a_file_that_is_shorter_than_announced_is_a_500(transport: Transport) {
    let (path, _) = written(transport, "shrunk", 1000);
    transport.ask(server(transport), &ask("path-send-announced/200/1001", &path)).answer().expect(500);
}

fn a_part_is_not_sent_from_the_beginning_of_the_file(transport: Transport) {
    let (path, _) = written(transport, "part", 1000);
    transport.ask(server(transport), &ask("path-send-announced/206/10", &path)).answer().expect(500);
}

fn a_file_that_becomes_shorter_while_it_is_sent_is_visibly_cut_short(transport: Transport) {
    let server = server(transport);
    let (path, file) = vast(transport, server, "cut");
    let mut exchange = transport.ask_with_receive_buffer(server, &ask("path-send", &path), 65536);
    exchange.head();
    file.set_len(0).expect("it is ours");
    let answer = exchange.answer();
    assert_ne!(answer.end, End::Complete, "{} bytes", answer.body.len());
    server.wait_stderr("a file became shorter while it was sent");
    transport.get(server, "/offered").expect(200);
}

fn a_file_is_closed_when_its_client_leaves(transport: Transport) {
    let server = server(transport);
    let (path, _file) = vast(transport, server, "left");
    let mut exchange = transport.ask_with_receive_buffer(server, &ask("path-send", &path), 65536);
    exchange.head();
    assert!(has_open(server, &path), "it was sent whole to a client that does not read");
    exchange.leave();
    eventually("the file is closed", || (!has_open(server, &path)).then_some(()));
}

fn a_client_that_does_not_read_its_file_is_cut_off(transport: Transport) {
    let server = HASTY.over(transport);
    let (path, _file) = vast(transport, server, "unread");
    let mut exchange = transport.ask_with_receive_buffer(server, &ask("path-send", &path), 65536);
    exchange.head();
    eventually("the server has given up", || (!has_open(server, &path)).then_some(()));
    assert_ne!(exchange.answer().end, End::Complete);
}
