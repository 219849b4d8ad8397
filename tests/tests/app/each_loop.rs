//! An application on either event loop: Pounce's, and asyncio's own.

use std::sync::OnceLock;

use pounce_tests::{Options, Server};

/// Two servers of an application, each started when it is first asked.
pub(crate) struct EachLoop {
    app: &'static str,
    pounce: OnceLock<Server>,
    asyncio: OnceLock<Server>,
}

impl EachLoop {
    pub(crate) const fn of(app: &'static str) -> Self {
        Self { app, pounce: OnceLock::new(), asyncio: OnceLock::new() }
    }

    /// The server on the default loop.
    pub(crate) fn server(&self) -> &Server {
        self.pounce.get_or_init(|| Server::start(Options::app(self.app)))
    }

    /// Both servers, by the name of their loop.
    pub(crate) fn servers(&self) -> [(&str, &Server); 2] {
        let on_asyncio = || Server::start(Options::app(self.app).with("--loop", "asyncio"));
        [("pounce", self.server()), ("asyncio", self.asyncio.get_or_init(on_asyncio))]
    }

    /// Asserts that both answer a GET with this text.
    pub(crate) fn answers(&self, target: &str, wanted: &str) {
        for (name, server) in self.servers() {
            assert_eq!(server.get(target).expect(200).text(), wanted, "{target} on the loop of {name}");
        }
    }

    /// Sends both a GET, whose answer does not matter.
    pub(crate) fn get_each(&self, target: &str) {
        for (_, server) in self.servers() {
            server.get(target);
        }
    }
}
