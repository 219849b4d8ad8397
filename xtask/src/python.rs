//! Finds a Python to build for, and the settings of such a build. `venv.rs` makes virtualenvs.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;
use serde::Deserialize;

use crate::error::hinted;
use crate::workspace;

/// The oldest Python that Pounce embeds.
const OLDEST: (u32, u32) = (3, 11);

/// An interpreter that Pounce can be built for.
#[derive(Clone, Debug)]
pub(crate) struct Python {
    /// The real interpreter, never a virtualenv's or a shim.
    pub(crate) executable: PathBuf,
    /// Major and minor version.
    pub(crate) version: (u32, u32),
    /// The version in full, as in `3.13.0`.
    pub(crate) full_version: String,
    /// Built without the GIL.
    pub(crate) free_threaded: bool,
    /// The program that loads it and its libraries, when that is not the one of this program: a Python with a C
    /// library of its own, as out of Nix or in an unpacked tree.
    loader: Option<PathBuf>,
}

#[derive(Deserialize)]
struct Probe {
    executable: PathBuf,
    version: (u32, u32, u32),
    free_threaded: bool,
    shared: bool,
    library: bool,
    /// `/proc/self/maps`, where there is one.
    maps: String,
}

const PROBE: &str = r#"
import json, os, sys, sysconfig
config = sysconfig.get_config_var
major, minor = sys.version_info[:2]
free_threaded = bool(config("Py_GIL_DISABLED"))
name = f"libpython{major}.{minor}{'t' if free_threaded else ''}"
multiarch = config("MULTIARCH") or ""
folders = [config("LIBDIR") or "", os.path.join(sys.base_prefix, "lib")]
folders += [os.path.join(folder, multiarch) for folder in folders]
try:
    maps = open("/proc/self/maps").read()
except OSError:
    maps = ""
print(json.dumps({
    "maps": maps,
    "executable": os.path.realpath(getattr(sys, "_base_executable", sys.executable)),
    "version": sys.version_info[:3],
    "free_threaded": free_threaded,
    "shared": bool(config("Py_ENABLE_SHARED")) or bool(config("PYTHONFRAMEWORK")),
    "library": sys.platform != "linux"
        or any(os.path.exists(os.path.join(folder, name + ".so")) for folder in folders),
}))
"#;

impl Python {
    /// Asks an interpreter for its properties; an error if Pounce cannot be built for it.
    pub(crate) fn probe(program: &Path) -> Result<Python> {
        let output = workspace::output(Command::new(program).args(["-I", "-c", PROBE])).map_err(|_| {
            hinted(
                format!("{} is not a Python that runs", program.display()),
                "name an interpreter with `--python PATH` or PYO3_PYTHON",
            )
        })?;
        let probe: Probe = serde_json::from_str(output.trim())?;
        let (major, minor, patch) = probe.version;
        let shown = format!("Python {major}.{minor}.{patch} ({})", probe.executable.display());
        if (major, minor) < OLDEST {
            return Err(hinted(
                format!("{shown} is older than 3.11"),
                "name a newer interpreter with `--python PATH` or PYO3_PYTHON",
            ));
        }
        if !probe.shared || !probe.library {
            return Err(hinted(
                format!("{shown} has no shared library to link with"),
                format!(
                    "on Debian/Ubuntu: apt-get install python{major}.{minor}-dev; \
                     with pyenv: PYTHON_CONFIGURE_OPTS=--enable-shared pyenv install --force \
                     {major}.{minor}.{patch}"
                ),
            ));
        }
        let own_maps = fs::read_to_string("/proc/self/maps").unwrap_or_default();
        Ok(Python {
            executable: probe.executable,
            version: (major, minor),
            full_version: format!("{major}.{minor}.{patch}"),
            free_threaded: probe.free_threaded,
            loader: loader(&probe.maps).filter(|found| Some(*found) != loader(&own_maps)).map(PathBuf::from),
        })
    }

    /// The Python to test with: the named one, else `PYO3_PYTHON`, else `python3`.
    pub(crate) fn for_tests(asked: Option<&Path>) -> Result<Python> {
        Python::probe(&asked_or_named(asked).unwrap_or_else(|| "python3".into()))
    }

    /// The Python to measure with: the named one, else `PYO3_PYTHON`, else a 3.13, else `python3`.
    pub(crate) fn for_bench(asked: Option<&Path>) -> Result<Python> {
        if let Some(program) = asked_or_named(asked) {
            return Python::probe(&program);
        }
        Python::find("3.13").map_or_else(|| Python::probe(Path::new("python3")), Ok)
    }

    /// The first usable interpreter of a version such as `3.12` or `3.13t`: from `POUNCE_CI_PYTHONS`, PATH,
    /// `/opt/python` or pyenv.
    pub(crate) fn find(version: &str) -> Option<Python> {
        let mut candidates: Vec<PathBuf> = Vec::new();
        if let Some(named) = env::var_os("POUNCE_CI_PYTHONS") {
            candidates.extend(env::split_paths(&named).filter(|path| !path.as_os_str().is_empty()));
        }
        candidates.push(format!("python{version}").into());
        candidates.push(format!("/opt/python/{version}/bin/python{version}").into());
        candidates.extend(pyenv(version, "python3"));
        candidates.iter().filter_map(|path| Python::probe(path).ok()).find(|found| found.name() == version)
    }

    /// `3.13` or `3.13t`.
    pub(crate) fn name(&self) -> String {
        let (major, minor) = self.version;
        format!("{major}.{minor}{}", if self.free_threaded { "t" } else { "" })
    }

    /// The target folder of builds for this Python.
    pub(crate) fn target(&self) -> PathBuf {
        workspace::target().join(format!("py{}", self.name()))
    }

    /// What the linker must be told, as arguments of rustc, for a program that runs with this Python. The path to
    /// the library is the build script's matter.
    pub(crate) fn link_arguments(&self) -> Vec<String> {
        let told = |loader: &PathBuf| format!("-Clink-arg=-Wl,--dynamic-linker={}", loader.display());
        self.loader.iter().map(told).collect()
    }

    /// A cargo that builds for this Python.
    pub(crate) fn cargo(&self) -> Command {
        let mut cargo = workspace::cargo();
        cargo.env("PYO3_PYTHON", &self.executable).env("CARGO_TARGET_DIR", self.target());
        if self.free_threaded && self.version < (3, 14) {
            // PyO3 supports free-threaded builds from 3.14t on; 3.13t builds and runs when told to.
            cargo.env("UNSAFE_PYO3_SKIP_VERSION_CHECK", "1");
        }
        cargo
    }
}

/// The loader among the files that a process has mapped, as `/proc/self/maps` lists them.
fn loader(maps: &str) -> Option<&str> {
    let files = maps.lines().filter_map(|line| line.find('/').map(|at| &line[at..]));
    files.into_iter().find(|file| file.rsplit('/').next().is_some_and(|name| name.starts_with("ld-")))
}

fn asked_or_named(asked: Option<&Path>) -> Option<PathBuf> {
    asked.map(Path::to_path_buf).or_else(|| env::var_os("PYO3_PYTHON").map(PathBuf::from))
}

/// pyenv's interpreters of this name whose folder name starts with the version, newest name first.
pub(crate) fn pyenv(version: &str, program: &str) -> Vec<PathBuf> {
    let Some(root) = env::var_os("PYENV_ROOT")
        .map(PathBuf::from)
        .or_else(|| env::var_os("HOME").map(|home| PathBuf::from(home).join(".pyenv")))
    else {
        return Vec::new();
    };
    let Ok(entries) = root.join("versions").read_dir() else { return Vec::new() };
    let number = version.trim_end_matches('t');
    let mut found: Vec<PathBuf> = entries
        .flatten()
        .filter(|entry| {
            let name = entry.file_name();
            let name = name.to_string_lossy();
            name.strip_prefix(number).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', 't', '-']))
        })
        .map(|entry| entry.path().join("bin").join(program))
        .collect();
    found.sort();
    found.reverse();
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAPS: &str = "\
00400000-0041d000 r--p 00000000 08:01 42       /opt/ld-python/bin/python3.14
7f0000000000-7f0000001000 r--p 00000000 08:01 43   /opt/my lib/libc.so.6
7f1000000000-7f1000001000 r--p 00000000 08:01 44   /opt/my lib/ld-linux-x86-64.so.2
7f2000000000-7f2000001000 rw-p 00000000 00:00 0    [stack]
";

    #[test]
    fn the_loader_is_found_among_the_files_of_a_process() {
        assert_eq!(loader(MAPS), Some("/opt/my lib/ld-linux-x86-64.so.2"));
        assert_eq!(loader(""), None);
    }

    #[test]
    fn a_program_is_linked_with_the_loader_of_its_python() {
        let mut python = Python {
            executable: "python3.14".into(),
            version: (3, 14),
            full_version: "3.14.0".into(),
            free_threaded: false,
            loader: None,
        };
        assert!(python.link_arguments().is_empty());
        python.loader = loader(MAPS).map(PathBuf::from);
        let wanted = "-Clink-arg=-Wl,--dynamic-linker=/opt/my lib/ld-linux-x86-64.so.2";
        assert_eq!(python.link_arguments(), [wanted]);
    }
}
