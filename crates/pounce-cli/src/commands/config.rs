//! `pounce config`: the configuration as the server would read it, and the schema of its file.

use std::ffi::OsString;

use pounce_config::{Origin, Problem, json_schema};
use pounce_server::Host;
use serde_json::{Map, Value, json};

use super::{fail, print, reference, shape};
use crate::arguments;

/// How the command is used.
const USAGE: &str = "\
Shows the configuration that a server would read

Usage: pounce config show [--json] [OPTIONS] [APP]   every option that has a value, and where the value comes from
       pounce config schema                          the JSON Schema of pounce.toml, for editors
       pounce config reference                       every option, as Markdown

Passwords and the values of variables are hidden.
";

/// Runs it; `arguments` are those after the command's name.
pub(super) fn run(host: &dyn Host, mut arguments: Vec<OsString>) -> u8 {
    let named = (!arguments.is_empty()).then(|| arguments.remove(0));
    match named.as_deref().and_then(|name| name.to_str()) {
        Some("show") => show(host, arguments),
        Some("schema") => {
            print(&format!("{:#}\n", json_schema()));
            0
        }
        Some("reference") => {
            print(&reference::markdown());
            0
        }
        Some("-h" | "--help") => {
            print(USAGE);
            0
        }
        Some(other) => {
            fail(&format!("{other:?} is not show, schema or reference; see pounce config --help"));
            2
        }
        None => {
            print(USAGE);
            2
        }
    }
}

fn show(host: &dyn Host, mut arguments: Vec<OsString>) -> u8 {
    let given = arguments.len();
    arguments.retain(|argument| argument != "--json");
    let as_json = arguments.len() < given;
    let arguments::Request::Serve(mut parsed) = arguments::parse(arguments) else {
        print(USAGE);
        return 0;
    };
    let (config, is_nameless) = match crate::configure(host, parsed.clone()) {
        // Without an application there is a configuration too: show what is known.
        Err(errors) if errors.0.iter().all(|fault| matches!(fault.problem, Problem::Missing { .. })) => {
            parsed.options.push(("app".to_owned(), vec!["main".to_owned()]));
            (crate::configure(host, parsed), true)
        }
        configured => (configured, false),
    };
    match config {
        Ok(config) => {
            let shown = config.settings().filter(|(name, ..)| !is_nameless || *name != "app");
            print(&if as_json { to_json(shown) } else { to_text(shown) });
        }
        Err(errors) => {
            crate::report(&errors);
            return 2;
        }
    }
    0
}

/// An option: its name, its value, and where that comes from.
type Shown<'a> = (&'static str, Option<String>, &'a Origin);

fn to_text<'a>(options: impl Iterator<Item = Shown<'a>>) -> String {
    let rows: Vec<_> = options
        .filter_map(|(name, value, origin)| Some(vec![name.to_owned(), value?, from(origin)]))
        .collect();
    shape::table(&["OPTION", "VALUE", "FROM"], &rows).join("\n") + "\n"
}

fn to_json<'a>(options: impl Iterator<Item = Shown<'a>>) -> String {
    let options = options
        .map(|(name, value, origin)| (name.to_owned(), json!({ "value": value, "from": from(origin) })));
    format!("{:#}\n", Value::Object(options.collect::<Map<_, _>>()))
}

fn from(origin: &Origin) -> String {
    match origin {
        Origin::Default => "default".to_owned(),
        other => other.to_string(),
    }
}
