//! What systemd says to a service, and hears from it: sd_notify(3), sd_watchdog_enabled(3), sd_listen_fds(3).

use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::str::FromStr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// The first descriptor that systemd hands over.
const FIRST_FD: u32 = 3;

/// Notifies systemd. It is no error if systemd does not listen.
pub(crate) fn notify(state: &str) {
    let Some(name) = std::env::var_os("NOTIFY_SOCKET") else { return };
    let name = name.to_string_lossy().into_owned();
    let address = match name.strip_prefix('@') {
        Some(name) => SocketAddr::from_abstract_name(name),
        None => SocketAddr::from_pathname(&name),
    };
    let sent = address.and_then(|address| UnixDatagram::unbound()?.send_to_addr(state.as_bytes(), &address));
    if let Err(error) = sent {
        tracing::warn!(target: "pounce", "cannot notify {name}: {error}");
    }
}

/// Tells systemd twice within its watchdog's time that the loop turns, for as long as it does. Returns at once if there is no
/// watchdog for this process.
pub(crate) async fn feed_watchdog() {
    let Some(micros) = number::<u64>("WATCHDOG_USEC").filter(|micros| *micros > 0) else { return };
    if number::<u32>("WATCHDOG_PID").is_some_and(|process| process != std::process::id()) {
        return;
    }
    loop {
        notify("WATCHDOG=1");
        tokio::time::sleep(Duration::from_micros(micros / 2)).await;
    }
}

/// The listening sockets that systemd hands over to this process, as `fd://N`.
pub(crate) fn listeners() -> Vec<String> {
    static TAKEN: AtomicBool = AtomicBool::new(false);
    if TAKEN.swap(true, Ordering::AcqRel) {
        // A second server of the process: they are the first one's.
        return Vec::new();
    }
    if number("LISTEN_PID") != Some(std::process::id()) {
        return Vec::new();
    }
    let count = number::<u32>("LISTEN_FDS").unwrap_or(0);
    (FIRST_FD..FIRST_FD.saturating_add(count)).map(|fd| format!("fd://{fd}")).collect()
}

/// The number in a variable.
fn number<T: FromStr>(name: &str) -> Option<T> {
    std::env::var(name).ok()?.parse().ok()
}
