//! What the servers are made to do: each workload's application, load and right answer.

use anyhow::Result;

use super::http::Response;
use crate::error::hinted;

/// One workload.
#[derive(Debug)]
pub(super) struct Workload {
    pub(super) name: &'static str,
    pub(super) about: &'static str,
    /// The module in `bench/apps` whose `app` is served.
    pub(super) app: &'static str,
    pub(super) path: &'static str,
    pub(super) connections: u32,
    pub(super) load: Load,
    pub(super) answer: Answer,
    /// Whether the floor can serve it: a GET of 1 KiB or an echo.
    pub(super) has_floor: bool,
}

/// What the load generator sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Load {
    /// GETs, one at a time on each connection.
    Get,
    /// GETs, each on a connection of its own.
    Connect,
    /// This many GETs at once on each connection.
    Pipeline(u32),
    /// POSTs with a body of this many bytes.
    Post(usize),
}

/// What a right answer is.
#[derive(Clone, Copy, Debug)]
pub(super) enum Answer {
    /// A body of this many bytes.
    Length(usize),
    /// The body that was sent.
    Echo,
    /// This text.
    Text(&'static str),
    /// The JSON document of the framework applications.
    Json,
}

const JSON: &str = r#"{"message": "Hello, world!", "items": [0, 1, 2, 3, 4, 5, 6, 7, 8, 9], "ok": true}"#;

/// What most workloads are.
const GET: Workload = Workload {
    name: "get-1k",
    about: "GET, 1 KiB, keep-alive, raw application",
    app: "raw",
    path: "/",
    connections: 64,
    load: Load::Get,
    answer: Answer::Length(1024),
    has_floor: false,
};

const ALL: [Workload; 13] = [
    Workload { has_floor: true, ..GET },
    Workload {
        name: "get-1k-c1",
        about: "GET, 1 KiB, raw application, one connection",
        connections: 1,
        has_floor: true,
        ..GET
    },
    Workload {
        name: "connect-1k",
        about: "GET, 1 KiB, raw application, a new connection for each",
        load: Load::Connect,
        has_floor: true,
        ..GET
    },
    Workload {
        name: "pipeline",
        about: "GET, 1 KiB, raw application, 16 requests at once on each connection",
        load: Load::Pipeline(16),
        has_floor: true,
        ..GET
    },
    Workload {
        name: "echo-10k",
        about: "POST, 10 KiB read whole and sent back",
        path: "/echo",
        load: Load::Post(10 * 1024),
        answer: Answer::Echo,
        has_floor: true,
        ..GET
    },
    Workload {
        name: "echo-100k",
        about: "POST, 100 KiB read whole and sent back",
        path: "/echo",
        connections: 16,
        load: Load::Post(100 * 1024),
        answer: Answer::Echo,
        has_floor: true,
        ..GET
    },
    Workload {
        name: "stream-64x16k",
        about: "GET, 64 pieces of 16 KiB, no content-length",
        path: "/stream",
        connections: 16,
        answer: Answer::Length(64 * 16384),
        ..GET
    },
    Workload {
        name: "upload-10m",
        about: "POST, 10 MiB read piece by piece",
        path: "/upload",
        connections: 4,
        load: Load::Post(10 * 1024 * 1024),
        answer: Answer::Text("10485760"),
        ..GET
    },
    Workload {
        name: "starlette-json",
        about: "GET, JSON from a Starlette endpoint",
        app: "starlette_app",
        path: "/json",
        answer: Answer::Json,
        ..GET
    },
    Workload {
        name: "fastapi-json",
        about: "GET, JSON from a FastAPI coroutine",
        app: "fastapi_app",
        path: "/json",
        answer: Answer::Json,
        ..GET
    },
    Workload {
        name: "fastapi-sync",
        about: "GET, JSON from a FastAPI `def` endpoint in the thread pool",
        app: "fastapi_app",
        path: "/sync",
        answer: Answer::Json,
        ..GET
    },
    Workload {
        name: "sleep-10ms",
        about: "GET, a coroutine that waits 10 ms",
        path: "/sleep",
        connections: 512,
        ..GET
    },
    Workload {
        name: "file-50k",
        about: "GET, a file of 50 KiB through Starlette's FileResponse",
        app: "starlette_app",
        path: "/file",
        answer: Answer::Length(50 * 1024),
        ..GET
    },
];

/// The workloads of these names, or all of them when there is none.
pub(super) fn named(names: &[String]) -> Result<Vec<&'static Workload>> {
    static WORKLOADS: [Workload; 13] = ALL;
    if names.is_empty() {
        return Ok(WORKLOADS.iter().collect());
    }
    let find = |name: &String| {
        WORKLOADS.iter().find(|workload| workload.name == name).ok_or_else(|| {
            let known: Vec<&str> = WORKLOADS.iter().map(|workload| workload.name).collect();
            hinted(
                format!("there is no workload `{name}`"),
                format!("the workloads are {}", known.join(", ")),
            )
        })
    };
    names.iter().map(find).collect()
}

impl Workload {
    /// The body of one request, when it has one.
    pub(super) fn body(&self) -> Option<Vec<u8>> {
        match self.load {
            Load::Post(length) => Some(vec![b'x'; length]),
            Load::Get | Load::Connect | Load::Pipeline(_) => None,
        }
    }

    /// What is wrong with a response, if anything.
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
    fn an_unknown_name_is_an_error() {
        assert!(named(&["get-2k".into()]).is_err());
        assert_eq!(named(&[]).unwrap().len(), ALL.len());
    }
}
