//! Maps tests to sections by the line `// §6.5.2` above each `#[test]`, in the files marked in their first line.

use std::fmt;
use std::fs;
use std::path::Path;
use std::str::FromStr;

use anyhow::{Context, Result, bail};

/// The beginning of the first line of a file with such tests.
const MARK: &str = "//! RFC 9113";

/// The number of a section, ordered as in the RFC: 6.9 before 6.10.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Section(Vec<u32>);

impl Section {
    /// Whether this is `outer` or one of its subsections.
    pub(super) fn is_within(&self, outer: &Section) -> bool {
        self.0.starts_with(&outer.0)
    }

    /// The title in the RFC, shortened.
    pub(super) fn title(&self) -> &'static str {
        let found = TITLES.iter().find(|(number, _)| *number == self.to_string());
        found.map_or("", |(_, title)| title)
    }
}

impl FromStr for Section {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Section> {
        let numbers: Result<Vec<u32>, _> = text.split('.').map(str::parse).collect();
        numbers.map(Section).with_context(|| format!("{text:?} is no section"))
    }
}

impl fmt::Display for Section {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let numbers: Vec<String> = self.0.iter().map(u32::to_string).collect();
        f.write_str(&numbers.join("."))
    }
}

/// The tests of one file with their sections.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Suite {
    pub(super) name: String,
    pub(super) tests: Vec<(Section, String)>,
}

/// Every file with tests of sections, by name.
pub(super) fn suites(folder: &Path) -> Result<Vec<Suite>> {
    let mut suites = Vec::new();
    for entry in folder.read_dir().with_context(|| format!("cannot read {}", folder.display()))? {
        let path = entry?.path();
        let Some(name) = path.file_name().and_then(|name| name.to_str()?.strip_suffix(".rs")) else {
            continue;
        };
        let text = fs::read_to_string(&path)?;
        if text.starts_with(MARK) {
            let tests = parse(&text, name).with_context(|| path.display().to_string())?;
            suites.push(Suite { name: name.to_owned(), tests });
        }
    }
    suites.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(suites)
}

fn parse(text: &str, module: &str) -> Result<Vec<(Section, String)>> {
    let mut tests = Vec::new();
    let mut section = None;
    let mut is_test = false;
    for line in text.lines() {
        if let Some(number) = line.strip_prefix("// §") {
            section = Some(number.trim().parse::<Section>()?);
        } else if line == "#[test]" {
            is_test = true;
        } else if let Some(name) = line.strip_prefix("fn ").and_then(|rest| rest.split('(').next()) {
            match (std::mem::take(&mut is_test), section.take()) {
                (true, Some(section)) => tests.push((section, format!("{module}::{name}"))),
                (true, None) => bail!("{name} has no line `// §6.5.2` above it that names its section"),
                (false, _) => {}
            }
        }
    }
    Ok(tests)
}

const TITLES: [(&str, &str); 42] = [
    ("3.1", "Version Identification"),
    ("3.3", "Prior Knowledge"),
    ("3.4", "Connection Preface"),
    ("4.1", "Frame Format"),
    ("4.2", "Frame Size"),
    ("4.3", "Field Section Compression"),
    ("4.3.1", "Compression State"),
    ("5.1", "Stream States"),
    ("5.1.1", "Stream Identifiers"),
    ("5.1.2", "Stream Concurrency"),
    ("5.2", "Flow Control"),
    ("5.2.1", "Flow-Control Principles"),
    ("5.3.2", "Deprecated Priority Signaling"),
    ("5.4.1", "Connection Error Handling"),
    ("5.4.2", "Stream Error Handling"),
    ("5.5", "Extending HTTP/2"),
    ("6.1", "DATA"),
    ("6.2", "HEADERS"),
    ("6.3", "PRIORITY"),
    ("6.4", "RST_STREAM"),
    ("6.5", "SETTINGS"),
    ("6.5.1", "SETTINGS Format"),
    ("6.5.2", "Defined Settings"),
    ("6.5.3", "Settings Synchronization"),
    ("6.6", "PUSH_PROMISE"),
    ("6.7", "PING"),
    ("6.8", "GOAWAY"),
    ("6.9", "WINDOW_UPDATE"),
    ("6.9.1", "The Flow-Control Window"),
    ("6.9.2", "Initial Flow-Control Window Size"),
    ("6.10", "CONTINUATION"),
    ("7", "Error Codes"),
    ("8.1", "HTTP Message Framing"),
    ("8.1.1", "Malformed Messages"),
    ("8.2", "HTTP Fields"),
    ("8.2.1", "Field Validity"),
    ("8.2.2", "Connection-Specific Header Fields"),
    ("8.2.3", "Compressing the Cookie Header Field"),
    ("8.3", "HTTP Control Data"),
    ("8.3.1", "Request Pseudo-Header Fields"),
    ("8.3.2", "Response Pseudo-Header Fields"),
    ("8.5", "The CONNECT Method"),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workspace;

    fn section(text: &str) -> Section {
        text.parse().unwrap()
    }

    #[test]
    fn sections_are_in_the_order_of_the_rfc() {
        assert!(section("6.9.2") < section("6.10"));
        assert!(section("6.9.2").is_within(&section("6.9")));
        assert!(!section("6.10").is_within(&section("6.1")));
        assert!("6.x".parse::<Section>().is_err());
    }

    #[test]
    fn a_test_belongs_to_the_section_above_it() {
        let text = "fn helper() {}\n\n// §6.1\n#[test]\nfn a() {}\n\nfn other(x: u32) {}\n// §8\n#[test]\nfn b() {}\n";
        let tests = parse(text, "frames").unwrap();
        assert_eq!(tests, [(section("6.1"), "frames::a".to_owned()), (section("8"), "frames::b".to_owned())]);
    }

    #[test]
    fn a_test_without_a_section_is_an_error() {
        assert!(parse("// §6.1\n#[test]\nfn a() {}\n#[test]\nfn b() {}\n", "frames").is_err());
    }

    #[test]
    fn every_test_has_a_section_with_a_title() {
        let suites = suites(&workspace::root().join("tests/tests/http2")).unwrap();
        assert!(suites.len() > 5);
        for (section, name) in suites.iter().flat_map(|suite| &suite.tests) {
            assert!(!section.title().is_empty(), "{name}: {section}");
        }
    }
}
