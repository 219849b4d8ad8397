//! TOML files as a layer: finding the file, and reading its keys.
//!
//! Nothing else in this crate reads the file system.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use toml::{Table, Value};

use super::{Compat, ForeignFile, ForeignSettings, Layers, Origin};
use crate::fault::{ConfigErrors, ConfigFault, Problem};
use crate::options::{Kind, OPTIONS, OptionSpec, find_foreign, find_option};

const OWN_FILE: &str = "pounce.toml";
const PROJECT_FILE: &str = "pyproject.toml";
const GUNICORN_FILE: &str = "gunicorn.conf.py";

/// A file's path and text, not yet parsed.
#[derive(Clone, PartialEq, Eq)]
pub struct ConfigFile {
    /// The file as messages name it.
    pub path: PathBuf,
    /// Its content. The options are top-level keys; in a `pyproject.toml` they are under `[tool.pounce]`.
    pub text: String,
}

/// A file with options.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FoundFile {
    /// Pounce's own.
    Own(ConfigFile),
    /// Another server's.
    Foreign(ForeignFile),
}

/// Finds the file that holds the options: `explicit`, else that of the server `compat`, else `pounce.toml` in `dir`, else
/// `pyproject.toml` in `dir`. `None` if none exists. Pounce's own is read.
///
/// # Errors
///
/// The file cannot be read, the `explicit` one does not exist, or it is a Python program of an unknown server.
pub fn discover(
    dir: &Path,
    explicit: Option<&Path>,
    compat: Option<Compat>,
) -> Result<Option<FoundFile>, ConfigErrors> {
    if let Some(path) = explicit {
        if let Some(foreign) = ForeignFile::named(path, compat)? {
            return Ok(Some(FoundFile::Foreign(foreign)));
        }
        return match std::fs::read_to_string(dir.join(path)) {
            Ok(text) => Ok(Some(FoundFile::Own(ConfigFile { path: path.to_owned(), text }))),
            Err(error) => Err(unreadable(path, &error)),
        };
    }
    if compat == Some(Compat::Gunicorn) && dir.join(GUNICORN_FILE).exists() {
        let file = ForeignFile { owner: Compat::Gunicorn, path: GUNICORN_FILE.into(), is_python: true };
        return Ok(Some(FoundFile::Foreign(file)));
    }
    for name in [OWN_FILE, PROJECT_FILE] {
        match std::fs::read_to_string(dir.join(name)) {
            Ok(text) => return Ok(Some(FoundFile::Own(ConfigFile { path: name.into(), text }))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(unreadable(Path::new(name), &error)),
        }
    }
    Ok(None)
}

impl ForeignFile {
    /// The file that a `--config` names, if it is another server's.
    ///
    /// # Errors
    /// It is a Python program, and nothing says for which server.
    fn named(path: &Path, compat: Option<Compat>) -> Result<Option<Self>, ConfigErrors> {
        let text = path.to_string_lossy();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let is_python = name.ends_with(".py") || text.starts_with("python:") || text.starts_with("file:");
        let by_name = [Compat::Gunicorn, Compat::Hypercorn].into_iter().find(|one| name.contains(one.name()));
        let reads_files = compat.filter(|compat| compat.prefix().is_none());
        match reads_files.or(by_name) {
            Some(Compat::Gunicorn) if !is_python && reads_files.is_none() => Ok(None),
            Some(owner) => {
                let is_python = is_python || owner == Compat::Gunicorn;
                Ok(Some(Self { owner, path: path.to_owned(), is_python }))
            }
            None if is_python => {
                let origin = Origin::file(path);
                Err(ConfigFault::new("config", origin, Problem::ForeignFile).into())
            }
            None => Ok(None),
        }
    }

    /// Reads the settings of a TOML file.
    ///
    /// # Errors
    ///
    /// The file cannot be read, or is not TOML.
    pub fn read_toml(&self, dir: &Path) -> Result<ForeignSettings, ConfigErrors> {
        let text =
            std::fs::read_to_string(dir.join(&self.path)).map_err(|error| unreadable(&self.path, &error))?;
        let table: Table = text.parse().map_err(|error| {
            let whole = Origin::file(&self.path);
            ConfigFault::new("config", whole, Problem::Malformed { reason: reason(&error, &text) })
        })?;
        Ok(table.iter().map(|(key, value)| (key.clone(), items(value))).collect())
    }
}

impl Layers {
    /// Adds the options of a TOML file: keys in kebab or snake case, aliases too.
    ///
    /// An unknown key, a key given under two names and a value of another shape are faults; an option of
    /// another server leaves a note or a fault.
    #[must_use]
    pub fn file(mut self, file: &ConfigFile) -> Self {
        let whole = Origin::file(&file.path);
        let in_project = file.path.file_name().is_some_and(|name| name == PROJECT_FILE);
        match file.text.parse::<Table>() {
            Ok(table) if !in_project => self.keys(&file.path, "", table),
            Ok(mut table) => match own_table(&mut table) {
                Some(Value::Table(own)) => self.keys(&file.path, "tool.pounce.", own),
                Some(other) => {
                    let origin = Origin::File { path: file.path.clone(), key: "tool.pounce".into() };
                    self.faults.push(ConfigFault::invalid(
                        "tool.pounce",
                        other.to_string(),
                        origin,
                        "a table",
                    ));
                }
                None => {}
            },
            Err(error) => {
                let reason = reason(&error, &file.text);
                self.faults.push(ConfigFault::new("config", whole, Problem::Malformed { reason }));
            }
        }
        self
    }

    fn keys(&mut self, path: &Path, prefix: &str, table: Table) {
        let mut seen: Vec<&str> = Vec::new();
        for (key, value) in table {
            let origin = Origin::File { path: path.to_owned(), key: format!("{prefix}{key}") };
            let Some(spec) = find_option(&key) else {
                match find_foreign(&key) {
                    Some(foreign) => self.foreign(foreign, &items(&value), origin),
                    None => self.unknown(&key, origin),
                }
                continue;
            };
            if !spec.in_file {
                self.faults.push(ConfigFault::new(spec.name, origin, Problem::NotInFile));
            } else if seen.contains(&spec.name) {
                self.faults.push(ConfigFault::new(spec.name, origin, Problem::Repeated));
            } else {
                seen.push(spec.name);
                match texts(spec, &value) {
                    Ok(values) => self.file.set(spec, values, origin),
                    Err(expected) => {
                        let fault =
                            ConfigFault::invalid(spec.name, spec.shown(&value.to_string()), origin, expected);
                        self.faults.push(fault);
                    }
                }
            }
        }
    }
}

impl fmt::Debug for ConfigFile {
    /// Leaves out the text, which may contain a password.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("ConfigFile").field("path", &self.path).finish_non_exhaustive()
    }
}

/// The parser's message. It quotes a line, which is left out if the file sets a secret.
fn reason(error: &toml::de::Error, text: &str) -> String {
    let plain = text.replace('_', "-");
    let mut secrets = OPTIONS.iter().filter(|spec| spec.kind == Kind::Secret);
    let is_set =
        |spec: &OptionSpec| std::iter::once(&spec.name).chain(spec.aliases).any(|name| plain.contains(name));
    if !secrets.any(is_set) {
        return error.to_string().trim_end().to_owned();
    }
    let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
    format!("line {}: {}", before.matches('\n').count() + 1, error.message())
}

fn own_table(project: &mut Table) -> Option<Value> {
    project.get_mut("tool")?.as_table_mut()?.remove("pounce")
}

/// The value as the texts another source would give, or the form that was expected.
fn texts(spec: &OptionSpec, value: &Value) -> Result<Vec<String>, String> {
    match value {
        Value::Table(table) if spec.kind == Kind::PathOrTable => {
            let json = serde_json::to_string(table);
            json.map(|json| vec![json]).map_err(|_| "a table without dates".into())
        }
        Value::Array(items) if spec.is_list() => items.iter().map(|item| text(spec, item)).collect(),
        _ => text(spec, value).map(|text| vec![text]),
    }
}

/// The value of another server's option as texts, whatever shape it has.
fn items(value: &Value) -> Vec<String> {
    match value {
        Value::String(text) => vec![text.clone()],
        Value::Array(items) => items.iter().flat_map(self::items).collect(),
        Value::Table(table) => serde_json::to_string(table).into_iter().collect(),
        other => vec![other.to_string()],
    }
}

fn text(spec: &OptionSpec, value: &Value) -> Result<String, String> {
    match value {
        Value::String(text) => Ok(text.clone()),
        // A bare 660 would be decimal and 0o660 arrives as 432: only text keeps its digits.
        Value::Integer(_) if spec.kind == crate::Kind::Permissions => Err("octal digits in quotes".into()),
        Value::Integer(number) => Ok(number.to_string()),
        Value::Float(number) => Ok(number.to_string()),
        Value::Boolean(flag) => Ok(flag.to_string()),
        Value::Array(_) | Value::Table(_) | Value::Datetime(_) => Err(spec.kind.expected()),
    }
}

fn unreadable(path: &Path, error: &io::Error) -> ConfigErrors {
    let origin = Origin::file(path);
    ConfigFault::new("config", origin, Problem::Unreadable { reason: error.to_string() }).into()
}
