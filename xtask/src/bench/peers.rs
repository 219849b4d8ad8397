//! The servers Pounce is compared with, and their command lines: one worker each, no access log.

use anyhow::Result;

use super::servers::Speaks;
use crate::error::hinted;

/// A peer from the benchmark's virtualenv.
pub(super) struct Peer {
    pub(super) name: &'static str,
    pub(super) program: &'static str,
    /// Arguments for every workload, with the placeholders `{app}` and `{port}`.
    pub(super) arguments: &'static [&'static str],
    pub(super) speaks: Speaks,
}

/// The protocols of granian. Naming the protocol saves it the detection.
#[rustfmt::skip]
const GRANIAN: Speaks = Speaks {
    http1: &["--http", "1", "--no-ws"],
    http2: Some(&["--http", "2", "--no-ws"]),
    websocket: Some(&["--http", "1", "--ws"]),
    has_deflate: false,
    tls: Some(&["--ssl-certificate", "{certificate}", "--ssl-keyfile", "{key}"]),
};

/// The protocols of h2corn and hypercorn, all on one port.
const ONE_PORT: Speaks = Speaks {
    http1: &[],
    http2: Some(&[]),
    websocket: Some(&[]),
    has_deflate: true,
    tls: Some(&["--certfile", "{certificate}", "--keyfile", "{key}"]),
};

/// The protocols of Peregrine and Weft, all on one port.
const ONE_PORT_WITHOUT_DEFLATE: Speaks = Speaks {
    has_deflate: false,
    tls: Some(&["--tls-cert", "{certificate}", "--tls-key", "{key}"]),
    ..ONE_PORT
};

#[rustfmt::skip]
const ALL: [Peer; 9] = [
    Peer {
        name: "peregrine",
        program: "peregrine",
        arguments: &["--host", "127.0.0.1", "--port", "{port}", "{app}:app"],
        speaks: ONE_PORT_WITHOUT_DEFLATE,
    },
    Peer {
        name: "weft",
        program: "weft",
        arguments: &["--host", "127.0.0.1", "--port", "{port}", "--log-level=warning", "{app}:app"],
        speaks: ONE_PORT_WITHOUT_DEFLATE,
    },
    Peer {
        name: "granian",
        program: "granian",
        arguments: &[
            "--interface", "asgi", "--host", "127.0.0.1", "--port", "{port}", "--workers", "1",
            "--runtime-mode", "st", "--loop", "uvloop", "--log-level=warning", "{app}:app",
        ],
        speaks: GRANIAN,
    },
    Peer {
        name: "granian-mt",
        program: "granian",
        arguments: &[
            "--interface", "asgi", "--host", "127.0.0.1", "--port", "{port}", "--workers", "1",
            "--runtime-mode", "mt", "--loop", "uvloop", "--log-level=warning", "{app}:app",
        ],
        speaks: GRANIAN,
    },
    Peer {
        name: "h2corn",
        program: "h2corn",
        arguments: &[
            "--host", "127.0.0.1", "--port", "{port}", "--workers", "1", "--loop", "asyncio", "--no-access-log",
            "{app}:app",
        ],
        speaks: ONE_PORT,
    },
    Peer {
        name: "h2corn-uvloop",
        program: "h2corn",
        arguments: &[
            "--host", "127.0.0.1", "--port", "{port}", "--workers", "1", "--loop", "uvloop", "--no-access-log",
            "{app}:app",
        ],
        speaks: ONE_PORT,
    },
    Peer {
        name: "uvicorn",
        program: "uvicorn",
        arguments: &[
            "--host", "127.0.0.1", "--port", "{port}", "--http", "httptools", "--loop", "uvloop",
            "--no-access-log", "--log-level=warning", "{app}:app",
        ],
        speaks: Speaks {
            http1: &[],
            http2: None,
            websocket: Some(&["--ws", "websockets-sansio"]),
            has_deflate: true,
            tls: Some(&["--ssl-certfile", "{certificate}", "--ssl-keyfile", "{key}"]),
        },
    },
    Peer {
        name: "hypercorn",
        program: "hypercorn",
        arguments: &["--bind", "127.0.0.1:{port}", "--workers", "1", "-k", "uvloop", "{app}:app"],
        speaks: ONE_PORT,
    },
    Peer {
        name: "gunicorn",
        program: "gunicorn",
        arguments: &["-k", "asgi", "-b", "127.0.0.1:{port}", "-w", "1", "--log-level=warning", "{app}:app"],
        speaks: Speaks {
            http1: &[],
            http2: Some(&["--http-protocols", "h2,h1", "--http2-cleartext", "prior-knowledge"]),
            websocket: Some(&[]),
            has_deflate: false,
            tls: Some(&["--certfile", "{certificate}", "--keyfile", "{key}"]),
        },
    },
];

/// The peers with these names.
pub(super) fn named(names: &[String]) -> Result<Vec<&'static Peer>> {
    static PEERS: [Peer; 9] = ALL;
    let find = |name: &String| {
        PEERS.iter().find(|peer| peer.name == name).ok_or_else(|| {
            let known: Vec<&str> = PEERS.iter().map(|peer| peer.name).collect();
            hinted(format!("there is no peer `{name}`"), format!("the peers are {}", known.join(", ")))
        })
    };
    names.iter().filter(|name| !name.is_empty()).map(find).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn peers_are_found_by_name() {
        let found = named(&["uvicorn".into(), "granian-mt".into()]).unwrap();
        assert_eq!(found.iter().map(|peer| peer.name).collect::<Vec<_>>(), ["uvicorn", "granian-mt"]);
        assert!(named(&["apache".into()]).is_err());
    }
}
