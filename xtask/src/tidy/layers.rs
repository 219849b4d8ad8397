//! The layering: which crates there are, and which crates each of them may depend on.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use toml::{Table, Value};

use super::Finding;

/// What one crate may and may not depend on.
struct Rule {
    name: &'static str,
    /// Crates of the workspace it may use.
    may: &'static [&'static str],
    /// Crates from outside that it must never name.
    never: &'static [&'static str],
}

/// Every crate of the server, lowest layer first.
const RULES: [Rule; 8] = [
    Rule { name: "pounce-config", may: &[], never: &["tokio", "pyo3", "socket2"] },
    Rule { name: "pounce-net", may: &[], never: &["tokio", "pyo3", "serde"] },
    Rule { name: "pounce-metrics", may: &["pounce-net"], never: &["tokio", "pyo3", "serde"] },
    Rule { name: "pounce-asgi", may: &["pounce-config"], never: &[] },
    Rule {
        name: "pounce-worker",
        may: &["pounce-asgi", "pounce-config", "pounce-metrics", "pounce-net"],
        never: &["pyo3"],
    },
    Rule { name: "pounce-supervisor", may: &["pounce-config", "pounce-net"], never: &["pyo3"] },
    Rule {
        name: "pounce-server",
        may: &[
            "pounce-config",
            "pounce-net",
            "pounce-metrics",
            "pounce-asgi",
            "pounce-worker",
            "pounce-supervisor",
        ],
        never: &[],
    },
    Rule { name: "pounce-cli", may: &["pounce-config", "pounce-server"], never: &["tokio", "pyo3"] },
];

/// The rule of `xtask`: it works when the workspace does not build.
const XTASK: Rule = Rule { name: "xtask", may: &[], never: &["pyo3", "tokio"] };

/// The findings in the crates' folders and manifests.
pub(super) fn check(root: &Path) -> Result<Vec<Finding>> {
    let mut findings = Vec::new();
    let readme = fs::read_to_string(root.join("crates/README.md")).unwrap_or_default();
    let mut folders: Vec<String> = Vec::new();
    for entry in root.join("crates").read_dir().context("cannot read crates/")? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            folders.push(entry.file_name().to_string_lossy().into_owned());
        }
    }
    for name in &folders {
        let path = format!("crates/{name}/Cargo.toml");
        let Some(rule) = RULES.iter().find(|rule| rule.name == *name) else {
            let remedy = "fold it into a crate of the design, or give it a layer in xtask/src/tidy/layers.rs";
            findings.push(Finding::new(&path, 1, format!("`{name}` is no crate of the design"), remedy));
            continue;
        };
        if !readme.lines().any(|line| line.contains(name.as_str())) {
            let remedy = format!("add a line that says what {name} is and is not");
            findings.push(Finding::new("crates/README.md", 1, format!("no line about {name}"), remedy));
        }
        findings.extend(check_file(root, &path, rule)?);
    }
    for rule in RULES.iter().filter(|rule| !folders.iter().any(|name| name == rule.name)) {
        let remedy = "bring it back, or take it out of xtask/src/tidy/layers.rs";
        findings.push(Finding::new("crates", 1, format!("{} is missing", rule.name), remedy));
    }
    if root.join("xtask/Cargo.toml").exists() {
        findings.extend(check_file(root, "xtask/Cargo.toml", &XTASK)?);
    }
    Ok(findings)
}

fn check_file(root: &Path, path: &str, rule: &Rule) -> Result<Vec<Finding>> {
    let text = fs::read_to_string(root.join(path)).with_context(|| format!("cannot read {path}"))?;
    check_manifest(path, &text, rule)
}

fn check_manifest(path: &str, text: &str, rule: &Rule) -> Result<Vec<Finding>> {
    let manifest: Table = text.parse().with_context(|| format!("cannot parse {path}"))?;
    let mut findings = Vec::new();
    if manifest.get("lints").and_then(|lints| lints.get("workspace")) != Some(&Value::Boolean(true)) {
        let remedy = "add `[lints]` with `workspace = true`";
        findings.push(Finding::new(path, 1, "the workspace's lints are not switched on", remedy));
    }
    for (section, name, details) in dependencies(&manifest) {
        let line = line_of(text, &name);
        let is_build = section == "build-dependencies";
        if name.starts_with("pounce-") && !rule.may.contains(&name.as_str()) {
            let may = if rule.may.is_empty() { "no crate of ours".into() } else { rule.may.join(", ") };
            let what = format!("{} may not depend on {name}: it may use {may}", rule.name);
            let remedy = "move the code to the crate whose layer it belongs to";
            findings.push(Finding::new(path, line, what, remedy));
        }
        if rule.never.contains(&name.as_str()) && !is_build {
            let what = format!("{} may not depend on {name}", rule.name);
            findings.push(Finding::new(path, line, what, "move what needs it to a crate that may"));
        }
        if rule.name == "pounce-worker" && name == "pounce-asgi" && enables(&details, "python") {
            let remedy = "take the feature `python` out: the worker never names Python";
            findings.push(Finding::new(path, line, "pounce-worker asks for the Python bridge", remedy));
        }
    }
    Ok(findings)
}

/// Every dependency of a manifest with its section, platform-specific ones included.
fn dependencies(manifest: &Table) -> Vec<(&'static str, String, Value)> {
    let mut places = vec![manifest];
    if let Some(targets) = manifest.get("target").and_then(Value::as_table) {
        places.extend(targets.values().filter_map(Value::as_table));
    }
    let mut found = Vec::new();
    for place in places {
        for section in ["dependencies", "dev-dependencies", "build-dependencies"] {
            for (key, details) in place.get(section).and_then(Value::as_table).into_iter().flatten() {
                let renamed = details.get("package").and_then(Value::as_str);
                found.push((section, renamed.unwrap_or(key).to_string(), details.clone()));
            }
        }
    }
    found
}

fn enables(details: &Value, feature: &str) -> bool {
    let features = details.get("features").and_then(Value::as_array);
    features.is_some_and(|features| features.iter().any(|one| one.as_str() == Some(feature)))
}

/// The line that names a dependency first, counted from 1.
fn line_of(text: &str, name: &str) -> usize {
    text.lines()
        .position(|line| {
            let line = line.trim_start();
            line.strip_prefix(name).is_some_and(|rest| rest.starts_with([' ', '.', '=']))
                || line.contains(&format!("\"{name}\"")) && !line.starts_with("name")
        })
        .map_or(1, |at| at + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_as(name: &str, dependencies: &str) -> Vec<Finding> {
        let text = format!("[package]\nname = \"{name}\"\n[lints]\nworkspace = true\n{dependencies}");
        let rule = RULES.iter().find(|rule| rule.name == name).unwrap();
        check_manifest("Cargo.toml", &text, rule).unwrap()
    }

    #[test]
    fn an_edge_of_the_design_is_fine() {
        let text =
            "[dependencies]\npounce-asgi.workspace = true\npounce-net.workspace = true\ntokio = \"1\"\n";
        assert_eq!(check_as("pounce-worker", text), []);
    }

    #[test]
    fn an_edge_upwards_is_found_with_its_line() {
        let findings = check_as("pounce-net", "[dependencies]\npounce-worker.workspace = true\n");
        assert_eq!(findings.len(), 1);
        assert_eq!(findings[0].line, 6);
    }

    #[test]
    fn a_forbidden_crate_is_found_under_another_name_and_for_one_platform() {
        let text = "[target.'cfg(unix)'.dependencies]\nruntime = { package = \"tokio\", version = \"1\" }\n";
        let findings = check_as("pounce-config", text);
        assert_eq!(findings[0].what, "pounce-config may not depend on tokio");
        assert_eq!(findings[0].line, 6);
    }

    #[test]
    fn the_command_may_ask_pyo3_in_its_build_script() {
        assert_eq!(check_as("pounce-cli", "[build-dependencies]\npyo3 = \"1\"\n"), []);
        assert_eq!(check_as("pounce-cli", "[dependencies]\npyo3 = \"1\"\n").len(), 1);
    }

    #[test]
    fn the_worker_does_not_ask_for_python() {
        let text = "[dependencies]\npounce-asgi = { workspace = true, features = [\"python\"] }\n";
        assert_eq!(check_as("pounce-worker", text).len(), 1);
    }

    #[test]
    fn lints_are_switched_on() {
        let findings = check_manifest("Cargo.toml", "[package]\n", &XTASK).unwrap();
        assert_eq!(findings.len(), 1);
    }
}
