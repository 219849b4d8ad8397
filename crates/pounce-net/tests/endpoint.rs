//! The text form of an endpoint: parsing, printing, and error messages.

use std::path::PathBuf;

use pounce_net::{Endpoint, EndpointError, Family, LocalAddr};

fn tcp(host: &str, port: u16) -> Endpoint {
    Endpoint::Tcp { host: host.to_owned(), port }
}

fn unix(path: &str) -> Endpoint {
    Endpoint::Unix(PathBuf::from(path))
}

fn error(text: &str) -> EndpointError {
    text.parse::<Endpoint>().expect_err(text)
}

/// Texts, their endpoints, and the endpoints' printed form.
fn accepted() -> Vec<(&'static str, Endpoint, &'static str)> {
    vec![
        ("127.0.0.1:8000", tcp("127.0.0.1", 8000), "127.0.0.1:8000"),
        ("0.0.0.0:0", tcp("0.0.0.0", 0), "0.0.0.0:0"),
        ("localhost:65535", tcp("localhost", 65535), "localhost:65535"),
        ("my_app.example-1.org.:080", tcp("my_app.example-1.org.", 80), "my_app.example-1.org.:80"),
        ("[::]:8000", tcp("::", 8000), "[::]:8000"),
        ("[::1]:0", tcp("::1", 0), "[::1]:0"),
        ("[fe80::1%eth0]:80", tcp("fe80::1%eth0", 80), "[fe80::1%eth0]:80"),
        ("unix:app.sock", unix("app.sock"), "unix:app.sock"),
        ("unix:/run/app.sock", unix("/run/app.sock"), "unix:/run/app.sock"),
        ("unix:///run/app.sock", unix("/run/app.sock"), "unix:/run/app.sock"),
        ("unix:////run/app.sock", unix("/run/app.sock"), "unix:/run/app.sock"),
        ("unix:8000", unix("8000"), "unix:8000"),
        ("unix:./@app", unix("./@app"), "unix:./@app"),
        ("fd://3", Endpoint::Fd(3), "fd://3"),
        ("fd:0", Endpoint::Fd(0), "fd://0"),
    ]
}

#[test]
fn every_form_is_read_and_written_and_read_again() {
    for (text, endpoint, written) in accepted() {
        assert_eq!(text.parse::<Endpoint>().as_ref(), Ok(&endpoint), "{text}");
        assert_eq!(endpoint.to_string(), written);
        assert_eq!(written.parse::<Endpoint>(), Ok(endpoint));
    }
}

#[test]
#[cfg(target_os = "linux")]
fn an_abstract_name_round_trips_on_linux() {
    assert_eq!("unix:@app/1".parse(), Ok(unix("@app/1")));
    assert_eq!(unix("@app/1").to_string(), "unix:@app/1");
}

#[test]
fn an_empty_text_lists_the_forms() {
    assert_eq!(error(""), EndpointError::Empty);
    assert_eq!(error("  "), EndpointError::Empty);
    assert!(error("").to_string().contains("write `127.0.0.1:8000`"));
}

#[test]
fn a_url_gets_a_hint_with_its_host_and_port() {
    let message = "`http://localhost:8000/x` is a URL, not an address to listen on: write `localhost:8000`";
    assert_eq!(error("http://localhost:8000/x").to_string(), message);
    assert!(matches!(error("tcp://"), EndpointError::Url { instead, .. } if instead == "127.0.0.1:8000"));
}

#[test]
fn a_bare_path_gets_a_hint_to_its_prefix() {
    assert!(error("/run/app.sock").to_string().ends_with("write `unix:/run/app.sock` for a Unix socket"));
    assert!(matches!(error("./app:8000"), EndpointError::BarePath { .. }));
}

#[test]
fn a_missing_host_or_port_gets_a_hint() {
    assert!(error("8000").to_string().ends_with("write `127.0.0.1:8000`"));
    assert_eq!(error(":8000"), EndpointError::MissingHost { port: "8000".into() });
    assert!(error(":8000").to_string().contains("`127.0.0.1:8000` for this machine only"));
    assert_eq!(error("localhost"), EndpointError::MissingPort { host: "localhost".into() });
    assert_eq!(error("localhost:"), EndpointError::MissingPort { host: "localhost".into() });
    assert_eq!(error("[::1]"), EndpointError::MissingPort { host: "[::1]".into() });
    assert!(error("[::1]:").to_string().contains("write `[::1]:8000`"));
}

#[test]
fn a_bad_port_is_named() {
    for text in ["65536", "-1", "+80", "http", "8 0", "٣"] {
        for host in ["localhost", "[::1]", ""] {
            assert_eq!(error(&format!("{host}:{text}")), EndpointError::BadPort { text: text.into() });
        }
    }
    assert_eq!(error("[::1]8000"), EndpointError::BadPort { text: "8000".into() });
}

#[test]
fn an_ipv6_address_wants_its_brackets_and_only_it() {
    assert!(matches!(error("::1:8000"), EndpointError::UnbracketedIpv6 { .. }));
    assert!(matches!(error("::"), EndpointError::UnbracketedIpv6 { .. }));
    assert!(matches!(error("[::1:8000"), EndpointError::UnclosedBracket { .. }));
    for text in ["127.0.0.1", "localhost", "", "::1%", "::1%a b", ":::1"] {
        assert_eq!(error(&format!("[{text}]:80")), EndpointError::BadIpv6 { text: text.into() });
    }
}

#[test]
fn a_bad_host_is_named() {
    for text in ["256.0.0.1", "127.1", "1", "1.2.3.4.5", "01.2.3.4", "127.0.0.1."] {
        assert_eq!(error(&format!("{text}:80")), EndpointError::BadIpv4 { text: text.into() });
    }
    let long = "a".repeat(64);
    for text in ["my host", "a..b", ".", "-a", "a-", "bücher.example", "a,b", " a", &long] {
        assert_eq!(error(&format!("{text}:80")), EndpointError::BadHost { text: text.into() });
    }
    let long = ["a"; 128].join(".");
    assert!(matches!(error(&format!("{long}:80")), EndpointError::BadHost { .. }));
    assert_eq!(error("*:80"), EndpointError::Wildcard);
}

#[test]
fn a_bad_unix_path_is_explained() {
    for text in ["unix:", "unix://", "unix:@"] {
        assert_eq!(error(text), EndpointError::EmptyPath);
    }
    let message = "`unix://run/app.sock` is ambiguous: write `unix:run/app.sock`, or `unix:///run/app.sock` for an \
                   absolute path";
    assert_eq!(error("unix://run/app.sock").to_string(), message);
    assert!(matches!(error("unix:/run/"), EndpointError::DirectoryPath { path } if path == "/run/"));
    assert!(matches!(error("unix:/"), EndpointError::DirectoryPath { .. }));
    assert_eq!(error("unix:a\0b"), EndpointError::NulInPath);
    assert!(format!("unix:{}", "a".repeat(100)).parse::<Endpoint>().is_ok());
    assert!(matches!(
        error(&format!("unix:{}", "a".repeat(108))),
        EndpointError::PathTooLong { length: 108, .. }
    ));
}

#[test]
fn a_bad_descriptor_is_named() {
    for text in ["", "x", "-1", "+3", "3/", "2147483648"] {
        assert_eq!(error(&format!("fd://{text}")), EndpointError::BadFd { text: text.into() });
    }
}

#[test]
fn a_family_round_trips_and_an_unknown_one_is_named() {
    for family in [Family::Inet, Family::Inet6, Family::Unix] {
        assert_eq!(family.to_string().parse(), Ok(family));
    }
    let error = "AF_INET".parse::<Family>().unwrap_err();
    assert_eq!(error.to_string(), "`AF_INET` is not an address family: write `inet`, `inet6` or `unix`");
}

#[test]
fn a_local_address_is_written_as_an_endpoint() {
    let address = LocalAddr::from(std::net::SocketAddr::from(([127, 0, 0, 1], 80)));
    assert_eq!(address.to_string().parse(), Ok(tcp("127.0.0.1", 80)));
    assert_eq!(LocalAddr::Unix("/run/app.sock".into()).to_string().parse(), Ok(unix("/run/app.sock")));
}
