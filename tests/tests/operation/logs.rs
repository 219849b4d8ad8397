//! The server's output: its format, and logs that cannot be written, because the reader is gone or stalls, the disk is
//! full or the descriptor closed. None of this blocks the server or its shutdown.

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use pounce_tests::options::{apps, binary};
use pounce_tests::output::Output;
use pounce_tests::python::virtualenv;
use pounce_tests::server::READY;
use pounce_tests::wait::{PATIENCE, eventually, within};
use pounce_tests::{Client, Options, Server};
use serde_json::Value;
use std::fs::{self, File};
use std::io::{PipeReader, Read, Write, pipe};
use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::process::{Child, Command, Stdio};
use tempfile::TempDir;

/// The fate of a line that a server prints.
#[derive(Debug, Clone, Copy)]
enum Broken {
    ReaderGone,
    Stalled,
    Full,
}

const BROKEN: [Broken; 3] = [Broken::ReaderGone, Broken::Stalled, Broken::Full];

impl Broken {
    /// The stream, and the pipe's end that must stay open for it.
    fn open(self) -> (Stdio, Option<PipeReader>) {
        match self {
            Self::ReaderGone => (pipe().expect("pipes can be made").1.into(), None),
            Self::Stalled => {
                let (reader, mut writer) = pipe().expect("pipes can be made");
                // Fill the pipe, so that nothing else fits.
                writer.write_all(&vec![b'\n'; 1 << 16]).expect("there is a reader");
                (writer.into(), Some(reader))
            }
            Self::Full => {
                let full = File::options().write(true).open("/dev/full").expect("Linux has it");
                (full.into(), None)
            }
        }
    }
}

/// A server whose streams the test supplies. Dropping it kills it.
struct Running {
    child: Child,
    address: SocketAddr,
    _directory: TempDir,
}

impl Running {
    fn start(options: Options, prepare: impl FnOnce(&mut Command)) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("bound");
        let options = options.without_port().with("--fd", "3").inherit(listener);
        let directory = tempfile::tempdir().expect("a temporary directory");
        let mut command = options.command(directory.path());
        prepare(&mut command);
        let child = command.spawn().expect("it starts");
        Self { child, address, _directory: directory }
    }

    fn expect(&self, target: &str, status: u16) {
        let _ = Client::tcp(self.address).get(target).response().expect(status);
    }

    fn stop(&mut self) -> Option<i32> {
        kill(Pid::from_raw(self.child.id().cast_signed()), Signal::SIGTERM).expect("it runs");
        self.exit()
    }

    fn exit(&mut self) -> Option<i32> {
        let status = within(PATIENCE, || self.child.try_wait().expect("a child of ours"));
        status.expect("it never ends").code()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_server_whose_logs_cannot_be_written_answers_and_stops() {
    for workers in ["1", "2"] {
        for broken in BROKEN {
            let ((stdout, _out), (stderr, _err)) = (broken.open(), broken.open());
            let options = Options::app("faulty:app").with("--workers", workers);
            let mut server = Running::start(options, |command| {
                command.stdout(stdout).stderr(stderr);
            });
            for number in 0..20 {
                server.expect(&format!("/raise-before/{number}"), 500);
            }
            server.expect("/pid", 200);
            assert_eq!(server.stop(), Some(0), "{broken:?} with {workers} workers");
        }
    }
}

#[test]
fn a_server_without_standard_streams_answers_and_stops() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("bound");
    let mut shell = Command::new("/bin/sh");
    shell.args(["-c", "exec 3<&0 </dev/null >&- 2>&-; exec \"$@\"", "sh"]).arg(binary());
    shell.args(["faulty:app", "--fd", "3", "--app-dir"]).arg(apps()).stdin(OwnedFd::from(listener));
    let directory = tempfile::tempdir().expect("a temporary directory");
    let child = shell.current_dir(directory.path()).spawn().expect("there is a shell");
    let mut server = Running { child, address, _directory: directory };
    server.expect("/raise-before/closed", 500);
    assert_eq!(server.stop(), Some(0));
}

#[test]
fn a_fault_at_start_has_its_exit_code_although_the_message_cannot_be_written() {
    for broken in BROKEN {
        for (app, code) in [("no_such_module:app", 3), ("broken.raises:app", 3)] {
            let ((stdout, _out), (stderr, _err)) = (broken.open(), broken.open());
            let options = Options::app(app);
            let mut server = Running::start(options, |command| {
                command.stdout(stdout).stderr(stderr);
            });
            assert_eq!(server.exit(), Some(code), "{broken:?} {app}");
        }
        let (stderr, _err) = broken.open();
        let options = Options::bare().flag("--no-such-option");
        let mut server = options.command("/".as_ref()).stderr(stderr).spawn().expect("it starts");
        let status = within(PATIENCE, || server.try_wait().expect("a child of ours"));
        assert_eq!(status.expect("it ends").code(), Some(2), "{broken:?}");
    }
}

#[test]
fn help_and_version_need_no_reader() {
    for broken in [Broken::ReaderGone, Broken::Full] {
        for flag in ["--help", "--version"] {
            let ((stdout, _out), directory) = (broken.open(), tempfile::tempdir().expect("a directory"));
            let mut command = Options::bare().flag(flag).command(directory.path());
            let ended = command.stdout(stdout).stderr(Stdio::piped()).output().expect("it starts");
            assert!(!String::from_utf8_lossy(&ended.stderr).contains("panicked"), "{flag} {broken:?}");
            assert!(ended.status.code().is_some_and(|code| code < 100), "{flag} {broken:?} {ended:?}");
        }
    }
}

#[test]
fn lines_that_a_stalled_reader_missed_are_counted_once_it_reads_again() {
    const REQUESTS: usize = 2_500;
    let (stdout, mut stalled) = Broken::Stalled.open();
    let mut server = Running::start(Options::app("raw:app"), |command| {
        command.stdout(stdout).stderr(Stdio::piped());
    });
    let stderr = Output::collect(server.child.stderr.take().expect("piped"));
    let mut client = Client::tcp(server.address);
    let target = format!("/hello?{}", "x".repeat(7_000));
    // More than the 8 MiB that the server queues for a reader and the up to 8 MiB that it is writing.
    for _ in 0..REQUESTS {
        client.get(&target).response().expect(200);
    }
    assert!(!stderr.text().contains("could not be written"), "{}", stderr.text());
    let reader = std::thread::spawn(move || {
        let mut read = Vec::new();
        let _ = stalled.as_mut().expect("it is a pipe").read_to_end(&mut read);
        read
    });
    let lost: usize = eventually("the lost lines are counted", || {
        let text = stderr.text();
        let line = text.lines().find(|line| line.contains("lines of the access log could not be written"))?;
        line.split_whitespace().find_map(|word| word.parse().ok())
    });
    assert_eq!(server.stop(), Some(0));
    let read = String::from_utf8(reader.join().expect("it reads to the end")).expect("ASCII");
    assert_eq!(read.lines().filter(|line| line.contains("/hello")).count() + lost, REQUESTS);
    assert_eq!(stderr.text().matches("could not be written").count(), 1, "{}", stderr.text());
}

#[test]
fn unread_lines_are_counted_before_those_of_the_next_reader() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let fifo = directory.path().join("stderr");
    assert!(Command::new("mkfifo").arg(&fifo).status().expect("coreutils").success());
    // Opened for reading and writing, the FIFO does not wait for its other end.
    let reader = File::options().read(true).write(true).open(&fifo).expect("a FIFO");
    let writer = File::options().write(true).open(&fifo).expect("there is a reader");
    let mut server = Running::start(Options::app("faulty:app"), |command| {
        command.stdout(Stdio::null()).stderr(writer);
    });
    server.expect("/raise-before/first", 500);
    drop(reader);
    server.expect("/raise-before/second", 500);
    let reader = Output::collect(File::open(&fifo).expect("the server has it open"));
    server.expect("/raise-before/third", 500);
    let text = reader.wait(PATIENCE, |text| text.contains("third before").then(|| text.to_owned()));
    let text = text.expect("the log goes on");
    if !text.contains("second before") {
        // Some lines may still have been queued when the new reader came.
        let notice = text.find("lines of the log could not be written").expect("the lost lines are counted");
        assert!(notice < text.find("third before").expect("just seen"), "{text}");
    }
    assert_eq!(server.stop(), Some(0));
}

#[test]
fn a_fault_at_start_is_printed_after_earlier_lines() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join("log");
    let log = File::create(&path).expect("it can be made");
    let options = Options::app("no_such_module:app").with("--log-level", "debug");
    let mut server = Running::start(options, |command| {
        command.stdout(Stdio::null()).stderr(log);
    });
    assert_eq!(server.exit(), Some(3));
    let text = fs::read_to_string(&path).expect("just made");
    let error = text.find("\nerror: ").expect("it says why");
    assert!(text.find("no_such_module:app").is_some_and(|banner| banner < error), "{text}");
    assert!(text.trim_end().lines().last().is_some_and(|line| line.starts_with("hint: ")), "{text}");
}

/// The output of a server from its start to its stop, with one failed request.
fn printed(arguments: &[&str]) -> (String, String) {
    let options = arguments.iter().fold(Options::app("faulty:app"), |all, argument| all.flag(argument));
    let mut server = Running::start(options, |command| {
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
    });
    let stdout = Output::collect(server.child.stdout.take().expect("piped"));
    let stderr = Output::collect(server.child.stderr.take().expect("piped"));
    server.expect("/pid", 200);
    server.expect("/raise-before/shown", 500);
    if !arguments.contains(&"warning") {
        // A worker may answer before all of them serve.
        let ready = stderr.wait(PATIENCE, |text| text.contains(READY).then_some(()));
        assert!(ready.is_some(), "never ready: {}", stderr.text());
    }
    assert_eq!(server.stop(), Some(0));
    stdout.wait_ended(PATIENCE);
    stderr.wait_ended(PATIENCE);
    (stdout.text(), stderr.text())
}

fn object(line: &str) -> Value {
    let object: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
    for field in ["timestamp", "level", "target", "message"] {
        assert!(object[field].is_string(), "no {field}: {line}");
    }
    object
}

#[test]
fn levels_above_information_silence_what_the_server_says_of_itself_and_of_requests() {
    for workers in ["1", "2"] {
        let (stdout, stderr) = printed(&["--log-level", "warning", "--workers", workers]);
        assert_eq!(stdout, "");
        assert!(stderr.contains("ERROR") && stderr.contains("shown before the response"), "{stderr}");
        for word in ["INFO", "ready", "Stop", "Loading"] {
            assert!(!stderr.contains(word), "{word} in {stderr}");
        }
    }
}

#[test]
fn in_json_every_line_is_one_object() {
    for workers in ["1", "2"] {
        let (stdout, stderr) =
            printed(&["--log-format", "json", "--workers", workers, "--log-level", "debug"]);
        let lines: Vec<Value> = stdout.lines().map(object).collect();
        assert_eq!(lines.len(), 2, "{stdout}");
        // Two workers write each its own lines, in no order.
        let of = |path: &str| lines.iter().find(|line| line["path"] == path).expect("a line of each request");
        assert_eq!((&of("/pid")["method"], &of("/pid")["status"]), (&"GET".into(), &200.into()));
        let failed = of("/raise-before/shown");
        assert_eq!((&failed["status"], &failed["level"]), (&500.into(), &"INFO".into()));
        let messages: Vec<String> = stderr.lines().map(|line| object(line)["message"].to_string()).collect();
        for part in ["Loading faulty:app", " ready: ", "shown before the response", "Stopped"] {
            assert!(messages.iter().any(|message| message.contains(part)), "no {part} in {messages:?}");
        }
    }
}

#[test]
fn in_json_the_fault_that_ends_a_server_is_an_object_too() {
    for (app, hint) in [("no_such_module:app", true), ("broken.raises:app", false)] {
        let exit = Server::run(Options::app(app).with("--log-format", "json"));
        assert_eq!(exit.code, Some(3));
        let last = object(exit.stderr.lines().last().expect("it says why"));
        assert_eq!((&last["level"], last["hint"].is_string()), (&"ERROR".into(), hint), "{last}");
        exit.stderr.lines().for_each(|line| drop(object(line)));
    }
}

#[test]
fn an_access_log_format_that_is_asked_for_stays_among_json() {
    let (stdout, _) = printed(&["--log-format", "json", "--access-log-format", "%(m)s %(U)s %(s)s"]);
    assert_eq!(stdout, "GET /pid 200\nGET /raise-before/shown 500\n");
}

#[test]
fn one_line_says_what_is_ready_where_and_with_what() {
    let options =
        Options::app("raw:app").without_port().with("--bind", "127.0.0.1:0").with("--bind", "127.0.0.2:0");
    let server = Server::start(options);
    let [first, second] = server.addresses() else { panic!("two addresses: {}", server.stderr()) };
    let stderr = server.stderr();
    let lines: Vec<&str> = stderr.lines().collect();
    assert_eq!(lines.len(), 2, "{stderr}");
    assert!(lines[0].ends_with(" INFO Loading raw:app"), "{stderr}");
    let says = format!(" ready: raw:app on http://{first}, http://{second} (Python 3.");
    assert!(lines[1].contains(&says) && lines[1].ends_with("1 worker). Ctrl-C stops."), "{stderr}");
}

#[test]
fn the_line_names_the_virtualenv_as_seen_from_the_working_directory() {
    let Some(venv) = virtualenv() else { return println!("skipped: there is no test virtualenv") };
    let venv = std::path::absolute(venv).expect("a path");
    let shown = |options: Options| Server::start(options).stderr();
    let outside = shown(Options::app("raw:app"));
    assert!(outside.contains(&format!(", venv {}, 1 worker)", venv.display())), "{outside}");
    let parent = venv.parent().expect("it is in a folder");
    let beside = shown(Options::app("raw:app").directory(parent));
    let name = venv.file_name().expect("it has a name").to_string_lossy();
    assert!(beside.contains(&format!(", venv {name}, 1 worker)")), "{beside}");
}

/// All output of a server on a terminal, until the terminal's Ctrl-C.
fn on_a_terminal(environment: &[(&str, &str)], arguments: &str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("bound");
    // The descriptor passes through util-linux' script(1), which makes the terminal.
    let server =
        format!("{} faulty:app --app-dir {} --fd 3 {arguments}", binary().display(), apps().display());
    let mut shell = Command::new("/bin/sh");
    shell.args(["-c", "exec 3<&0 </dev/null; exec script -qefc \"$1\" /dev/null", "sh", &server]);
    shell.stdin(OwnedFd::from(listener)).stdout(Stdio::piped()).stderr(Stdio::null());
    shell.env_remove("NO_COLOR").envs(environment.iter().copied());
    let directory = tempfile::tempdir().expect("a temporary directory");
    let mut child = shell.current_dir(directory.path()).spawn().expect("there is a shell");
    let output = Output::collect(child.stdout.take().expect("piped"));
    let server = Running { child, address, _directory: directory };
    server.expect("/pid", 200);
    server.expect("/raise-before/coloured", 500);
    let text = output.wait(PATIENCE, |text| {
        let all = text.contains("/pid")
            && text.contains("\"GET /raise-before/coloured")
            && text.contains("Error: col");
        all.then(|| text.to_owned())
    });
    text.unwrap_or_else(|| panic!("not all was printed: {}", output.text()))
}

#[test]
fn a_terminal_gets_colours_unless_its_user_wants_none() {
    if Command::new("script").arg("--version").output().is_err() {
        return println!("skipped: there is no script(1)");
    }
    let coloured = on_a_terminal(&[], "");
    for part in ["\x1b[32m200\x1b[0m", "\x1b[31m500\x1b[0m", "\x1b[31mERROR\x1b[0m"] {
        assert!(coloured.contains(part), "{part:?} not in {coloured:?}");
    }
    for (environment, arguments) in [(&[("NO_COLOR", "1")][..], ""), (&[], "--no-use-colors")] {
        let plain = on_a_terminal(environment, arguments);
        assert!(!plain.contains('\x1b'), "{plain:?}");
    }
}
