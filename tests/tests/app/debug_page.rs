//! `--debug`: a page shows the developer an exception before the response, with the source and without
//! secrets.

use pounce_tests::{Options, Response, Server};
use std::sync::OnceLock;

fn page() -> &'static Response {
    static PAGE: OnceLock<(Server, Response)> = OnceLock::new();
    let (_, page) = PAGE.get_or_init(|| {
        let options = Options::app("faulty:app").flag("--debug").env("DATABASE_PASSWORD", "environment-secret");
        let server = Server::start(options);
        let secrets = "Authorization: Bearer header-secret\r\nCookie: session=cookie-secret\r\nX-Api-Key: key-secret\r\n";
        let request = format!("GET /page HTTP/1.1\r\nHost: test\r\n{secrets}Connection: close\r\n\r\n");
        let response = server.request(request);
        (server, response)
    });
    page
}

#[test]
fn the_page_is_a_500_in_html() {
    assert_eq!(page().status, 500);
    assert!(page().header("content-type").is_some_and(|kind| kind.starts_with("text/html")), "{:?}", page());
}

#[test]
fn the_page_names_the_exception_and_shows_the_source_line() {
    let text = page().text();
    assert!(text.contains("RuntimeError"), "{text}");
    assert!(text.contains("marker line") && text.contains("faulty.py"), "{text}");
}

#[test]
fn the_exception_message_is_text_and_never_markup() {
    assert!(!page().text().contains("<script>alert("), "{}", page().text());
}

#[test]
fn no_secret_is_on_the_page() {
    let text = page().text();
    for secret in ["header-secret", "cookie-secret", "key-secret", "environment-secret", "local-secret"] {
        assert!(!text.contains(secret), "{secret} in {text}");
    }
}

#[test]
fn without_the_option_there_is_no_page() {
    let server = Server::start(Options::app("faulty:app"));
    let response = server.get("/page").expect(500);
    assert!(response.header("content-type").is_some_and(|kind| kind.starts_with("text/plain")));
    assert!(!response.text().contains("marker line"));
}
