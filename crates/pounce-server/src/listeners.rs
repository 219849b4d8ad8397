//! The listeners of a server: bound, or inherited from the program that executed this one.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::{AsFd as _, AsRawFd as _, RawFd};
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use pounce_asgi::python::disown;
use pounce_config::{AddressFamily, ListenConfig, ListenerHandle};
use pounce_net::{BindOptions, Endpoint, Family, Listener, LocalAddr, bind, bind_set};
use pounce_supervisor::SlotListeners;

use crate::error::ServerError;

/// The variable by which a reloading server passes listeners to its successor: the process id they are for, and
/// `fd:family` of each, separated by commas. Programs that the application starts see the variable too, but own none of
/// the descriptors.
const INHERITED: &str = "_POUNCE_LISTENERS";

/// The server's listeners, open for as long as it serves.
pub(crate) struct Listeners {
    open: Mutex<Open>,
    options: BindOptions,
    /// Endpoints at which each slot has its own socket.
    own: Vec<Endpoint>,
    /// Whether a predecessor bound them and left the files of Unix sockets for this process to remove.
    inherited: bool,
}

#[derive(Default)]
struct Open {
    /// Listeners that every worker accepts from.
    shared: Vec<Listener>,
    /// Listeners that only the workers of one slot accept from.
    slots: BTreeMap<u32, Vec<Listener>>,
}

impl Listeners {
    /// Binds the configured endpoints; with `reuse_port`, TCP addresses once for each slot (SO_REUSEPORT).
    ///
    /// # Errors
    /// An address is malformed or cannot be bound.
    pub(crate) fn open(config: &ListenConfig, reuse_port: bool, slots: usize) -> Result<Self, ServerError> {
        let options = BindOptions {
            // A worker listens once its application is loaded.
            backlog: None,
            unix_mode: config.uds_permissions,
            // Other servers may then share the address as well.
            reuse_port,
            ..BindOptions::default()
        };
        let mut listeners = Self { open: Mutex::default(), options, own: Vec::new(), inherited: false };
        if let Some(shared) = inherited() {
            listeners.inherited = true;
            shared.iter().for_each(|listener| disown(listener.as_fd()));
            listeners.lock().shared = shared;
            return Ok(listeners);
        }
        let mut open = Open::default();
        for name in &config.binds {
            let endpoint: Endpoint =
                name.parse().map_err(|error| ServerError::Endpoint { bind: name.clone(), error })?;
            if !reuse_port || slots == 0 || !matches!(endpoint, Endpoint::Tcp { .. }) {
                open.shared.extend(bind(&endpoint, &options)?);
                continue;
            }
            for (slot, bound) in (0..).zip(bind_set(&endpoint, &options, slots)?) {
                if slot == 0 {
                    listeners
                        .own
                        .extend(bound.iter().filter_map(|listener| endpoint_of(listener.local_addr())));
                }
                open.slots.entry(slot).or_default().extend(bound);
            }
        }
        open.shared.iter().chain(open.slots.values().flatten()).for_each(|listener| disown(listener.as_fd()));
        listeners.open = Mutex::new(open);
        Ok(listeners)
    }

    pub(crate) fn addresses(&self) -> Vec<LocalAddr> {
        let open = self.lock();
        let slot = open.slots.values().next();
        let listeners = open.shared.iter().chain(slot.into_iter().flatten());
        listeners.map(|listener| listener.local_addr().clone()).collect()
    }

    /// The files of the Unix sockets that this server has made.
    pub(crate) fn unix_paths(&self) -> Vec<PathBuf> {
        let open = self.lock();
        let listeners = open.shared.iter().chain(open.slots.values().flatten());
        let path = |listener: &Listener| match listener.local_addr() {
            LocalAddr::Unix(path) if listener.owns_file() => Some(path.clone()),
            _ => None,
        };
        listeners.filter_map(path).collect()
    }

    /// Duplicates, for a worker to serve and close.
    ///
    /// # Errors
    /// The process is out of descriptors.
    pub(crate) fn duplicate(&self) -> io::Result<Vec<Listener>> {
        self.lock().shared.iter().map(Listener::try_clone).collect()
    }

    /// Hands the listeners to the program that will be executed in place of this process.
    pub(crate) fn hand_over(&self, program: &mut Command) {
        let open = self.lock();
        let listeners: Vec<_> = open.shared.iter().chain(open.slots.values().flatten()).collect();
        let named = listeners.iter().map(|one| format!("{}:{}", one.as_raw_fd(), one.family()));
        let value: Vec<String> = [std::process::id().to_string()].into_iter().chain(named).collect();
        program.env(INHERITED, value.join(","));
        let descriptors: Vec<_> = listeners.iter().map(|one| one.as_fd()).collect();
        pounce_net::inherit(program, &descriptors);
    }

    /// Closes the listeners and removes the files of Unix sockets. May be called again.
    pub(crate) fn close(&self) {
        let open = std::mem::take(&mut *self.lock());
        for listener in open.shared.into_iter().chain(open.slots.into_values().flatten()) {
            let removed = match listener.local_addr() {
                LocalAddr::Unix(path) if self.inherited => std::fs::remove_file(path).map(|()| true),
                _ => listener.unlink(),
            };
            if let Err(error) = removed {
                tracing::warn!(target: "pounce", "cannot remove the socket {}: {error}", listener.local_addr());
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl SlotListeners for Listeners {
    fn open_slot(&self, slot: u32) -> io::Result<Vec<Listener>> {
        let mut open = self.lock();
        if !self.own.is_empty() && !open.slots.contains_key(&slot) {
            let mut bound = Vec::new();
            for endpoint in &self.own {
                bound.extend(bind(endpoint, &self.options).map_err(io::Error::other)?);
            }
            bound.iter().for_each(|listener| disown(listener.as_fd()));
            open.slots.insert(slot, bound);
        }
        let own = open.slots.get(&slot).into_iter().flatten();
        open.shared.iter().chain(own).map(Listener::try_clone).collect()
    }

    fn close_slot(&self, slot: u32) {
        self.lock().slots.remove(&slot);
    }
}

fn endpoint_of(address: &LocalAddr) -> Option<Endpoint> {
    match address {
        LocalAddr::Tcp(address) => {
            Some(Endpoint::Tcp { host: address.ip().to_string(), port: address.port() })
        }
        LocalAddr::Unix(_) => None,
    }
}

/// Binds one address of the server beside those of the application. A Unix socket gets these permissions.
///
/// # Errors
/// It is malformed or cannot be bound.
pub(crate) fn open(text: &str, unix_mode: Option<u32>) -> Result<Vec<Listener>, ServerError> {
    let endpoint: Endpoint =
        text.parse().map_err(|error| ServerError::Endpoint { bind: text.to_owned(), error })?;
    let bound = bind(&endpoint, &BindOptions { backlog: None, unix_mode, ..BindOptions::default() })?;
    bound.iter().for_each(|listener| disown(listener.as_fd()));
    Ok(bound)
}

/// The handles of listeners for a plan; the caller keeps the descriptors.
pub(crate) fn handles(listeners: &[Listener]) -> Vec<ListenerHandle> {
    let family = |family| match family {
        Family::Inet => AddressFamily::Inet,
        Family::Inet6 => AddressFamily::Inet6,
        Family::Unix => AddressFamily::Unix,
    };
    listeners.iter().map(|one| ListenerHandle { fd: one.as_raw_fd(), family: family(one.family()) }).collect()
}

/// Takes over the listeners that a plan names.
///
/// # Errors
/// A descriptor is not what the plan says.
pub(crate) fn reconstruct(handles: &[ListenerHandle]) -> io::Result<Vec<Listener>> {
    let family = |family| match family {
        AddressFamily::Inet => Family::Inet,
        AddressFamily::Inet6 => Family::Inet6,
        AddressFamily::Unix => Family::Unix,
    };
    let made = handles.iter().map(|handle| Listener::bound_from_raw_fd(handle.fd, family(handle.family)));
    let made: Vec<_> = made.collect::<Result<_, _>>().map_err(io::Error::other)?;
    made.iter().for_each(|listener| disown(listener.as_fd()));
    Ok(made)
}

/// The listeners that a predecessor has handed over. Once: the numbers are others' by then.
fn inherited() -> Option<Vec<Listener>> {
    static TAKEN: AtomicBool = AtomicBool::new(false);
    if TAKEN.swap(true, Ordering::AcqRel) {
        return None;
    }
    let value = std::env::var(INHERITED).ok()?;
    let mut entries = value.split(',');
    // A successor executed in place has the same process id.
    if entries.next()?.parse() != Ok(std::process::id()) {
        return None;
    }
    entries
        .map(|entry| {
            let (fd, family) = entry.split_once(':')?;
            let (fd, family): (RawFd, Family) = (fd.parse().ok()?, family.parse().ok()?);
            Listener::bound_from_raw_fd(fd, family).ok()
        })
        .collect()
}
