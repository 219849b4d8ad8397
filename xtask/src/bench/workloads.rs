//! Defines a workload: its application, load and right answer. The workloads themselves are in `workloads/all.rs`.

mod all;

use std::env;

use anyhow::Result;

pub(super) use self::all::named;
use super::http::Response;
use crate::error::hinted;

/// One workload.
#[derive(Debug)]
pub(super) struct Workload {
    pub(super) name: &'static str,
    pub(super) about: &'static str,
    /// The module in `bench/apps` that has the application `app`.
    pub(super) app: &'static str,
    pub(super) path: &'static str,
    pub(super) connections: u32,
    pub(super) load: Load,
    pub(super) is_tls: bool,
    pub(super) answer: Answer,
    /// The environment variable that tells its application where a service is.
    pub(super) needs: Option<&'static str>,
    /// Whether the floor supports it: a GET of 1 KiB or an echo.
    pub(super) has_floor: bool,
}

/// The requests or messages of the load generator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Load {
    /// GETs, one at a time on each connection.
    Get,
    /// GETs, each on a new connection.
    Connect,
    /// The given number of GETs at once on each connection.
    Pipeline(u32),
    /// POSTs with a body of the given number of bytes.
    Post(usize),
    /// GETs over HTTP/2, the given number at once on each connection.
    Streams(u32),
    /// WebSocket messages, one at a time on each connection, each sent back.
    Echo { is_deflated: bool },
    /// WebSocket messages from one client, one at a time, each sent to all clients.
    Broadcast { is_deflated: bool },
}

/// The right answer.
#[derive(Clone, Copy, Debug)]
pub(super) enum Answer {
    /// A body of the given number of bytes.
    Length(usize),
    /// The body or message of the request.
    Echo,
    /// The given text.
    Text(&'static str),
    /// The JSON document of the framework applications.
    Json,
}

const JSON: &str = r#"{"message": "Hello, world!", "items": [0, 1, 2, 3, 4, 5, 6, 7, 8, 9], "ok": true}"#;

impl Workload {
    /// Fails if the service that its application needs is not there.
    pub(super) fn require(&self) -> Result<()> {
        match self.needs {
            Some(variable) if env::var_os(variable).is_none() => Err(hinted(
                format!("the workload {} needs a PostgreSQL server, which {variable} names", self.name),
                format!(
                    "a temporary one on Debian/Ubuntu: `pg_virtualenv -t cargo xtask bench --workload {}`",
                    self.name
                ),
            )),
            _ => Ok(()),
        }
    }

    /// The URL of the workload at a server on this port of 127.0.0.1.
    pub(super) fn url(&self, port: u16) -> String {
        let scheme = if self.is_tls { "https" } else { "http" };
        format!("{scheme}://127.0.0.1:{port}{}", self.path)
    }

    /// Whether it consists of GETs or POSTs over clear HTTP/1.1 with keep-alive, which this program can make itself.
    pub(super) fn is_plain(&self) -> bool {
        !self.is_tls && matches!(self.load, Load::Get | Load::Post(_))
    }

    /// The unit: `req` for requests, `msg` for messages that reach a client.
    pub(super) fn unit(&self) -> &'static str {
        if matches!(self.load, Load::Echo { .. } | Load::Broadcast { .. }) { "msg" } else { "req" }
    }

    /// The body of one request, if any.
    pub(super) fn body(&self) -> Option<Vec<u8>> {
        match self.load {
            Load::Post(length) => Some(vec![b'x'; length]),
            _ => None,
        }
    }

    /// The fault of a response, if any.
    pub(super) fn fault(&self, response: &Response) -> Option<String> {
        if response.status != 200 {
            return Some(format!("status {} instead of 200", response.status));
        }
        let body = &response.body;
        let wrong_length = |length| format!("a body of {} bytes instead of {length}", body.len());
        match self.answer {
            Answer::Length(length) => (body.len() != length).then(|| wrong_length(length)),
            Answer::Echo => {
                let sent = self.body().unwrap_or_default();
                (*body != sent).then(|| wrong_length(sent.len()))
            }
            Answer::Text(text) => (body != text.as_bytes())
                .then(|| format!("`{}` instead of `{text}`", String::from_utf8_lossy(body))),
            Answer::Json => {
                let found = serde_json::from_slice::<serde_json::Value>(body).ok();
                let wanted = serde_json::from_str::<serde_json::Value>(JSON).ok();
                (found != wanted).then(|| format!("`{}` instead of {JSON}", String::from_utf8_lossy(body)))
            }
        }
    }
}

/// Fails if `mode` cannot make the load of a workload.
pub(super) fn require_plain(mode: &str, workloads: &[&Workload]) -> Result<()> {
    let Some(other) = workloads.iter().find(|workload| !workload.is_plain()) else { return Ok(()) };
    Err(hinted(
        format!("{mode} cannot make the load of {}", other.name),
        "choose workloads of GET or POST over clear HTTP/1.1 with keep-alive, such as \
         `--workload get-1k,echo-10k,fastapi-json`",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn response(status: u16, body: &[u8]) -> Response {
        Response { status, body: body.to_vec() }
    }

    #[test]
    fn a_wrong_answer_is_found() {
        let echo = named(&["echo-10k".into()]).unwrap()[0];
        assert_eq!(echo.fault(&response(200, &[b'x'; 10240])), None);
        assert!(echo.fault(&response(200, &[b'y'; 10240])).is_some());
        assert!(echo.fault(&response(500, &[b'x'; 10240])).is_some());
        let json = named(&["fastapi-json".into()]).unwrap()[0];
        assert_eq!(json.fault(&response(200, JSON.replace(' ', "").replace("o,w", "o, w").as_bytes())), None);
        assert!(json.fault(&response(200, b"{}")).is_some());
    }

    #[test]
    fn a_plain_workload_is_asked_for_where_no_other_will_do() {
        let require = |name: &str| require_plain("--open", &named(&[name.into()]).unwrap());
        assert!(require("get-1k").is_ok() && require("echo-10k").is_ok());
        for other in ["tls-get-1k", "pipeline", "connect-1k", "h2-get-1k", "ws-echo"] {
            assert!(require(other).is_err(), "{other}");
        }
    }

    #[test]
    fn a_url_has_the_scheme_of_its_workload() {
        let url = |name: &str| named(&[name.into()]).unwrap()[0].url(80);
        assert_eq!(url("get-1k"), "http://127.0.0.1:80/");
        assert_eq!(url("h2-tls-get-1k"), "https://127.0.0.1:80/");
    }
}
