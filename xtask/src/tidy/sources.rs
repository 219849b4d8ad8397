//! Rules of Rust sources: opening line, length, unsafe code, module files.

use super::Finding;

/// Non-test lines beyond which a file gets a warning.
const LONG: usize = 400;
const TOO_LONG: usize = 600;

/// How many lines above unsafe code its reason may be.
const REASON_WITHIN: usize = 8;

/// The only crates with unsafe code.
const WITH_UNSAFE: [&str; 3] = ["crates/pounce-net/", "crates/pounce-asgi/", "python/src/lib.rs"];

/// Spelt in two parts so that this file does not break its own rules.
const UNSAFE_CODE: &str = concat!("unsafe", "_code");
const UNSAFE_BLOCK: &str = concat!("unsafe", " {");
const UNSAFE_IMPL: &str = concat!("unsafe", " impl");

/// The bridge to CPython.
const BRIDGE: &str = "crates/pounce-asgi/src/python";

/// Names that keep Python objects in PyO3's statics, which interpreters with their own GIL would share. Spelt in two
/// parts, as above.
const STATICS: [&str; 8] = [
    concat!("extract::", "<["),
    concat!("Py", "Sequence"),
    concat!("Py", "Mapping"),
    concat!("intern", "!("),
    concat!("#[py", "class"),
    concat!("PyOnce", "Lock"),
    concat!("import_", "exception!"),
    concat!("PyDate", "Time"),
];

/// The findings in one source file.
pub(super) fn check(path: &str, text: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    if path.ends_with("/mod.rs") {
        let remedy = format!("rename it to {}.rs", path.trim_end_matches("/mod.rs"));
        findings.push(Finding::new(path, 1, "`mod.rs` says nothing about what it holds", remedy));
    }
    let is_ours = ["crates/", "tests/", "xtask/"].iter().any(|folder| path.starts_with(folder));
    if is_ours && !text.starts_with("//!") {
        let remedy = "open with `//!` lines: what the file is and what it is not";
        findings.push(Finding::new(path, 1, "the file does not say what it is", remedy));
    }
    findings.extend(check_length(path, text));
    findings.extend(check_unsafe(path, text));
    if path.starts_with(BRIDGE) {
        findings.extend(check_statics(path, text));
    }
    findings
}

fn check_statics(path: &str, text: &str) -> Vec<Finding> {
    let shared = |line: &&str| {
        let code = line.split("//").next().unwrap_or(line);
        // The C interface itself has no such statics.
        STATICS.iter().any(|name| code.contains(name) && !code.contains("ffi::"))
    };
    let found = text.lines().enumerate().filter(|(_, line)| shared(line));
    found
        .map(|(number, _)| {
            let what = "PyO3 keeps a Python object in a static for this, which subinterpreters would share";
            Finding::new(path, number + 1, what, "use the C interface, or keep the object per worker")
        })
        .collect()
}

fn check_length(path: &str, text: &str) -> Option<Finding> {
    if is_test(path) {
        return None;
    }
    let lines: Vec<&str> = text.lines().collect();
    let length = lines
        .windows(2)
        .position(|pair| pair[0] == "#[cfg(test)]" && pair[1].starts_with("mod "))
        .unwrap_or(lines.len());
    let what = format!("{length} lines before the tests");
    let remedy = "find the second subject in it and move that to another file";
    match length {
        _ if length > TOO_LONG => Some(Finding::new(path, TOO_LONG, what, remedy)),
        _ if length > LONG => Some(Finding::warning(path, LONG, what, remedy)),
        _ => None,
    }
}

/// Whether a file contains only tests.
fn is_test(path: &str) -> bool {
    path.starts_with("tests/")
        || path.contains("/tests/")
        || path.ends_with("/tests.rs")
        || path.ends_with("_tests.rs")
}

fn check_unsafe(path: &str, text: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    let lines: Vec<&str> = text.lines().collect();
    let may = WITH_UNSAFE.iter().any(|folder| path.starts_with(folder));
    for (number, line) in lines.iter().enumerate() {
        let code = line.split("//").next().unwrap_or(line);
        let allows = ["allow(", "expect("].iter().any(|word| code.contains(word));
        if !may && allows && code.contains(UNSAFE_CODE) {
            findings.push(Finding::new(
                path,
                number + 1,
                "unsafe code is allowed outside pounce-net, pounce-asgi and the entry of python/",
                "move what needs it there, behind a safe function",
            ));
        }
        if code.contains(UNSAFE_BLOCK) || code.contains(UNSAFE_IMPL) {
            let above = &lines[number.saturating_sub(REASON_WITHIN)..=number];
            if !above.iter().any(|line| line.contains("SAFETY:")) {
                findings.push(Finding::new(
                    path,
                    number + 1,
                    "unsafe code without its reason",
                    "put a `// SAFETY:` line above it that says why it is sound",
                ));
            }
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(findings: &[Finding]) -> Vec<usize> {
        findings.iter().map(|finding| finding.line).collect()
    }

    #[test]
    fn a_file_opens_with_what_it_is() {
        assert_eq!(lines(&check("crates/a/src/b.rs", "use std;\n")), [1]);
        assert_eq!(check("crates/a/src/b.rs", "//! B.\n"), []);
        assert_eq!(check("fuzz/b.rs", "use std;\n"), []);
    }

    #[test]
    fn mod_rs_is_named_with_its_new_name() {
        let findings = check("crates/a/src/b/mod.rs", "//! B.\n");
        assert_eq!(findings[0].remedy, "rename it to crates/a/src/b.rs");
    }

    #[test]
    fn length_counts_up_to_the_tests() {
        let long = |n: usize| format!("//! B.\n{}#[cfg(test)]\nmod tests {{\n", "x\n".repeat(n - 1));
        assert_eq!(check("crates/a/src/b.rs", &long(400)), []);
        assert!(check("crates/a/src/b.rs", &long(401))[0].is_warning);
        assert!(!check("crates/a/src/b.rs", &long(601))[0].is_warning);
        assert_eq!(check("tests/tests/b.rs", &long(601)), []);
    }

    #[test]
    fn the_bridge_keeps_no_python_object_in_a_static() {
        let bad = concat!("//! B.\nlet pair = item.extract::", "<[Bound<'_, PyAny>; 2]>();\n// PySequence\n");
        assert_eq!(lines(&check("crates/pounce-asgi/src/python/b.rs", bad)), [2]);
        assert_eq!(check("crates/pounce-server/src/b.rs", bad), []);
        let c = "//! B.\nunsafe_fn(ffi::PySequence_Check(pair));\n";
        assert_eq!(check("crates/pounce-asgi/src/python/b.rs", c), []);
    }

    #[test]
    fn unsafe_code_has_its_reason_and_its_place() {
        let bare = format!("//! B.\n\n{UNSAFE_BLOCK} x() }}\n");
        assert_eq!(lines(&check("crates/pounce-net/src/b.rs", &bare)), [3]);
        let explained = format!("//! B.\n// SAFETY: x is fine.\n{UNSAFE_IMPL} Send for X {{}}\n");
        assert_eq!(check("crates/pounce-net/src/b.rs", &explained), []);
        let allowed = format!("//! B.\n#![allow({UNSAFE_CODE})]\n");
        assert_eq!(lines(&check("crates/pounce-worker/src/b.rs", &allowed)), [2]);
        assert_eq!(check("crates/pounce-asgi/src/b.rs", &allowed), []);
    }
}
