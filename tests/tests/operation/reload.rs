//! `--reload`: an edit takes effect, a broken one is reported until the next, and the listener stays open
//! throughout.

use pounce_tests::{Client, Options, Server, eventually};
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tempfile::TempDir;

const APP: &str = "
from part import TEXT

async def app(scope, receive, send):
    assert scope['type'] == 'http'
    body = TEXT.encode()
    await send({'type': 'http.response.start', 'status': 200,
                'headers': [(b'content-length', str(len(body)).encode())]})
    await send({'type': 'http.response.body', 'body': body})
";

fn edit(directory: &Path, name: &str, content: &str) {
    // As editors do: write a new file and rename it over the old one.
    let draft = directory.join(format!("{name}~"));
    fs::write(&draft, content).expect("the directory is writable");
    fs::rename(draft, directory.join(name)).expect("the directory is writable");
}

fn start(extra: &[(&str, &str)]) -> (TempDir, Server) {
    let directory = tempfile::tempdir().expect("a temporary directory");
    edit(directory.path(), "edited.py", APP);
    edit(directory.path(), "part.py", "TEXT = 'first'\n");
    let options = Options::app("edited:app").app_dir(directory.path()).directory(directory.path());
    let options = extra.iter().fold(options.flag("--reload"), |all, (name, value)| all.with(name, value));
    let server = Server::start(options.with("--reload-delay", "0.1"));
    (directory, server)
}

fn serves(server: &Server, text: &str) {
    eventually(&format!("{text:?} is served"), || {
        let mut client = Client::try_tcp(server.address()).expect("the listener stays open");
        client.send("GET / HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n");
        // A connection may be closed without an answer while workers change.
        (client.has_more() && client.response().text() == text).then_some(())
    });
}

#[test]
fn an_edit_of_the_application_or_of_what_it_imports_is_served() {
    let (directory, server) = start(&[]);
    serves(&server, "first");
    edit(directory.path(), "part.py", "TEXT = 'second'\n");
    serves(&server, "second");
    edit(directory.path(), "edited.py", &APP.replace("TEXT.encode()", "(TEXT + ' edited').encode()"));
    serves(&server, "second edited");
}

#[test]
fn an_edit_in_place_is_seen_too() {
    let (directory, server) = start(&[]);
    fs::write(directory.path().join("part.py"), "TEXT = 'in place'\n").expect("writable");
    serves(&server, "in place");
}

#[test]
fn an_application_that_always_reads_and_logs_in_its_folder_is_reloaded_all_the_same() {
    let (directory, server) = start(&[]);
    serves(&server, "first");
    let (part, log) = (directory.path().join("part.py"), directory.path().join("app.log"));
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                let _ = (fs::read(&part), fs::write(&log, "a line"));
                std::thread::sleep(Duration::from_millis(5));
            }
        });
        edit(directory.path(), "part.py", "TEXT = 'second'\n");
        serves(&server, "second");
        stop.store(true, Ordering::Relaxed);
    });
}

#[test]
fn a_broken_edit_is_reported_and_the_repair_is_served() {
    let (directory, server) = start(&[]);
    serves(&server, "first");
    edit(directory.path(), "part.py", "TEXT = 'broken\n");
    server.wait_stderr("SyntaxError");
    drop(Client::try_tcp(server.address()).expect("the listener stays open"));
    edit(directory.path(), "part.py", "TEXT = 'repaired'\n");
    serves(&server, "repaired");
}

#[test]
fn several_broken_edits_in_a_row_are_survived() {
    let (directory, server) = start(&[]);
    for number in 0..8 {
        edit(directory.path(), "part.py", &format!("raise RuntimeError('broken {number}')\n"));
        server.wait_stderr(&format!("RuntimeError: broken {number}"));
    }
    edit(directory.path(), "part.py", "TEXT = 'repaired'\n");
    serves(&server, "repaired");
}

#[test]
fn the_listener_stays_open_throughout() {
    let (directory, server) = start(&[]);
    let (address, stop) = (server.address(), AtomicBool::new(false));
    std::thread::scope(|scope| {
        let knocking = scope.spawn(|| {
            let mut refused = 0;
            while !stop.load(Ordering::Relaxed) {
                refused += u32::from(Client::try_tcp(address).is_err());
                std::thread::sleep(std::time::Duration::from_millis(2));
            }
            refused
        });
        for text in ["second", "third", "fourth"] {
            edit(directory.path(), "part.py", &format!("TEXT = '{text}'\n"));
            serves(&server, text);
        }
        stop.store(true, Ordering::Relaxed);
        assert_eq!(knocking.join().expect("it only counts"), 0, "connections were refused");
    });
}

#[test]
fn a_new_file_is_seen_and_an_excluded_one_is_not() {
    let (directory, server) = start(&[("--reload-include", "*.txt"), ("--reload-exclude", "ignored*")]);
    let reads = "import pathlib\nTEXT = '/'.join(p.name for p in sorted(pathlib.Path(__file__).parent.glob('*.txt')))\n";
    edit(directory.path(), "part.py", reads);
    serves(&server, "");
    fs::write(directory.path().join("ignored.txt"), "").expect("writable");
    std::thread::sleep(std::time::Duration::from_secs(1));
    serves(&server, "");
    fs::write(directory.path().join("seen.txt"), "").expect("writable");
    serves(&server, "ignored.txt/seen.txt");
}

#[test]
fn another_directory_can_be_watched() {
    let other = tempfile::tempdir().expect("a temporary directory");
    let name = other.path().to_str().expect("UTF-8").to_owned();
    let (directory, server) = start(&[("--reload-dir", &name)]);
    let reads = format!("import os\nTEXT = str(sorted(os.listdir({name:?})))\n");
    edit(directory.path(), "part.py", &reads);
    edit(other.path(), "watched.py", "");
    serves(&server, "['watched.py']");
}

#[test]
fn it_stops_when_asked_whatever_state_the_code_is_in() {
    for content in ["TEXT = 'fine'\n", "TEXT = 'broken\n"] {
        let (directory, mut server) = start(&[]);
        edit(directory.path(), "part.py", content);
        if content.contains("broken") {
            server.wait_stderr("SyntaxError");
        } else {
            serves(&server, "fine");
        }
        server.sigterm();
        assert_eq!(server.wait_exit().code, Some(0), "{content}");
    }
}
