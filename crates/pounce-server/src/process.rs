//! What the server changes in its own process: the working directory, the mask of new files, the name, the user.

use std::io;
use std::os::unix::fs::lchown;
use std::path::Path;

use nix::sys::prctl;
use nix::sys::stat::{Mode, umask};
use nix::unistd::{self, Gid, Group, Uid, User};
use pounce_config::ProcessConfig;

use crate::error::ServerError;

/// Sets the working directory, the mask of new files and the name.
///
/// # Errors
/// The working directory cannot be entered.
pub(crate) fn prepare(config: &ProcessConfig) -> Result<(), ServerError> {
    if let Some(path) = &config.chdir {
        std::env::set_current_dir(path)
            .map_err(|error| ServerError::Directory { path: path.clone(), error })?;
    }
    if let Some(bits) = config.umask {
        umask(Mode::from_bits_truncate(bits));
    }
    if let Some(name) = &config.name {
        set_name(name);
    }
    Ok(())
}

/// Sets the name that ps and top show for this thread and, on the main thread, for the process.
pub(crate) fn set_name(name: &str) {
    // It fails for a name with a NUL alone, which the configuration refuses.
    let _ = std::ffi::CString::new(name).map(|name| prctl::set_name(&name));
}

/// The user and group that the server becomes.
#[derive(Debug)]
pub(crate) struct Identity {
    user: Option<User>,
    uid: Uid,
    gid: Gid,
}

impl Identity {
    /// That of the configuration; `None` if it names neither a user nor a group.
    ///
    /// # Errors
    /// There is no such user or group.
    pub(crate) fn of(config: &ProcessConfig) -> Result<Option<Self>, ServerError> {
        if config.user.is_none() && config.group.is_none() {
            return Ok(None);
        }
        let (user, uid) = match &config.user {
            None => (None, unistd::geteuid()),
            Some(name) => {
                let number = name.parse().ok().map(Uid::from_raw);
                let known = match number {
                    Some(number) => User::from_uid(number),
                    None => User::from_name(name),
                };
                let known = known.ok().flatten();
                let uid = known.as_ref().map(|user| user.uid).or(number);
                (known, uid.ok_or_else(|| ServerError::NoIdentity { kind: "user", name: name.clone() })?)
            }
        };
        let gid = match &config.group {
            None => match (&user, &config.user) {
                (Some(user), _) => user.gid,
                (None, Some(name)) => {
                    return Err(ServerError::NoIdentity { kind: "group for the user", name: name.clone() });
                }
                (None, None) => unistd::getegid(),
            },
            Some(name) => {
                let number = name.parse().ok().map(Gid::from_raw);
                let known = Group::from_name(name).ok().flatten().map(|group| group.gid);
                let unknown = || ServerError::NoIdentity { kind: "group", name: name.clone() };
                number.or(known).ok_or_else(unknown)?
            }
        };
        Ok(Some(Self { user, uid, gid }))
    }

    /// Makes a file the user's, so that the server can open or remove it later. Leaves others, such as /dev/stdout. Does not
    /// follow a link, which the user may have made.
    pub(crate) fn own(&self, path: &Path) {
        if unistd::geteuid().is_root() && !path.starts_with("/dev") {
            let owned = lchown(path, Some(self.uid.as_raw()), Some(self.gid.as_raw()));
            if let Err(error) = owned {
                tracing::warn!(target: "pounce", "cannot change the owner of {}: {error}", path.display());
            }
        }
    }

    /// Becomes the user and the group, for good.
    ///
    /// # Errors
    /// The process may not.
    pub(crate) fn assume(&self) -> Result<(), ServerError> {
        if unistd::geteuid() == self.uid && unistd::getegid() == self.gid {
            return Ok(());
        }
        let groups = || match &self.user {
            Some(user) => {
                let name = std::ffi::CString::new(user.name.as_str()).map_err(|_| nix::Error::EINVAL)?;
                unistd::initgroups(&name, self.gid)
            }
            None => unistd::setgroups(&[self.gid]),
        };
        let changed =
            groups().and_then(|()| unistd::setgid(self.gid)).and_then(|()| unistd::setuid(self.uid));
        changed.map_err(|error| {
            let name = self.user.as_ref().map_or_else(|| self.uid.to_string(), |user| user.name.clone());
            ServerError::Identity { name, error: io::Error::from(error) }
        })
    }
}
