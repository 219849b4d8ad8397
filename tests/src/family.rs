//! The processes that belong to a server: its children, its group, and leftovers.

use crate::server::Server;
use crate::wait::eventually;
use std::fs;
use std::net::TcpListener;

/// A process in `/proc`. Excludes zombies, which have ended and wait to be reaped.
#[derive(Debug, Clone, Copy)]
struct Process {
    pid: u32,
    parent: u32,
    group: u32,
}

impl Process {
    fn read(pid: u32) -> Option<Self> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The name in brackets may contain anything, even brackets.
        let (_, fields) = stat.rsplit_once(") ")?;
        let mut fields = fields.split(' ');
        let state = fields.next()?;
        let mut number = || fields.next()?.parse().ok();
        let (parent, group) = (number()?, number()?);
        (!matches!(state, "Z" | "X")).then_some(Self { pid, parent, group })
    }

    fn all() -> impl Iterator<Item = Self> {
        let entries = fs::read_dir("/proc").expect("there is a /proc");
        entries.filter_map(|entry| Self::read(entry.ok()?.file_name().to_str()?.parse().ok()?))
    }
}

/// The processes that `parent` started and that still run.
pub fn children(parent: u32) -> Vec<u32> {
    Process::all().filter(|process| process.parent == parent).map(|process| process.pid).collect()
}

/// The processes of a group that still run.
pub fn members(group: u32) -> Vec<u32> {
    Process::all().filter(|process| process.group == group).map(|process| process.pid).collect()
}

/// Whether a process still runs.
pub fn runs(pid: u32) -> bool {
    Process::read(pid).is_some()
}

/// The number of threads of a process.
pub fn thread_count(pid: u32) -> usize {
    fs::read_dir(format!("/proc/{pid}/task")).expect("the process runs and is ours").count()
}

impl Server {
    /// The processes that the server started and that still run.
    pub fn children(&self) -> Vec<u32> {
        children(self.pid())
    }

    /// Waits until the server has exactly `count` child processes, and returns them.
    pub fn wait_children(&self, count: usize) -> Vec<u32> {
        eventually(&format!("{count} child processes"), || {
            Some(self.children()).filter(|children| children.len() == count)
        })
    }

    /// Shows that nothing is left of a server that has ended: no process of its group or of
    /// `children`, and no process that holds its port, if it served at one.
    pub fn left_nothing(&self, children: &[u32]) {
        self.left_no_process(children);
        if let Some(address) = self.served_at() {
            let bound = TcpListener::bind(address);
            assert!(bound.is_ok(), "the port is still taken: {bound:?}");
        }
    }

    fn left_no_process(&self, children: &[u32]) {
        let group = self.pid();
        let left: Vec<_> = members(group).into_iter().chain(children.iter().copied()).collect();
        let left: Vec<_> = left.into_iter().filter(|pid| runs(*pid)).collect();
        assert!(left.is_empty(), "still running: {left:?}\n{}", self.stderr());
    }
}
