//! An application in a separate folder, to be edited while it runs.

use crate::client::Client;
use crate::options::{Options, apps};
use crate::server::Server;
use crate::wait::{PATIENCE, within};
use std::fs;
use std::path::Path;
use tempfile::TempDir;

const EDITED: &str = "
import workers
from kit import respond, router
from part import TEXT


async def text(scope, receive, send):
    await respond(send, TEXT)


app = router({**workers.routes, 'text': text})
";

/// The folder. The application has the paths of `tests/apps/workers.py`, and `/text`, which answers with
/// `TEXT` out of `part.py`: `first` to begin with.
#[derive(Debug)]
pub struct Project {
    directory: TempDir,
}

impl Default for Project {
    fn default() -> Self {
        let project = Self { directory: tempfile::tempdir().expect("a temporary directory") };
        for name in ["kit.py", "workers.py"] {
            fs::copy(apps().join(name), project.path().join(name)).expect("the applications are there");
        }
        project.edit("edited.py", EDITED);
        project.set_text("first");
        project
    }
}

impl Project {
    /// The folder.
    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    /// Serves it, with the folder as working directory.
    pub fn options(&self) -> Options {
        Options::app("edited:app").app_dir(self.path()).directory(self.path())
    }

    /// Replaces a file as editors do: writes a new file and renames it over the old one.
    pub fn edit(&self, name: &str, content: &str) {
        let draft = self.path().join(format!("{name}~"));
        fs::write(&draft, content).expect("the directory is writable");
        fs::rename(draft, self.path().join(name)).expect("the directory is writable");
    }

    /// Sets the answer of `/text`.
    pub fn set_text(&self, text: &str) {
        self.edit("part.py", &format!("TEXT = {text:?}\n"));
    }

    /// Breaks the import of the application with an undefined name that the traceback shows.
    pub fn break_it(&self, why: &str) {
        self.edit("part.py", &format!("raise RuntimeError({why:?})\n"));
    }
}

impl Server {
    /// Waits until `/text` of an edited application answers `text`.
    pub fn wait_text(&self, text: &str) {
        let mut last = None;
        let found = within(PATIENCE, || {
            let mut client = Client::tcp(self.address());
            client.send("GET /text HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n");
            // A connection may be closed without an answer while workers change.
            last = client.has_more().then(|| client.response().text());
            (last.as_deref() == Some(text)).then_some(())
        });
        assert!(found.is_some(), "{text:?} is not served, but {last:?}\n{}", self.stderr());
    }

    /// Shows that all of many connections are answered with `text`.
    pub fn serves_only(&self, text: &str) {
        for _ in 0..20 {
            assert_eq!(self.get("/text").expect(200).text(), text, "{}", self.stderr());
        }
    }
}
