//! Events that applications recorded, under a token that only the test uses. The
//! applications of `tests/apps` serve them at `/notes/TOKEN`.

use crate::server::Server;
use crate::wait::{PATIENCE, eventually, within};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// A token that no other test uses.
pub fn token() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("t{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

impl Server {
    /// The notes written under `token` so far.
    pub fn notes(&self, token: &str) -> Vec<String> {
        let notes = self.get(&format!("/notes/{token}")).expect(200).json();
        let notes = notes.as_array().expect("a list of notes");
        notes.iter().map(|note| note.as_str().expect("notes are strings").to_owned()).collect()
    }

    /// Waits until a note under `token` starts with `start`, and returns it.
    pub fn wait_note(&self, token: &str, start: &str) -> String {
        let mut last = Vec::new();
        let found = within(PATIENCE, || {
            last = self.notes(token);
            last.iter().find(|note| note.starts_with(start)).cloned()
        });
        found.unwrap_or_else(|| panic!("no note starts with {start:?}: {last:?}\n{}", self.stderr()))
    }
}

/// The value of `count` once it no longer grows.
pub fn standstill(count: impl Fn() -> usize) -> usize {
    let mut last = usize::MAX;
    eventually("the application stands still", || {
        let now = count();
        let still = now == last;
        last = now;
        if !still {
            std::thread::sleep(Duration::from_millis(700));
        }
        still.then_some(now)
    })
}
