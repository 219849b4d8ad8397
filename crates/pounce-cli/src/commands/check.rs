//! `pounce check`: would a server with these options start?

use std::ffi::OsString;

use pounce_server::{Host, check, output};

use super::print;
use crate::arguments;

/// How the command is used.
const USAGE: &str = "\
Imports the application and reads certificates as a server with these options would, and serves nothing

Usage: pounce check [OPTIONS] APP

The options are those of pounce itself; see pounce --help.
Exit code: 0 if a server would start, 2 for a faulty configuration, 3 if the application cannot be imported.
";

/// Runs it; `arguments` are those after the command's name.
pub(super) fn run(host: &dyn Host, arguments: Vec<OsString>) -> u8 {
    let arguments::Request::Serve(arguments) = arguments::parse(arguments) else {
        print(USAGE);
        return 0;
    };
    let config = match crate::configure(host, arguments) {
        Ok(config) => config,
        Err(errors) => {
            crate::report(&errors);
            return 2;
        }
    };
    match check(&config, host) {
        Ok(checked) => {
            let venv =
                checked.virtualenv.map(|folder| format!(", venv {}", folder.display())).unwrap_or_default();
            let (app, interface) = (checked.app, checked.interface);
            output::flush();
            print(&format!(
                "{app} is an {interface} application ({}{venv}, {})\n",
                checked.python, checked.workers
            ));
            0
        }
        Err(error) => {
            output::error(&error, error.hint().as_deref());
            error.exit_code()
        }
    }
}
