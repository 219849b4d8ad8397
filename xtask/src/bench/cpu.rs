//! CPU time and memory of a process and all its descendants, from `/proc`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// Nanoseconds in one tick of `/proc/<pid>/stat`: 1/100 s on every platform of Linux.
const TICK: u64 = 10_000_000;

/// The CPU time of a process tree at one moment.
#[derive(Clone, Debug, Default)]
pub(super) struct Usage {
    /// By process: user and system time in ticks, including ended threads.
    ticks: BTreeMap<u32, (u64, u64)>,
    /// By process and thread: nanoseconds on a core, without ended threads.
    threads: BTreeMap<(u32, u32), u64>,
}

/// CPU time between two moments, in nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Spent {
    pub(super) user: f64,
    pub(super) system: f64,
}

impl Usage {
    /// The usage of a process and its descendants now.
    pub(super) fn of(root: u32) -> Usage {
        let mut usage = Usage::default();
        for pid in tree(root) {
            let folder = format!("/proc/{pid}");
            if let Some(stat) = Stat::read(&folder) {
                usage.ticks.insert(pid, (stat.user, stat.system));
            }
            for tid in numbered(Path::new(&format!("{folder}/task"))) {
                let schedstat =
                    fs::read_to_string(format!("{folder}/task/{tid}/schedstat")).unwrap_or_default();
                if let Some(time) = schedstat.split(' ').next().and_then(|time| time.parse().ok()) {
                    usage.threads.insert((pid, tid), time);
                }
            }
        }
        usage
    }

    /// The time spent since an earlier moment. The sum is the scheduler's, in nanoseconds, unless threads have ended
    /// since; its division into user and system time is known only in ticks.
    pub(super) fn since(&self, earlier: &Usage) -> Spent {
        let (mut user, mut system) = (0, 0);
        for (pid, (now_user, now_system)) in &self.ticks {
            let (was_user, was_system) = earlier.ticks.get(pid).copied().unwrap_or_default();
            user += now_user.saturating_sub(was_user) * TICK;
            system += now_system.saturating_sub(was_system) * TICK;
        }
        let by_ticks = (user + system) as f64;
        let by_threads: u64 = self
            .threads
            .iter()
            .map(|(thread, now)| now.saturating_sub(earlier.threads.get(thread).copied().unwrap_or(0)))
            .sum();
        let slack = 0.02 * by_ticks + (2 * TICK) as f64 * self.ticks.len() as f64;
        let agrees = (by_threads as f64 - by_ticks).abs() <= slack;
        let has_all = earlier.threads.keys().all(|thread| self.threads.contains_key(thread));
        let total = if agrees && has_all { by_threads as f64 } else { by_ticks };
        let user_share = if by_ticks > 0.0 { user as f64 / by_ticks } else { 0.0 };
        Spent { user: total * user_share, system: total * (1.0 - user_share) }
    }

    /// The time spent by the `count` busiest threads since an earlier moment, in nanoseconds, the busiest first.
    pub(super) fn busiest_since(&self, earlier: &Usage, count: usize) -> Vec<u64> {
        let was = |thread| earlier.threads.get(thread).copied().unwrap_or(0);
        let mut spent: Vec<u64> =
            self.threads.iter().map(|(thread, now)| now.saturating_sub(was(thread))).collect();
        spent.sort_unstable_by(|one, other| other.cmp(one));
        spent.truncate(count);
        spent
    }
}

impl Spent {
    /// User and system time.
    pub(super) fn total(&self) -> f64 {
        self.user + self.system
    }
}

/// Runs `work`; returns the CPU time that a process tree spends meanwhile, and the result.
pub(super) fn during<T>(root: u32, work: impl FnOnce() -> T) -> (Spent, T) {
    let before = Usage::of(root);
    let done = work();
    (Usage::of(root).since(&before), done)
}

/// The idle time of all cores since boot, in nanoseconds.
pub(super) fn idle() -> u64 {
    let text = fs::read_to_string("/proc/stat").unwrap_or_default();
    let fields = text.lines().next().unwrap_or_default().split_whitespace();
    // user, nice, system, idle, iowait
    let ticks: u64 = fields.skip(4).take(2).filter_map(|field| field.parse::<u64>().ok()).sum();
    ticks * TICK
}

/// The proportional set size of a process and its descendants, in bytes.
pub(super) fn proportional_set_size(root: u32) -> u64 {
    let of = |pid| {
        let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
        let line = rollup.lines().find_map(|line| line.strip_prefix("Pss:"))?;
        line.split_whitespace().next()?.parse::<u64>().ok()
    };
    tree(root).into_iter().filter_map(of).sum::<u64>() * 1024
}

/// A process and all its descendants, the process first.
pub(super) fn tree(root: u32) -> Vec<u32> {
    let mut children: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
    for pid in numbered(Path::new("/proc")) {
        if let Some(stat) = Stat::read(&format!("/proc/{pid}")) {
            children.entry(stat.parent).or_default().push(pid);
        }
    }
    let mut found = vec![root];
    let mut at = 0;
    while let Some(pid) = found.get(at) {
        found.extend(children.remove(pid).unwrap_or_default());
        at += 1;
    }
    found
}

/// The entries of a folder of `/proc` whose names are numbers.
pub(super) fn numbered(folder: &Path) -> BTreeSet<u32> {
    let entries = folder.read_dir().into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
}

/// The needed fields of `/proc/<pid>/stat`.
#[derive(Debug, PartialEq, Eq)]
struct Stat {
    parent: u32,
    /// Ticks in user mode.
    user: u64,
    /// Ticks in the kernel.
    system: u64,
}

impl Stat {
    fn read(folder: &str) -> Option<Stat> {
        Stat::parse(&fs::read_to_string(format!("{folder}/stat")).ok()?)
    }

    /// The program's name, in parentheses, may itself hold blanks and parentheses.
    fn parse(text: &str) -> Option<Stat> {
        let fields: Vec<&str> = text[text.rfind(')')? + 1..].split_whitespace().collect();
        let field = |number: usize| fields.get(number - 3)?.parse().ok();
        Some(Stat { parent: u32::try_from(field(4)?).ok()?, user: field(14)?, system: field(15)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_parentheses_does_not_shift_the_fields() {
        let text = "42 (a (b) c) S 7 42 42 0 -1 4194304 100 0 0 0 123 45 0 0 20 0 1 0 100 0 0";
        assert_eq!(Stat::parse(text), Some(Stat { parent: 7, user: 123, system: 45 }));
    }

    fn usage(ticks: (u64, u64), threads: &[(u32, u64)]) -> Usage {
        Usage {
            ticks: BTreeMap::from([(1, ticks)]),
            threads: threads.iter().map(|(tid, time)| ((1, *tid), *time)).collect(),
        }
    }

    #[test]
    fn the_schedulers_time_is_divided_as_the_ticks_are() {
        let before = usage((100, 100), &[(1, 2_000_000_000)]);
        let after = usage((130, 170), &[(1, 3_004_000_000)]);
        let spent = after.since(&before);
        assert!((spent.user - 0.3 * 1_004_000_000.0).abs() < 1.0);
        assert!((spent.system - 0.7 * 1_004_000_000.0).abs() < 1.0);
    }

    #[test]
    fn ticks_count_when_a_thread_ended() {
        let before = usage((100, 100), &[(1, 1_000_000_000), (2, 1_000_000_000)]);
        let after = usage((200, 200), &[(1, 1_500_000_000)]);
        assert_eq!(after.since(&before), Spent { user: 1e9, system: 1e9 });
    }

    #[test]
    fn this_process_is_its_own_tree() {
        let tree = tree(std::process::id());
        assert_eq!(tree[0], std::process::id());
        assert!(proportional_set_size(tree[0]) > 0);
    }
}
