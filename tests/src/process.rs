//! Memory and file descriptors of a process, read from `/proc`.

use std::fs;

/// Resident memory in KiB.
pub fn rss_kib(pid: u32) -> u64 {
    memory_kib(pid, "VmRSS:")
}

/// The most resident memory in KiB since the last [`forget_peak`].
pub fn peak_kib(pid: u32) -> u64 {
    memory_kib(pid, "VmHWM:")
}

/// Resets the peak of resident memory.
pub fn forget_peak(pid: u32) {
    fs::write(format!("/proc/{pid}/clear_refs"), "5").expect("the process runs and is ours");
}

fn memory_kib(pid: u32, name: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("the process runs");
    let line = status.lines().find(|line| line.starts_with(name)).expect("a live process has memory");
    line.split_whitespace().nth(1).and_then(|field| field.parse().ok()).expect("memory is a number of kB")
}

/// The number of open file descriptors.
pub fn fd_count(pid: u32) -> usize {
    fs::read_dir(format!("/proc/{pid}/fd")).expect("the process runs and is ours").count()
}

/// The largest receive buffer, in bytes, that the kernel gives a TCP socket by itself.
pub fn largest_receive_buffer() -> usize {
    let limits = fs::read_to_string("/proc/sys/net/ipv4/tcp_rmem").unwrap_or_default();
    limits.split_whitespace().nth(2).and_then(|field| field.parse().ok()).unwrap_or(6 << 20)
}

/// The largest send buffer, in bytes, that the kernel gives a TCP socket by itself.
pub fn largest_send_buffer() -> usize {
    let limits = fs::read_to_string("/proc/sys/net/ipv4/tcp_wmem").unwrap_or_default();
    limits.split_whitespace().nth(2).and_then(|field| field.parse().ok()).unwrap_or(4 << 20)
}

/// How many times the threads of a process and its children have been scheduled so far.
pub fn wake_ups(pid: u32) -> u64 {
    let mut sum = 0;
    for process in std::iter::once(pid).chain(crate::family::children(pid)) {
        let threads = std::fs::read_dir(format!("/proc/{process}/task")).expect("it runs");
        for thread in threads.flatten() {
            // Time on a core, time waiting for one, and the number of time slices.
            let stat = std::fs::read_to_string(thread.path().join("schedstat")).unwrap_or_default();
            sum += stat.split_whitespace().nth(2).and_then(|count| count.parse::<u64>().ok()).unwrap_or(0);
        }
    }
    sum
}

/// What every thread of a process does: its name, its state, the kernel function that it waits in, and its stack if there is a
/// debugger. Empty if the process has ended.
pub fn threads(pid: u32) -> String {
    let mut text = String::new();
    for thread in fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten() {
        let read = |name: &str| fs::read_to_string(thread.path().join(name)).unwrap_or_default();
        let state =
            read("stat").rsplit(')').next().and_then(|rest| rest.trim().chars().next()).unwrap_or('?');
        text += &format!("thread {}: {state} in {}\n", read("comm").trim(), read("wchan"));
    }
    if !text.is_empty() {
        let arguments = ["20", "gdb", "-p", &pid.to_string(), "-batch", "-ex", "thread apply all bt 12"];
        let stacks = std::process::Command::new("timeout").args(arguments).output();
        text +=
            &stacks.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
    }
    text
}
