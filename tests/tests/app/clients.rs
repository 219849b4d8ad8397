//! Real clients: curl, httpx and aiohttp. Skipped if the client is missing.

use pounce_tests::python::{has, run, run_client};
use pounce_tests::{Options, Server};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

fn server() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(|| Server::start(Options::app("raw:app")))
}

fn url() -> String {
    format!("http://{}", server().address())
}

fn curl(arguments: &[&str]) -> Option<String> {
    let version = Command::new("curl").arg("--version").stdout(Stdio::null()).status();
    if !version.is_ok_and(|status| status.success()) {
        eprintln!("skipped: no curl");
        return None;
    }
    Some(run(Command::new("curl")
        .args(["--silent", "--show-error", "--fail", "--max-time", "30"])
        .args(arguments)))
}

#[test]
fn curl_gets_posts_and_keeps_the_connection() {
    let hello = format!("{}/hello", url());
    if let Some(text) = curl(&[&hello, &hello, "--write-out", "|%{num_connects} %{http_version}|"]) {
        assert_eq!(text, "hello|1 1.1|hello|0 1.1|");
    }
    if let Some(text) = curl(&["--data", "posted", &format!("{}/echo", url())]) {
        assert_eq!(text, "posted");
    }
}

#[test]
fn curl_waits_for_continue_before_a_large_upload() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let file = directory.path().join("upload");
    std::fs::write(&file, vec![b'x'; 3_000_000]).expect("writable");
    let data = format!("@{}", file.display());
    let count = format!("{}/count", url());
    let forced =
        ["--header", "Expect: 100-continue", "--expect100-timeout", "25", "--data-binary", &data, &count];
    if let Some(text) = curl(&forced) {
        assert_eq!(text, "3000000");
    }
    if let Some(text) = curl(&["--header", "Transfer-Encoding: chunked", "--data-binary", &data, &count]) {
        assert_eq!(text, "3000000");
    }
}

#[test]
fn curl_has_a_response_over_http_2_that_is_complete_before_its_upload() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let file = directory.path().join("upload");
    // Larger than any window.
    std::fs::write(&file, vec![b'x'; 10_000_000]).expect("writable");
    let data = format!("@{}", file.display());
    let Some(version) = curl(&["--version"]) else { return };
    if !version.contains("HTTP2") {
        return eprintln!("skipped: curl speaks no HTTP/2");
    }
    for (path, answer) in
        [("ignore-body", "not read|200|"), ("status/204", "|204|"), ("status/413", "status 413|413|")]
    {
        let url = format!("{}/{path}", url());
        let arguments = ["--http2-prior-knowledge", "--no-fail", "--header", "Expect:"];
        let more = ["--data-binary", &data, &url, "--write-out", "|%{http_code}|"];
        assert_eq!(curl(&[&arguments[..], &more].concat()).as_deref(), Some(answer));
    }
}

#[test]
fn httpx_has_a_response_over_http_2_that_is_complete_before_its_upload() {
    if has("httpx") && has("h2") {
        assert_eq!(run_client("upload_unread_httpx.py", &[&url()]), "ok\n");
    }
}

#[test]
fn curl_of_http_1_0_and_head_are_served() {
    if let Some(text) = curl(&["--http1.0", &format!("{}/stream/3/5", url())]) {
        assert_eq!(text, "xxxxxxxxxxxxxxx");
    }
    if let Some(text) = curl(&["--head", &format!("{}/big/1000", url())]) {
        assert!(
            text.starts_with("HTTP/1.1 200 ") && text.to_lowercase().contains("content-length: 1000"),
            "{text}"
        );
    }
}

#[test]
fn curl_reaches_a_unix_socket() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join("pounce.sock");
    let _server = Server::start(Options::app("raw:app").without_port().with("--uds", &path));
    let path = path.to_str().expect("UTF-8");
    if let Some(text) = curl(&["--unix-socket", path, "http://localhost/hello"]) {
        assert_eq!(text, "hello");
    }
}

#[test]
fn httpx_is_served() {
    if has("httpx") {
        assert_eq!(run_client("use_httpx.py", &[&url()]), "ok\n");
    }
}

#[test]
fn aiohttp_is_served() {
    if has("aiohttp") {
        assert_eq!(run_client("use_aiohttp.py", &[&url()]), "ok\n");
    }
}

#[test]
fn the_standard_library_is_served() {
    if has("http.client") {
        assert_eq!(run_client("use_http_client.py", &[&url()]), "ok\n");
    }
}
