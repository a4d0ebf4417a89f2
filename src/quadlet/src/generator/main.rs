// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `haulout-generator`: what systemd calls at boot and at each reload (systemd.generator(7)), and people to see what comes of
//! their units. A program of its own, small and quick, because every reload waits for it.

mod arguments;
mod log;

use std::env;
use std::error::Error;
use std::io::{self, BufWriter, StdoutLock, Write as _};
use std::mem::ManuallyDrop;
use std::process::ExitCode;

use arguments::{Arguments, Wanted};
use haulout_quadlet::rival::Maker;
use haulout_quadlet::{Outcome, Problem, SearchPath, ServiceFolder, Settings, Severity, Writer, each, install, rival};
use log::Log;

fn main() -> ExitCode {
    let arguments = match Wanted::parse(env::args_os()) {
        Ok(Wanted::Generate(arguments)) => arguments,
        Ok(Wanted::Version) => {
            println!("{}", env!("CARGO_PKG_VERSION"));
            return ExitCode::SUCCESS;
        }
        Ok(Wanted::Help) => {
            eprint!("{}", arguments::USAGE);
            return ExitCode::SUCCESS;
        }
        Err(error) => {
            eprint!("{error}\n{}", arguments::USAGE);
            return ExitCode::from(2);
        }
    };
    let log = Log::of(&arguments);
    match run(&arguments, &log) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            log.say(&in_full(&*error));
            ExitCode::FAILURE
        }
    }
}

/// Whether every unit has a service.
fn run(arguments: &Arguments, log: &Log) -> Result<bool, Box<dyn Error>> {
    if !arguments.dry_run && arguments.normal.is_none() {
        return Err("missing output directory argument".into());
    }
    let folder = match (arguments.dry_run, rival::maker(arguments.user)) {
        (true, _) => None,
        (false, Maker::Podman(by)) => {
            log.detail(&format!("standing back: {} makes the services of these units", by.display()));
            return Ok(true);
        }
        (false, Maker::Alone) => arguments.normal.as_ref(),
        (false, Maker::Chosen) => arguments.early.as_ref().or(arguments.normal.as_ref()),
    };
    let path = SearchPath::of_environment(arguments.user);
    // What is read is not given back one by one: the process is about to end.
    let found = ManuallyDrop::new(path.load());
    let mut good = true;
    for (file, problem) in &found.problems {
        log.say(&format!("error loading {:?}, {problem}", file.display().to_string()));
        good = false;
    }
    if found.sources.is_empty() {
        log.detail(&format!("No files parsed from {:?}", path.folders()));
        return Ok(good);
    }
    log.details(&found.sources, |source| format!("Loading source unit file {}", source.path.display()));
    let mut to = match folder {
        Some(folder) => To::Folder(ServiceFolder::at(folder).writer()?),
        None => To::Output(BufWriter::new(io::stdout().lock())),
    };
    let settings = Settings::of_environment(arguments.user);
    // One at a time: a service that is written is not kept.
    for outcome in each(&found.sources, &settings) {
        good &= tell(&outcome, log);
        let Some(service) = &outcome.service else { continue };
        match &mut to {
            To::Output(output) => writeln!(output, "---{}.service---\n{}", service.name, service.unit)?,
            To::Folder(writer) => {
                if let Err(error) = writer.write(service, &install::links(outcome.source, service)) {
                    log.say(&in_full(&error));
                    good = false;
                }
            }
        }
    }
    if let To::Output(mut output) = to {
        output.flush()?;
    }
    Ok(good)
}

/// Where services go.
enum To<'a> {
    Output(BufWriter<StdoutLock<'a>>),
    Folder(Writer),
}

/// What an error says, and what it comes of.
fn in_full(error: &dyn Error) -> String {
    let why = error.source().map(|source| format!(": {source}")).unwrap_or_default();
    format!("{error}{why}")
}

/// Says what is wrong with a unit; answers whether it has a service.
fn tell(outcome: &Outcome<'_>, log: &Log) -> bool {
    let source = outcome.source;
    let of_install = install::problem(source);
    let mut problems = outcome.problems.iter().chain(&of_install).peekable();
    if problems.peek().is_none() {
        return outcome.service.is_some();
    }
    let doing = if source.problems.is_empty() {
        format!("converting {:?}: ", source.name.to_string())
    } else {
        format!("error loading {:?}, ", source.path.display().to_string())
    };
    for problem in problems {
        let Problem { place, fault } = problem;
        let at = place.as_ref().map(|place| format!(" ({place})")).unwrap_or_default();
        let hint = fault.hint().map(|hint| format!("; {hint}")).unwrap_or_default();
        match fault.severity() {
            Severity::Error => log.say(&format!("{doing}{fault}{hint}{at}")),
            Severity::Warning => log.say(&format!("Warning: {fault}{hint}{at}")),
        }
    }
    outcome.service.is_some()
}
