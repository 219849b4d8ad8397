//! The listeners of a server: bound, or inherited from the program that executed this one.

use std::os::fd::{AsRawFd as _, RawFd};
use std::sync::{Mutex, MutexGuard, PoisonError};

use pounce_config::ListenConfig;
use pounce_net::{BindOptions, Endpoint, Family, Listener, LocalAddr, bind};

use crate::error::ServerError;

/// How a reloading server tells its successor about listeners: `fd:family`, separated by commas.
const INHERITED: &str = "_POUNCE_LISTENERS";

/// The server's own listeners, open for as long as it serves.
pub(crate) struct Listeners {
    listeners: Mutex<Vec<Listener>>,
    /// Whether another program bound them, and left their files to us.
    inherited: bool,
}

impl Listeners {
    /// Opens what the configuration names.
    ///
    /// # Errors
    /// An address is malformed or cannot be bound.
    pub(crate) fn open(config: &ListenConfig) -> Result<Self, ServerError> {
        if let Some(listeners) = inherited() {
            return Ok(Self { listeners: Mutex::new(listeners), inherited: true });
        }
        let options = BindOptions {
            backlog: config.backlog,
            unix_mode: config.uds_permissions,
            ..BindOptions::default()
        };
        let mut listeners = Vec::new();
        for name in &config.binds {
            let endpoint: Endpoint =
                name.parse().map_err(|error| ServerError::Endpoint { bind: name.clone(), error })?;
            listeners.extend(bind(&endpoint, &options)?);
        }
        Ok(Self { listeners: Mutex::new(listeners), inherited: false })
    }

    pub(crate) fn addresses(&self) -> Vec<LocalAddr> {
        self.lock().iter().map(|listener| listener.local_addr().clone()).collect()
    }

    /// Duplicates, for a worker to serve and close.
    ///
    /// # Errors
    /// The process is out of descriptors.
    pub(crate) fn duplicate(&self) -> std::io::Result<Vec<Listener>> {
        self.lock().iter().map(Listener::try_clone).collect()
    }

    /// The variable by which a program that is executed in our place finds the listeners.
    ///
    /// # Errors
    /// A descriptor cannot be made to survive that.
    pub(crate) fn hand_over(&self) -> std::io::Result<(&'static str, String)> {
        let mut value = Vec::new();
        for listener in self.lock().iter() {
            listener.set_inheritable(true)?;
            value.push(format!("{}:{}", listener.as_raw_fd(), listener.family()));
        }
        Ok((INHERITED, value.join(",")))
    }

    /// Closes the listeners and removes the files of Unix sockets. Again is no fault.
    pub(crate) fn close(&self) {
        for listener in self.lock().drain(..) {
            let removed = match listener.local_addr() {
                LocalAddr::Unix(path) if self.inherited => std::fs::remove_file(path).map(|()| true),
                _ => listener.unlink(),
            };
            if let Err(error) = removed {
                tracing::warn!(target: "pounce", "cannot remove the socket {}: {error}", listener.local_addr());
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Listener>> {
        self.listeners.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn inherited() -> Option<Vec<Listener>> {
    let value = std::env::var(INHERITED).ok()?;
    value
        .split(',')
        .map(|entry| {
            let (fd, family) = entry.split_once(':')?;
            let (fd, family): (RawFd, Family) = (fd.parse().ok()?, family.parse().ok()?);
            Listener::from_raw_fd(fd, Some(family)).ok()
        })
        .collect()
}
