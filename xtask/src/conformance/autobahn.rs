//! `cargo xtask conformance autobahn`: the Autobahn test suite's fuzzing client against an echo application,
//! and its report as a table.

mod python2;
mod report;

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use serde_json::json;

use super::server::{self, Running};
use crate::error::hinted;
use crate::python::Python;
use crate::tally::Tally;
use crate::workspace;
use report::Report;

/// The largest message of the cases 9.* is 16 MiB; twice that leaves the limit out of the test.
const LARGEST_MESSAGE: &str = "33554432";

/// Options of `cargo xtask conformance autobahn`.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// The pounce to test [default: a fresh release build]
    #[arg(long, value_name = "PATH", conflicts_with = "url")]
    server_bin: Option<PathBuf>,
    /// A running echo server, such as ws://127.0.0.1:9000
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    /// The cases to run, such as 1.*,9.1.6
    #[arg(long, value_delimiter = ',', value_name = "CASES", default_value = "*")]
    cases: Vec<String>,
    /// The Python 2.7 that the test suite runs on [default: python2.7 on PATH, else pyenv's]
    #[arg(long, value_name = "PATH")]
    python2: Option<PathBuf>,
    /// The Python to build pounce for [default: PYO3_PYTHON, else python3]
    #[arg(long, value_name = "PATH")]
    python: Option<PathBuf>,
    /// Further arguments for the server
    #[arg(last = true, value_name = "SERVER ARGS")]
    rest: Vec<String>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            server_bin: None,
            url: None,
            cases: vec!["*".into()],
            python2: None,
            python: None,
            rest: Vec::new(),
        }
    }
}

/// Runs the cases, prints the table, and counts every case that failed or is not implemented as a failure.
pub(crate) fn run(options: &Options) -> Result<Tally> {
    let folder = workspace::target().join("autobahn");
    fs::create_dir_all(&folder)?;
    let wstest = python2::wstest(options.python2.as_deref(), &folder)?;
    let mut running = None;
    let url = match &options.url {
        Some(url) => url.clone(),
        None => {
            let python = Python::for_tests(options.python.as_deref())?;
            let binary = server::binary(options.server_bin.as_deref(), &python)?;
            let mut arguments = vec!["--ws-max-size", LARGEST_MESSAGE, "--no-access-log"];
            arguments.extend(options.rest.iter().map(String::as_str));
            let server = Running::start(&binary, "autobahn:app", &arguments, folder.join("server.log"))?;
            let url = format!("ws://{}", server.address);
            running = Some(server);
            url
        }
    };
    let asked = fuzz(&wstest, &folder, &url, &options.cases)?;
    if let Some(server) = &mut running {
        server.still_runs()?;
    }
    let report = Report::read(&folder.join("report/index.json"))?;
    ensure!(
        report.len() == asked && asked > 0,
        "the report has {} of the {asked} cases that were run; see {}",
        report.len(),
        folder.join("wstest.log").display()
    );
    println!("\n{}", report.table());
    println!("what was sent and received in each case: {}", folder.join("report/index.html").display());
    Ok(report.tally())
}

/// Runs the fuzzing client and returns the number of cases it ran.
fn fuzz(wstest: &Path, folder: &Path, url: &str, cases: &[String]) -> Result<usize> {
    let reports = folder.join("report");
    // An old report must not be mistaken for this run's.
    workspace::remove_folder(&reports)?;
    let spec = json!({
        "outdir": reports,
        // Let the case judge a dropped connection instead of failing it outright.
        "options": {"failByDrop": false},
        "servers": [{"agent": report::AGENT, "url": url}],
        "cases": cases,
        "exclude-cases": [],
        "exclude-agent-cases": {},
    });
    let spec_file = folder.join("fuzzingclient.json");
    fs::write(&spec_file, spec.to_string())?;
    let log = fs::File::create(folder.join("wstest.log"))?;
    let mut command = Command::new(wstest);
    command.args(["--mode", "fuzzingclient", "--spec"]).arg(&spec_file).current_dir(folder);
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log).spawn()?;
    let mut ran = 0;
    let mut section = String::new();
    let output = child.stdout.take().context("standard output is piped")?;
    for line in BufReader::new(output).lines() {
        let line = line?;
        let Some(case) = line.strip_prefix("Running test case ID ") else { continue };
        ran += 1;
        let of = case.split('.').next().unwrap_or_default();
        if of != section {
            section = of.to_owned();
            eprintln!("section {section}");
        }
    }
    let status = child.wait()?;
    if !status.success() {
        return Err(hinted(
            format!("the fuzzing client failed ({status})"),
            format!("its own words are in {}", folder.join("wstest.log").display()),
        ));
    }
    Ok(ran)
}
