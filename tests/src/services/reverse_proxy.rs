//! nginx and HAProxy, in front of a server under test.

use super::daemon::{self, Daemon, Program};
use crate::wait::eventually;
use std::fs;
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};

/// A running proxy.
#[derive(Debug)]
pub struct ReverseProxy {
    port: u16,
    _daemon: Daemon,
}

impl ReverseProxy {
    /// An nginx that passes every request to `upstream` (`http://127.0.0.1:8000`, `http://unix:/path:`) over kept
    /// connections; if it is not installed, prints on stderr that the test is skipped.
    pub fn nginx(upstream: &str) -> Option<Self> {
        let program = found("nginx")?;
        let folder = daemon::folder("pounce-nginx-");
        let name = upstream.trim_start_matches("http://").trim_end_matches(':');
        let config = |port: u16| {
            format!(
                "daemon off; master_process off; pid {folder}/pid; error_log stderr notice;
                 events {{ worker_connections 256; }}
                 http {{
                     access_log off;
                     client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
                     fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
                     upstream app {{ server {name}; keepalive 8; }}
                     server {{
                         listen 127.0.0.1:{port};
                         proxy_http_version 1.1;
                         proxy_next_upstream off;
                         location / {{
                             proxy_pass http://app;
                             proxy_set_header Connection '';
                         }}
                         location /api/ {{
                             proxy_pass http://app/;
                             proxy_set_header Connection '';
                             proxy_set_header Host $http_host;
                             proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
                             proxy_set_header X-Forwarded-Proto https;
                             proxy_set_header X-Forwarded-Prefix /api;
                         }}
                     }}
                 }}",
                folder = folder.display(),
            )
        };
        let arguments = |file: &Path| vec!["-c".to_owned(), file.display().to_string()];
        Some(Self::start(&program, &folder, &config, &arguments, "using the"))
    }

    /// A HAProxy that passes every connection to `upstream` (`127.0.0.1:8000`, `unix@/path`) with these server options.
    pub fn haproxy(upstream: &str, options: &str) -> Option<Self> {
        let program = found("haproxy")?;
        let folder = daemon::folder("pounce-haproxy-");
        // By the PROXY protocol it says the same.
        let forwardfor = if options.contains("send-proxy") { "" } else { "option forwardfor" };
        let config = |port: u16| {
            format!(
                "global\n  log stderr local0 notice\ndefaults\n  mode http\n  timeout connect 10s\n  timeout client 60s\n  \
                 timeout server 60s\n  retries 0\n  {forwardfor}\nfrontend f\n  bind 127.0.0.1:{port}\n  \
                 default_backend b\nbackend b\n  http-reuse always\n  server s {upstream} {options}\n"
            )
        };
        let arguments = |file: &Path| {
            ["-db", "-V", "-f"].map(str::to_owned).into_iter().chain([file.display().to_string()]).collect()
        };
        Some(Self::start(&program, &folder, &config, &arguments, "Using epoll"))
    }

    fn start(
        program: &Path,
        folder: &Path,
        config: &dyn Fn(u16) -> String,
        arguments: &dyn Fn(&Path) -> Vec<String>,
        ready: &str,
    ) -> Self {
        let file = folder.join("config");
        let (daemon, port) = Program {
            command: &|port| {
                fs::write(&file, config(port)).expect("the folder is ours");
                let program = program.display().to_string();
                [program].into_iter().chain(arguments(&file)).collect()
            },
            signal: "TERM",
            ready,
        }
        .start(folder);
        let proxy = Self { port, _daemon: daemon };
        // HAProxy prints that before it listens.
        eventually("the proxy listens", || TcpStream::connect(proxy.address()).ok());
        proxy
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        ([127, 0, 0, 1], self.port).into()
    }
}

fn found(program: &str) -> Option<PathBuf> {
    let folder = daemon::find(program, ["/usr/sbin".into()]);
    if folder.is_none() {
        eprintln!("skipped: no {program} here");
    }
    Some(folder?.join(program))
}
