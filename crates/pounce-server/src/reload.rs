//! `--reload`: watching files and, for a single worker, executing the program again in place of this process.
//!
//! Only a fresh process imports everything afresh. The listeners stay open across exec, so that no connection is
//! refused. With several workers, the supervisor replaces them instead.

use std::ffi::OsStr;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use notify::{EventKind, RecursiveMode, Watcher as _};
use pounce_asgi::python::disown_opened_by;
use pounce_config::ReloadConfig;

use crate::host::Host;
use crate::listeners::Listeners;

/// Watches the configured folders. Calls `changed` with a changed file once nothing has happened in the folders for the
/// configured delay. Watching ends when the result is dropped.
///
/// # Errors
/// A folder cannot be watched.
pub(crate) fn watch(
    config: &ReloadConfig,
    default_dir: &Path,
    changed: impl Fn(String) + Send + 'static,
) -> notify::Result<FileWatch> {
    let (sender, events) = mpsc::channel();
    let mut watcher = disown_opened_by(|| notify::recommended_watcher(sender))?;
    let dirs: Vec<PathBuf> =
        if config.dirs.is_empty() { vec![default_dir.to_owned()] } else { config.dirs.clone() };
    for dir in &dirs {
        watcher.watch(dir, RecursiveMode::Recursive)?;
    }
    let (include, exclude, delay) = (config.include.clone(), config.exclude.clone(), config.delay);
    // As with uvicorn, patterns add to `*.py`; an exclusion wins over both.
    let counts = move |path: &Path| {
        let matches = |patterns: &[String]| patterns.iter().any(|pattern| glob(pattern, path));
        (matches(&include) || glob("*.py", path)) && !matches(&exclude) && !is_hidden(path, &dirs)
    };
    thread::Builder::new().name("pounce-reload".to_owned()).spawn(move || {
        while let Some(path) = wait(&events, delay, &counts) {
            changed(path.display().to_string());
        }
    })?;
    Ok(FileWatch { _watcher: watcher })
}

/// Watches files until it is dropped.
pub(crate) struct FileWatch {
    _watcher: notify::RecommendedWatcher,
}

/// Waits for a change that counts, then for a pause of `delay` without another one. `None` when watching has ended.
fn wait(
    events: &mpsc::Receiver<notify::Result<notify::Event>>,
    delay: Duration,
    counts: &dyn Fn(&Path) -> bool,
) -> Option<PathBuf> {
    let relevant = |event: notify::Result<notify::Event>| {
        let event = event.ok()?;
        if matches!(event.kind, EventKind::Access(_)) {
            return None;
        }
        event.paths.into_iter().find(|path| counts(path))
    };
    let first = loop {
        if let Some(path) = relevant(events.recv().ok()?) {
            break path;
        }
    };
    let mut changed = Instant::now();
    loop {
        match events.recv_timeout(delay.saturating_sub(changed.elapsed())) {
            // An application reads its own files all the time: that must not put off its reload.
            Ok(event) => changed = relevant(event).map_or(changed, |_| Instant::now()),
            Err(RecvTimeoutError::Timeout) => return Some(first),
            Err(RecvTimeoutError::Disconnected) => return None,
        }
    }
}

/// Executes this program again, with the same arguments, from the folder in which it was started, and with the same
/// listeners. Returns only on failure.
pub(crate) fn execute_again(host: &dyn Host, listeners: &Listeners, folder: &Path) -> std::io::Error {
    match host.restarted() {
        Ok(program) => {
            let mut command = program.command();
            listeners.hand_over(&mut command);
            command.current_dir(folder).exec()
        }
        Err(error) => error,
    }
}

/// Whether a path lies in a folder that belongs to a tool, such as `.git`, `.venv` or `__pycache__`.
fn is_hidden(path: &Path, dirs: &[PathBuf]) -> bool {
    let inside = dirs.iter().find_map(|dir| path.strip_prefix(dir).ok()).unwrap_or(path);
    inside.parent().is_some_and(|parent| {
        parent.components().any(|part| {
            let part = part.as_os_str().to_string_lossy();
            part.starts_with('.') && part.len() > 1 && part != ".." || part == "__pycache__"
        })
    })
}

/// Whether a pattern with `*` and `?` fits the file's name or, if the pattern has a slash, the end of its path.
fn glob(pattern: &str, path: &Path) -> bool {
    if pattern.contains('/') {
        return fits(&format!("*{}", pattern.trim_start_matches("./")), &path.to_string_lossy());
    }
    fits(pattern, &path.file_name().unwrap_or(OsStr::new("")).to_string_lossy())
}

fn fits(pattern: &str, text: &str) -> bool {
    match pattern.chars().next() {
        None => text.is_empty(),
        Some('*') => {
            let rest = &pattern[1..];
            (0..=text.len()).filter(|&at| text.is_char_boundary(at)).any(|at| fits(rest, &text[at..]))
        }
        Some(first) => {
            let mut text = text.chars();
            text.next().is_some_and(|found| first == '?' || first == found)
                && fits(&pattern[first.len_utf8()..], text.as_str())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_fit_names_and_the_ends_of_paths() {
        assert!(glob("*.py", Path::new("/a/b/c.py")));
        assert!(!glob("*.py", Path::new("/a/b/c.pyc")));
        assert!(glob("?.py", Path::new("c.py")));
        assert!(glob("b/*.py", Path::new("/a/b/c.py")));
        assert!(!glob("x/*.py", Path::new("/a/b/c.py")));
    }

    #[test]
    fn what_tools_keep_for_themselves_is_hidden() {
        let dirs = [PathBuf::from("/home/.config/app")];
        assert!(!is_hidden(Path::new("/home/.config/app/a.py"), &dirs));
        assert!(is_hidden(Path::new("/home/.config/app/.venv/lib/a.py"), &dirs));
        assert!(is_hidden(Path::new("/home/.config/app/__pycache__/a.py"), &dirs));
    }
}
