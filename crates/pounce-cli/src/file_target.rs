//! A file named instead of a module: `pounce src/main.py` means `pounce main:app --app-dir src`.

use std::path::{Component, Path, PathBuf};

/// The command to type instead of one that names a file; `None` if `target` names no file.
pub(crate) fn hint(target: &str) -> Option<String> {
    let (file, attribute) = match target.split_once(':') {
        Some((file, attribute)) => (file, Some(attribute).filter(|attribute| !attribute.is_empty())),
        None => (target, None),
    };
    if !file.ends_with(".py") && !file.contains('/') {
        return None;
    }
    let path = Path::new(file).with_extension("");
    let path: PathBuf = path.components().filter(|part| *part != Component::CurDir).collect();
    let mut module = path.file_name()?.to_str()?.to_owned();
    let mut folder = path.parent()?;
    // A module of a package is imported as part of its package.
    while folder.join("__init__.py").is_file() {
        module = format!("{}.{module}", folder.file_name()?.to_str()?);
        folder = folder.parent()?;
    }
    let target = format!("{module}:{}", attribute.unwrap_or("app"));
    let app_dir = match folder.to_str()? {
        "" => String::new(),
        folder => format!(" --app-dir {folder}"),
    };
    Some(format!("name the module rather than the file: pounce {target}{app_dir}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_becomes_its_module_and_its_folder() {
        let typed = |target| {
            hint(target).and_then(|hint| hint.split_once("pounce ").map(|(_, typed)| typed.to_owned()))
        };
        assert_eq!(typed("main.py").as_deref(), Some("main:app"));
        assert_eq!(typed("./main.py:site").as_deref(), Some("main:site"));
        assert_eq!(typed("./absent/main.py:create()").as_deref(), Some("main:create() --app-dir absent"));
        assert_eq!(typed("/srv/absent/main").as_deref(), Some("main:app --app-dir /srv/absent"));
        assert_eq!(typed("main:app:x"), None);
    }
}
