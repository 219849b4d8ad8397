//! `cargo xtask tidy`: keeps the layering of the crates and the house rules of the sources.
//!
//! The same check runs as an ordinary test, so `cargo test --workspace` enforces them too.

mod circles;
mod files;
mod layers;
mod sources;

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use anyhow::Result;

use crate::error::hinted;
use crate::workspace;

/// A broken rule, and its remedy.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Finding {
    /// Relative to the workspace.
    path: String,
    /// Counted from 1.
    line: usize,
    what: String,
    remedy: String,
    /// Whether it is printed but does not fail the check.
    is_warning: bool,
}

impl Finding {
    fn new(path: &str, line: usize, what: impl Into<String>, remedy: impl Into<String>) -> Finding {
        Finding { path: path.into(), line, what: what.into(), remedy: remedy.into(), is_warning: false }
    }

    fn warning(path: &str, line: usize, what: impl Into<String>, remedy: impl Into<String>) -> Finding {
        Finding { is_warning: true, ..Finding::new(path, line, what, remedy) }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = if self.is_warning { "warning: " } else { "" };
        write!(f, "{}:{}: {kind}{}\n    {}", self.path, self.line, self.what, self.remedy)
    }
}

/// Prints every finding; an error if there is one.
pub(crate) fn run() -> Result<()> {
    let findings = check(&workspace::root())?;
    for finding in &findings {
        println!("{finding}");
    }
    let errors = findings.iter().filter(|finding| !finding.is_warning).count();
    if errors > 0 {
        return Err(hinted(
            format!("{errors} {} not kept", if errors == 1 { "rule is" } else { "rules are" }),
            "each line above says where, what and what to do; the rules are in xtask/src/tidy/",
        ));
    }
    println!("tidy");
    Ok(())
}

/// The source folders of the server's crates, with a slash at the end.
fn source_folders<'a>(paths: impl Iterator<Item = &'a String>) -> Vec<&'a str> {
    let folder = |path: &'a String| path.strip_suffix("lib.rs").or_else(|| path.strip_suffix("main.rs"));
    paths.filter_map(folder).filter(|it| it.starts_with("crates/") && it.ends_with("/src/")).collect()
}

/// Every finding in a workspace, by path and line.
fn check(root: &Path) -> Result<Vec<Finding>> {
    let read = |path: String| Some((std::fs::read_to_string(root.join(&path)).ok()?, path));
    // Only text files have rules.
    let texts: BTreeMap<String, String> =
        files::list(root)?.into_iter().filter_map(read).map(|(text, path)| (path, text)).collect();
    let mut findings = layers::check(root)?;
    for folder in source_folders(texts.keys()) {
        findings.extend(circles::check(folder, &texts));
    }
    for (path, text) in &texts {
        findings.extend(files::check(path, text));
        if path.ends_with(".rs") {
            findings.extend(sources::check(path, text));
        }
    }
    findings.sort();
    Ok(findings)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_workspace_is_tidy() {
        let findings = check(&workspace::root()).unwrap();
        let errors: Vec<String> =
            findings.iter().filter(|finding| !finding.is_warning).map(ToString::to_string).collect();
        assert!(errors.is_empty(), "\n{}\n", errors.join("\n"));
    }

    #[test]
    fn a_finding_says_where_what_and_what_to_do() {
        let finding = Finding::new("crates/a/src/lib.rs", 3, "no `//!`", "say what the file is");
        assert_eq!(finding.to_string(), "crates/a/src/lib.rs:3: no `//!`\n    say what the file is");
    }
}
