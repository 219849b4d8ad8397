//! The access log: a line of standard output for each response, in several formats, in which no client can
//! forge a line or control a terminal.

use pounce_tests::{Options, Server};
use serde_json::Value;

const ATTACK: &[u8] = b"GET /nowhere/%1b[31m%0aforged%0d%00?%1b]0;title%07 HTTP/1.1\r\nHost: test\r\n\
    User-Agent: \xc2\x9b31m\x9bagent\"\\\r\nReferer: \x85\x9d\xe2\x80\xa8\xff\"\r\nConnection: close\r\n\r\n";

fn start(arguments: &[(&str, &str)]) -> Server {
    let options = arguments.iter().fold(Options::app("raw:app"), |all, (name, value)| all.with(name, value));
    Server::start(options)
}

/// The line about one request with `mark` in its query.
fn line_about(server: &Server, mark: &str) -> String {
    server.get(&format!("/status/404?{mark}")).expect(404);
    server.wait_stdout_line(mark)
}

#[test]
fn a_line_names_the_client_the_request_and_the_status() {
    let server = start(&[]);
    let line = line_about(&server, "mark=1");
    for part in ["127.0.0.1", "GET", "/status/404", "HTTP/1.1", "404"] {
        assert!(line.contains(part), "{part} not in {line:?}");
    }
}

#[test]
fn each_response_has_one_line() {
    let server = start(&[]);
    let mut client = server.connect();
    for _ in 0..10 {
        client.get("/hello?counted").response().expect(200);
    }
    line_about(&server, "last");
    let stdout = String::from_utf8(server.stdout()).expect("UTF-8");
    assert_eq!(stdout.matches("counted").count(), 10, "{stdout}");
}

#[test]
fn the_format_takes_the_atoms_of_gunicorn() {
    let format = r#"h=%(h)s r="%(r)s" s=%(s)s m=%(m)s U=%(U)s q=%(q)s b=%(B)s H=%(H)s f="%(f)s" a="%(a)s" i=%({x-in}i)s o=%({content-length}o)s %%"#;
    let server = start(&[("--access-log-format", format)]);
    let fields = "Referer: http://from/\r\nUser-Agent: agent/1\r\nX-In: inward\r\nConnection: close\r\n";
    server.request(format!("GET /big/12?q=1 HTTP/1.1\r\nHost: test\r\n{fields}\r\n")).expect(200);
    let line = server.wait_stdout_line("h=");
    let wanted = r#"h=127.0.0.1 r="GET /big/12?q=1 HTTP/1.1" s=200 m=GET U=/big/12 q=q=1 b=12 H=HTTP/1.1 f="http://from/" a="agent/1" i=inward o=12 %"#;
    assert_eq!(line, wanted);
}

#[test]
fn the_format_takes_the_atoms_of_granian() {
    let format = r"%(addr)s|%(method)s|%(path)s|%(query_string)s|%(protocol)s|%(status)d|%(scheme)s";
    let server = start(&[("--access-log-format", format)]);
    server.get("/big/12?q=1").expect(200);
    let line = server.wait_stdout_line("/big/12");
    assert!(line.starts_with("127.0.0.1"), "{line}");
    assert!(line.ends_with("|GET|/big/12|q=1|HTTP/1.1|200|http"), "{line}");
}

#[test]
fn json_lines_are_objects() {
    let server = start(&[("--access-log-format", "json")]);
    let line = line_about(&server, "mark=2");
    let object: Value = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"));
    let values: Vec<&Value> = object.as_object().expect("an object").values().collect();
    assert!(values.contains(&&Value::from(404)), "no status that is a number: {line}");
    assert!(values.contains(&&Value::from("GET")), "no method: {line}");
}

#[test]
fn no_client_can_forge_a_line_or_control_a_terminal() {
    let formats = [
        None,
        Some("json"),
        Some(r#"last %(h)s "%(r)s" %(U)s %(q)s "%(f)s" "%(a)s" %({user-agent}i)s"#),
        Some(r#"last %(addr)s %(path)s %(query_string)s %(status)d"#),
    ];
    for format in formats {
        let server = match format {
            Some(format) => start(&[("--access-log-format", format)]),
            None => start(&[]),
        };
        let _ = server.request(ATTACK).expect(404);
        server.get("/hello?last").expect(200);
        server.wait_stdout_line("last");
        let stdout = server.stdout();
        let text = String::from_utf8(stdout.clone()).unwrap_or_else(|error| panic!("{format:?}: {error}"));
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 2, "{format:?}: {text:?}");
        let control =
            text.chars().find(|c| (c.is_control() && *c != '\n') || matches!(c, '\u{2028}' | '\u{2029}'));
        assert_eq!(control, None, "{format:?}: {text:?}");
        if format == Some("json") {
            let object: Result<Value, _> = serde_json::from_str(lines[0]);
            assert!(object.is_ok_and(|object| object.is_object()), "{text}");
        }
    }
}

#[test]
fn a_refused_request_can_forge_no_line_either() {
    let server = start(&[]);
    let before = server.stderr();
    for request in [
        "GET /\x1b[31m HTTP/1.1\r\nHost: test\r\n\r\n",
        "\x1b[2J\x07\r\n\r\n",
        "GET / HTTP/1.1\r\n\x1b[1m: a\r\n\r\n",
    ] {
        server.request(request).expect(400);
    }
    server.get("/hello?last").expect(200);
    server.wait_stdout_line("last");
    let printed = String::from_utf8_lossy(&server.stdout()).into_owned() + &server.stderr()[before.len()..];
    let control = printed.chars().find(|c| c.is_control() && !matches!(c, '\n'));
    assert_eq!(control, None, "{printed:?}");
}

#[test]
fn it_can_be_turned_off() {
    let mut server = Server::start(Options::app("raw:app").flag("--no-access-log"));
    server.get("/hello").expect(200);
    server.sigterm();
    let exit = server.wait_exit();
    assert_eq!(exit.stdout, "");
}

#[test]
fn every_line_is_written_before_the_server_exits() {
    let mut server = start(&[]);
    let mut client = server.connect();
    for _ in 0..500 {
        client.get("/hello?counted").response().expect(200);
    }
    server.sigterm();
    let exit = server.wait_exit();
    assert_eq!(exit.stdout.matches("counted").count(), 500);
}

#[test]
fn in_json_the_server_s_own_log_is_objects_too() {
    let server = Server::start(Options::app("faulty:app").with("--log-format", "json"));
    server.get("/raise-before/json-boom").expect(500);
    server.wait_stderr("json-boom before the response");
    server.get("/pid").expect(200);
    let stderr = server.stderr();
    let line = stderr.lines().find(|line| line.contains("json-boom")).expect("just seen");
    let object: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
    assert!(object.is_object(), "{line}");
}

#[test]
fn requests_for_excluded_paths_are_left_out() {
    let options = Options::app("raw:app").with("--health-path", "/healthz");
    let options = options.with("--access-log-exclude", "/healthz").with("--access-log-exclude", "/notes/*");
    let server = Server::start(options);
    for path in ["/healthz", "/healthz?verbose", "/notes/a", "/notes/a/b", "/healthz/other", "/hello"] {
        server.get(path);
    }
    server.wait_stdout_line("GET /hello");
    let printed = String::from_utf8_lossy(&server.stdout()).into_owned();
    assert!(printed.contains("GET /healthz/other"), "{printed}");
    assert!(!printed.contains("GET /healthz ") && !printed.contains("verbose"), "{printed}");
    assert!(!printed.contains("/notes/"), "{printed}");
}
