// SPDX-License-Identifier: Apache-2.0 OR MIT
//! From the words of a command line to the verb that they call.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use clap::{ArgMatches, Args, Command, FromArgMatches as _};
use haulout_engine::step::Steps;
use haulout_engine::{Engine, Paths};

use crate::commands::{self, GROUPS, VERBS, Verb};
use crate::exit::{ENGINE, Failure};
use crate::{completion, exit, flags, output, usage};

/// The version of podman whose command line this is; said by that name.
pub const PODMAN: &str = "5.4.2";

/// Flags that every verb has.
#[derive(Args, Clone, Debug, Default)]
#[command(about = None, long_about = None)]
pub struct Globals {
    /// Help for a command
    #[arg(long)]
    help: bool,
    /// Log messages above specified level (trace, debug, info, warn, warning, error, fatal, panic)
    #[arg(long, default_value = "warn", global = true)]
    log_level: String,
    /// Path to the folder where images, containers, etc. are stored
    #[arg(long, global = true)]
    root: Option<PathBuf>,
    /// Path to the folder where what runs keeps its state
    #[arg(long, global = true)]
    runroot: Option<PathBuf>,
}

/// What comes before a verb.
#[derive(Args, Debug)]
#[command(about = None, long_about = None)]
struct Root {
    #[command(flatten)]
    globals: Globals,
    /// Version of the program
    #[arg(short, long)]
    version: bool,
    #[arg(trailing_var_arg = true, hide = true)]
    words: Vec<String>,
}

/// How this process was called.
pub struct Invocation {
    /// `haulout` or `podman`.
    pub program: &'static str,
    /// The whole command line.
    pub argv: Vec<String>,
    /// The command as typed: `podman container ls`.
    pub path: String,
    globals: Globals,
    steps: Option<Steps>,
}

impl Invocation {
    /// The engine, with a zygote if the verb has one.
    pub fn engine(&self) -> Engine {
        Engine::open(self.paths(), self.steps.clone())
    }

    /// Where the engine keeps things.
    pub fn paths(&self) -> Paths {
        Paths::of_user().below(self.globals.root.as_deref(), self.globals.runroot.as_deref())
    }

    /// The version that the program says it has: by podman's name podman's, because scripts ask for a newer one.
    pub fn version(&self) -> &'static str {
        if self.program == "podman" { PODMAN } else { env!("CARGO_PKG_VERSION") }
    }
}

/// Does what the words say; answers the exit status.
pub fn run(words: impl Iterator<Item = OsString>) -> u8 {
    match call(words) {
        Ok(status) => status,
        Err(error) => exit::report(&error),
    }
}

fn call(words: impl Iterator<Item = OsString>) -> Result<u8> {
    let argv = words
        .map(|word| word.into_string().map_err(|word| anyhow::anyhow!("{} is not UTF-8", word.display())))
        .collect::<Result<Vec<String>>>()?;
    let name = argv.first().and_then(|word| Path::new(word).file_name()?.to_str()).unwrap_or("haulout");
    let program = if name == "podman" { "podman" } else { "haulout" };
    if completion::answer(program) {
        return Ok(0);
    }
    let command = root(program);
    let given = argv.get(1..).unwrap_or_default();
    let root = Root::from_arg_matches(&parse(&command, program, given)?)?;
    let mut invocation =
        Invocation { program, path: program.to_owned(), globals: root.globals, steps: None, argv: argv.clone() };
    if root.version {
        output::line(&format!("{program} version {}", invocation.version()))?;
        return Ok(0);
    }
    let Some((verb, rest)) = find(&mut invocation, &root.words, &command)? else { return Ok(0) };
    let command = commands::command(verb);
    let help = |invocation: &Invocation| usage::of_verb(&command, &invocation.path, verb);
    let matches = match parse(&command, &invocation.path, rest) {
        Ok(matches) => matches,
        // Help is given whatever words come after it; but not whatever flags.
        Err(error)
            if rest.first().is_some_and(|word| word == "--help") && error.to_string().ends_with(flags::NO_WORDS) =>
        {
            output::print(&help(&invocation))?;
            return Ok(0);
        }
        Err(error) => return Err(error),
    };
    let globals = Globals::from_arg_matches(&matches)?;
    if globals.help || invocation.globals.help {
        output::print(&help(&invocation))?;
        return Ok(0);
    }
    invocation.globals = Globals {
        help: false,
        log_level: if globals.log_level == "warn" { invocation.globals.log_level } else { globals.log_level },
        root: absolute(globals.root.or(invocation.globals.root))?,
        runroot: absolute(globals.runroot.or(invocation.globals.runroot))?,
    };
    log(&invocation.globals.log_level)?;
    if verb.zygote {
        // Before there is a second thread: the runtime below makes some.
        invocation.steps = Some(Steps::fork().context("forking the process that enters the user namespace")?);
    }
    (verb.run)(&matches, &invocation)
}

/// What is started for a container works in another folder.
fn absolute(folder: Option<PathBuf>) -> Result<Option<PathBuf>> {
    let whole = |folder: PathBuf| std::path::absolute(&folder).with_context(|| format!("finding {}", folder.display()));
    folder.map(whole).transpose()
}

/// The program's command: the flags before a verb.
pub fn root(program: &'static str) -> Command {
    flags::as_podman_takes_them(Root::augment_args(Command::new(program))).mut_arg("help", |arg| arg.short('h'))
}

fn parse(command: &Command, path: &str, words: &[String]) -> Result<ArgMatches> {
    let line = std::iter::once(path.to_owned()).chain(words.iter().cloned());
    command
        .clone()
        .try_get_matches_from(line)
        .map_err(|error| Failure { status: ENGINE, message: flags::words(&error, path, words) }.into())
}

/// The verb that `words` begin with, and the words after it. Nothing when all that was asked for is shown already.
fn find<'a>(
    invocation: &mut Invocation,
    words: &'a [String],
    root: &Command,
) -> Result<Option<(&'static Verb, &'a [String])>> {
    let program = invocation.program;
    let asks_help = invocation.globals.help || words.first().is_some_and(|word| word == "help" && words.len() == 1);
    let words = match words {
        [help, rest @ ..] if help == "help" && !rest.is_empty() => {
            invocation.globals.help = true;
            rest
        }
        words => words,
    };
    let Some((first, rest)) = words.split_first().filter(|(first, _)| *first != "help") else {
        output::print(&usage::of_program(root, program))?;
        if asks_help {
            return Ok(None);
        }
        return failed(format!("missing command '{program} COMMAND'"));
    };
    invocation.path = format!("{program} {first}");
    if let Some(verb) = VERBS.iter().find(|verb| verb.names.contains(&first.as_str())) {
        return Ok(Some((verb, rest)));
    }
    let path = invocation.path.clone();
    let Some(group) = GROUPS.iter().find(|group| group.name == first) else {
        let near = usage::near(first);
        let hint =
            if near.is_empty() { String::new() } else { format!("\nDid you mean this?\n\t{}\n", near.join("\n\t")) };
        return failed(
            format!("unrecognized command `{path}`\n{hint}\nTry '{program} --help' for more information")
                .replace("`\n\nTry", "`\nTry"),
        );
    };
    match rest.split_first() {
        Some((second, _)) if second == "--help" => {}
        Some((second, _)) if second.starts_with('-') => {
            return failed(format!("unknown flag: {second}\nSee '{path} --help'"));
        }
        Some((second, rest)) => {
            if let Some(verb) = group.verbs.iter().find(|verb| verb.names.contains(&second.as_str())) {
                invocation.path = format!("{path} {second}");
                return Ok(Some((verb, rest)));
            }
            return failed(format!("unrecognized command `{path} {second}`\nTry '{path} --help' for more information"));
        }
        None => {}
    }
    output::print(&usage::of_group(group, program))?;
    if rest.is_empty() && !invocation.globals.help {
        return failed(format!("missing command '{path} COMMAND'"));
    }
    Ok(None)
}

fn failed<T>(message: String) -> Result<T> {
    Err(Failure { status: ENGINE, message }.into())
}

/// Has the engine's own log shown, from `level` on. Warnings are shown by the verbs: nothing is to be set up for them.
fn log(level: &str) -> Result<()> {
    let level = match level {
        "trace" => tracing::Level::TRACE,
        "debug" => tracing::Level::DEBUG,
        "info" => tracing::Level::INFO,
        "warn" | "warning" | "error" | "fatal" | "panic" => return Ok(()),
        _ => {
            let levels = "trace, debug, info, warn, warning, error, fatal, panic";
            output::error(&format!("Log Level {level:?} is not supported, choose from: {levels}\n"));
            return Err(Failure { status: 1, message: String::new() }.into());
        }
    };
    tracing_subscriber::fmt().with_max_level(level).with_writer(std::io::stderr).init();
    Ok(())
}
