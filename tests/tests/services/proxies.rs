//! Real reverse proxies in front of the server.

use nix::sys::signal::Signal;
use pounce_tests::secured::Connector;
use pounce_tests::services::ReverseProxy;
use pounce_tests::{Client, Load, Mode, Options, Server};
use serde_json::{Value, json};

/// Where the server listens, for the proxy.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Upstream {
    Tcp,
    Unix,
}

impl Upstream {
    /// A server with two processes that trusts only the proxy.
    fn start(self, options: Options) -> Server {
        let options = match self {
            Self::Tcp => options,
            Self::Unix => options.with("--bind", "unix:s.sock").with("--forwarded-allow-ips", "unix"),
        };
        Server::start(options.with("--bind", "127.0.0.1:0").without_port().workers(Mode::Process, 2))
    }

    /// Its address in the words of a proxy.
    fn of(self, server: &Server, unix: &str, tcp: &str) -> String {
        match self {
            Self::Tcp => format!("{tcp}{}", server.address()),
            Self::Unix => format!("{unix}{}", server.directory().join("s.sock").display()),
        }
    }
}

fn ask(proxy: &ReverseProxy, path: &str, lines: &str) -> Value {
    let mut client = Client::tcp(proxy.address());
    client.send(format!("GET {path} HTTP/1.1\r\nHost: example.org:8443\r\nConnection: close\r\n{lines}\r\n"));
    serde_json::from_str(&client.response().expect(200).text()).expect("JSON")
}

#[test]
fn nginx_says_who_asks() {
    for upstream in [Upstream::Tcp, Upstream::Unix] {
        let server = upstream.start(Options::app("proxied:app"));
        let Some(nginx) = ReverseProxy::nginx(&upstream.of(&server, "unix:", "")) else { return };
        let told = ask(&nginx, "/api/scope", "X-Forwarded-For: 192.0.2.9\r\n");
        // At TCP the client's address is a trusted one too, and what it says counts.
        let client = if upstream == Upstream::Tcp { "192.0.2.9" } else { "127.0.0.1" };
        assert_eq!(told["client"], json!([client, 0]), "{upstream:?}");
        assert_eq!(
            (&told["scheme"], &told["root_path"], &told["path"]),
            (&json!("https"), &json!("/api"), &json!("/api/scope"))
        );
    }
}

#[test]
fn haproxy_says_who_asks_by_every_way() {
    for upstream in [Upstream::Tcp, Upstream::Unix] {
        for (options, is_proxied) in [
            ("", false),
            ("proto h2", false),
            ("send-proxy", true),
            ("send-proxy-v2", true),
            ("send-proxy-v2 proxy-v2-options authority,ssl,unique-id proto h2", true),
        ] {
            let application = Options::app("proxied:app");
            let server = upstream.start(match is_proxied {
                true => application.flag("--proxy-protocol"),
                false => application,
            });
            let address = upstream.of(&server, "unix@", "");
            let Some(haproxy) = ReverseProxy::haproxy(&address, options) else { return };
            let told = ask(&haproxy, "/scope", "X-Forwarded-Proto: https\r\n");
            assert_eq!(told["client"][0], json!("127.0.0.1"), "{upstream:?} {options}");
            let port = told["client"][1].as_u64().expect("a port");
            // The field has no port; the protocol has the client's.
            assert_eq!(port != 0, is_proxied, "{upstream:?} {options}: {told}");
        }
    }
}

#[test]
fn reloads_under_load_cost_no_request_behind_proxies() {
    for upstream in [Upstream::Tcp, Upstream::Unix] {
        let server = upstream.start(Options::app("proxied:app").flag("--no-access-log"));
        let proxies = [
            ReverseProxy::nginx(&upstream.of(&server, "unix:", "")),
            ReverseProxy::haproxy(&upstream.of(&server, "unix@", ""), ""),
            ReverseProxy::haproxy(&upstream.of(&server, "unix@", ""), "proto h2"),
        ];
        for proxy in proxies.into_iter().flatten() {
            let reloads = server.stderr().matches("Reloaded").count();
            let load = Load::through(Connector::to(proxy.address()), &server, 4);
            for reload in 1..=3 {
                load.wait_answered(100);
                server.signal(Signal::SIGHUP);
                server.wait_stderr_times("Reloaded", reloads + reload);
            }
            load.wait_answered(100);
            load.finish();
        }
    }
}
