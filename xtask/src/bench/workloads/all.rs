//! The workloads.

use anyhow::Result;

use super::{Answer, Load, Workload};
use crate::error::hinted;

/// The values common to most workloads.
const GET: Workload = Workload {
    name: "get-1k",
    about: "GET, 1 KiB, keep-alive, raw application",
    app: "raw",
    path: "/",
    connections: 64,
    load: Load::Get,
    is_tls: false,
    answer: Answer::Length(1024),
    needs: None,
    has_floor: false,
};

/// The values common to the WebSocket workloads.
const WEBSOCKET: Workload = Workload {
    app: "raw_websocket",
    path: "/echo",
    load: Load::Echo { is_deflated: false },
    answer: Answer::Echo,
    ..GET
};

const ALL: [Workload; 26] = [
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
        name: "postgres",
        about: "GET, FastAPI, a row from PostgreSQL by asyncpg's pool of 8 connections",
        app: "postgres_app",
        path: "/row",
        answer: Answer::Text(r#"{"id":7,"name":"row 7"}"#),
        needs: Some("PGHOST"),
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
    Workload {
        name: "h2-get-1k",
        about: "HTTP/2 GET, 1 KiB, 32 streams on each connection",
        connections: 16,
        load: Load::Streams(32),
        ..GET
    },
    Workload {
        name: "h2-tls-get-1k",
        about: "HTTP/2 GET over TLS, 1 KiB, 32 streams on each connection",
        connections: 16,
        load: Load::Streams(32),
        is_tls: true,
        ..GET
    },
    Workload { name: "tls-get-1k", about: "GET over TLS, 1 KiB, keep-alive", is_tls: true, ..GET },
    Workload {
        name: "tls-handshake",
        about: "GET over TLS, 1 KiB, a full handshake for each (the client limits the rate)",
        connections: 16,
        load: Load::Connect,
        is_tls: true,
        ..GET
    },
    Workload {
        name: "ws-echo",
        about: "WebSocket, 128 bytes of text sent back",
        load: Load::Echo { is_deflated: false },
        ..WEBSOCKET
    },
    Workload {
        name: "ws-echo-deflate",
        about: "WebSocket, 128 bytes of text sent back, permessage-deflate",
        load: Load::Echo { is_deflated: true },
        ..WEBSOCKET
    },
    Workload {
        name: "ws-echo-c1",
        about: "WebSocket, 128 bytes of text sent back, one client",
        connections: 1,
        load: Load::Echo { is_deflated: false },
        ..WEBSOCKET
    },
    Workload {
        name: "ws-echo-deflate-c1",
        about: "WebSocket, 128 bytes of text sent back, permessage-deflate, one client",
        connections: 1,
        load: Load::Echo { is_deflated: true },
        ..WEBSOCKET
    },
    Workload {
        name: "ws-broadcast",
        about: "WebSocket, 128 bytes of text from one client to all",
        path: "/broadcast",
        load: Load::Broadcast { is_deflated: false },
        ..WEBSOCKET
    },
    Workload {
        name: "ws-broadcast-deflate",
        about: "WebSocket, 128 bytes of text from one client to all, permessage-deflate",
        path: "/broadcast",
        load: Load::Broadcast { is_deflated: true },
        ..WEBSOCKET
    },
    Workload {
        name: "ws-broadcast-c1",
        about: "WebSocket, 128 bytes of text from one client to all, one client",
        path: "/broadcast",
        connections: 1,
        load: Load::Broadcast { is_deflated: false },
        ..WEBSOCKET
    },
    Workload {
        name: "ws-broadcast-deflate-c1",
        about: "WebSocket, 128 bytes of text from one client to all, permessage-deflate, one client",
        path: "/broadcast",
        connections: 1,
        load: Load::Broadcast { is_deflated: true },
        ..WEBSOCKET
    },
];

/// The workloads with these names, or all workloads that can run here if there are none.
pub(in crate::bench) fn named(names: &[String]) -> Result<Vec<&'static Workload>> {
    static WORKLOADS: [Workload; 26] = ALL;
    if names.is_empty() {
        return Ok(WORKLOADS.iter().filter(|workload| workload.require().is_ok()).collect());
    }
    let find = |name: &String| {
        let found = WORKLOADS.iter().find(|workload| workload.name == name).ok_or_else(|| {
            let known: Vec<&str> = WORKLOADS.iter().map(|workload| workload.name).collect();
            hinted(
                format!("there is no workload `{name}`"),
                format!("the workloads are {}", known.join(", ")),
            )
        })?;
        found.require().map(|()| found)
    };
    names.iter().map(find).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_name_is_an_error() {
        assert!(named(&["get-2k".into()]).is_err());
        let runs_here = |workload: &&Workload| workload.require().is_ok();
        assert_eq!(named(&[]).unwrap().len(), ALL.iter().filter(runs_here).count());
    }

    #[test]
    fn names_differ() {
        let mut names: Vec<&str> = ALL.iter().map(|workload| workload.name).collect();
        names.sort_unstable();
        assert!(names.windows(2).all(|pair| pair[0] != pair[1]));
    }
}
