//! Rules of every text file: its place and the names in it. Rules of Rust sources are in `sources.rs`.

use std::path::Path;
use std::process::Command;

use anyhow::Result;

use super::Finding;
use crate::workspace;

/// Folders of one machine, split so that this file does not break its own rule.
const MACHINE_FOLDERS: [&str; 2] = [concat!("/ro", "ot/"), concat!("/wo", "rk/")];

/// A line with this word may break the rules of this file.
const EXEMPT: &str = "tidy: allow";

/// The files that git tracks or would track, relative to the root; without git, every file outside `target`.
pub(super) fn list(root: &Path) -> Result<Vec<String>> {
    if root.join(".git").exists() && workspace::is_installed("git") {
        let mut git = Command::new("git");
        git.arg("-C").arg(root).args(["ls-files", "--cached", "--others", "--exclude-standard"]);
        let names = workspace::output(&mut git)?;
        return Ok(names.lines().map(String::from).collect());
    }
    let mut files = Vec::new();
    walk(root, "", &mut files)?;
    Ok(files)
}

fn walk(folder: &Path, prefix: &str, files: &mut Vec<String>) -> Result<()> {
    for entry in folder.read_dir()? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = format!("{prefix}{name}");
        if entry.file_type()?.is_file() {
            files.push(path);
        } else if entry.file_type()?.is_dir() && name != "target" && name != ".git" {
            walk(&entry.path(), &format!("{path}/"), files)?;
        }
    }
    Ok(())
}

/// The findings in one file.
pub(super) fn check(path: &str, text: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (number, line) in text.lines().enumerate() {
        if line.contains(EXEMPT) {
            continue;
        }
        for folder in MACHINE_FOLDERS.iter().filter(|folder| names_folder(line, folder)) {
            findings.push(Finding::new(
                path,
                number + 1,
                format!("`{folder}` is a folder of one machine"),
                format!("use a relative path, or end the line with `{EXEMPT}` when it is no path"),
            ));
        }
    }
    findings
}

/// Whether a line names a folder from the file system's root: `a/work/b` does not.
fn names_folder(line: &str, folder: &str) -> bool {
    line.match_indices(folder).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        !before.is_some_and(|c| c.is_alphanumeric() || matches!(c, '.' | '_' | '-' | '}' | ')'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machines_folder_is_found_with_its_line() {
        let text = format!("fine\nopen(\"{}x\")\n", MACHINE_FOLDERS[0]);
        let findings = check("a.py", &text);
        assert_eq!(findings.len(), 1);
        assert_eq!(findings[0].line, 2);
    }

    #[test]
    fn a_relative_path_and_an_exempt_line_are_fine() {
        let text = format!("my{0}x\n{0}x # tidy: allow\n", MACHINE_FOLDERS[1]);
        assert_eq!(check("a.py", &text), []);
    }
}
