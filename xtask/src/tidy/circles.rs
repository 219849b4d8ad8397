//! No circles between the modules of a crate: of two files that use each other neither can be read first.
//!
//! Only `use` declarations outside of tests count. A module may use its ancestors.

use std::collections::{BTreeMap, BTreeSet};

use super::Finding;

/// A module by its path in the crate; the root's is empty.
type Module = Vec<String>;

/// The modules that each module uses.
type Uses = BTreeMap<Module, BTreeSet<Module>>;

/// The circles in the crate with sources in `folder`. `texts` has the files of the workspace by their paths.
pub(super) fn check(folder: &str, texts: &BTreeMap<String, String>) -> Vec<Finding> {
    let module = |path: &str| path.strip_prefix(folder)?.strip_suffix(".rs").map(module_of);
    let sources = texts.iter().filter_map(|(path, text)| Some((module(path)?, text.as_str()))).collect();
    let uses = uses_of(&sources);
    let circles = circles(&uses);
    circles
        .into_iter()
        .map(|circle| {
            let names: Vec<String> = circle.iter().map(|module| module.join("::")).collect();
            Finding::new(
                &format!("{folder}{}.rs", circle[0].join("/")),
                1,
                format!("the modules {} use each other", names.join(", ")),
                "move what they share into a module that both use",
            )
        })
        .collect()
}

fn module_of(path: &str) -> Module {
    match path {
        "lib" | "main" => Module::new(),
        path => path.split('/').map(String::from).collect(),
    }
}

/// Finds the modules that each module uses.
fn uses_of(sources: &BTreeMap<Module, &str>) -> Uses {
    let mut uses = Uses::new();
    for (module, text) in sources {
        let used = paths(text).filter_map(|path| resolve(module, &path, sources));
        let used = used.filter(|used| !module.starts_with(used)).collect();
        uses.insert(module.clone(), used);
    }
    uses
}

/// The paths of all `use` declarations except re-exports, each as its segments.
fn paths(text: &str) -> impl Iterator<Item = Vec<String>> {
    let code = text.split("#[cfg(test)]\nmod ").next().unwrap_or_default();
    let code: String =
        code.lines().map(|line| line.split("//").next().unwrap_or_default()).collect::<Vec<_>>().join("\n");
    let mut found = Vec::new();
    let mut rest = code.as_str();
    while let Some(at) = rest.find("use ") {
        let starts_line = rest[..at].rsplit('\n').next().is_some_and(|before| before.trim().is_empty());
        rest = &rest[at + 4..];
        if starts_line && let Some(end) = rest.find(';') {
            expand(&rest[..end], &[], &mut found);
        }
    }
    found.into_iter()
}

/// Takes `a::{b, c::d}` apart.
fn expand(tree: &str, before: &[String], found: &mut Vec<Vec<String>>) {
    let tree = tree.trim();
    let (head, group) = match tree.split_once('{') {
        Some((head, group)) => (head, group.strip_suffix('}')),
        None => (tree, None),
    };
    let segments = head.split("::").map(str::trim).filter(|segment| !segment.is_empty());
    let segments = segments.map(|segment| segment.split(" as ").next().unwrap_or(segment).to_string());
    let path: Vec<String> = before.iter().cloned().chain(segments).collect();
    let Some(group) = group else { return found.push(path) };
    let (mut depth, mut start) = (0, 0);
    for (at, character) in group.char_indices() {
        match character {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                expand(&group[start..at], &path, found);
                start = at + 1;
            }
            _ => {}
        }
    }
    if !group[start..].trim().is_empty() {
        expand(&group[start..], &path, found);
    }
}

/// The module that a path in `module` leads to or into; none for paths of other crates.
fn resolve(module: &Module, path: &[String], sources: &BTreeMap<Module, &str>) -> Option<Module> {
    let supers = path.iter().take_while(|segment| *segment == "super").count();
    let absolute: Module = match path.first()?.as_str() {
        "crate" => path[1..].to_vec(),
        "super" => [&module[..module.len().checked_sub(supers)?], &path[supers..]].concat(),
        "self" => [module, &path[1..]].concat(),
        _ => [module, path].concat(),
    };
    let is_own = matches!(path[0].as_str(), "crate" | "super" | "self");
    let longest = (0..=absolute.len()).rev().map(|length| absolute[..length].to_vec());
    let found = longest.into_iter().find(|module| sources.contains_key(module))?;
    (is_own || found.len() > module.len()).then_some(found)
}

/// Sets of modules in which each reaches all others.
fn circles(uses: &Uses) -> Vec<Vec<Module>> {
    let reached = |from: &Module| {
        let mut reached = BTreeSet::new();
        let mut open: Vec<&Module> = uses.get(from).into_iter().flatten().collect();
        while let Some(module) = open.pop() {
            if reached.insert(module.clone()) {
                open.extend(uses.get(module).into_iter().flatten());
            }
        }
        reached
    };
    let reach: BTreeMap<&Module, BTreeSet<Module>> =
        uses.keys().map(|module| (module, reached(module))).collect();
    let mut circles: BTreeSet<Vec<Module>> = BTreeSet::new();
    for (module, reached) in &reach {
        let circle: Vec<Module> = reached
            .iter()
            .filter(|other| reach.get(other).is_some_and(|back| back.contains(*module)))
            .cloned()
            .collect();
        if circle.len() > 1 {
            circles.insert(circle);
        }
    }
    circles.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(files: &[(&str, &str)]) -> Vec<Vec<Module>> {
        let sources = files.iter().map(|(name, text)| (module_of(name), *text)).collect();
        circles(&uses_of(&sources))
    }

    #[test]
    fn modules_that_use_each_other_are_a_circle_however_they_say_so() {
        let circle = found(&[
            ("lib", "mod a;\nmod b;\n"),
            ("a", "use std::fmt;\nuse crate::{\n    b::{self, B},\n    c::C,\n};\n"),
            ("b/inner", "use super::super::a::A as Other;\n"),
            ("b", "mod inner;\nuse inner::Inner;\n"),
            ("c", ""),
        ]);
        let names = ["a", "b", "b/inner"].map(module_of).to_vec();
        assert_eq!(circle, [names]);
    }

    #[test]
    fn ancestors_tests_and_comments_make_no_circle() {
        let circle = found(&[
            ("a", "use crate::b::B;\n"),
            ("b", "// use crate::a::A;\n#[cfg(test)]\nmod tests {\n    use crate::a::A;\n}\n"),
            ("b/inner", "use super::B;\nuse crate::b;\n"),
        ]);
        assert_eq!(circle, Vec::<Vec<Module>>::new());
    }
}
