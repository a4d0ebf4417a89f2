// SPDX-License-Identifier: Apache-2.0 OR MIT
//! From the words of a command line to the verb that they call.

use std::ffi::OsString;
use std::os::unix::process::CommandExt as _;
use std::path::Path;

use anyhow::{Context as _, Result};
use clap::{ArgMatches, Args, Command, FromArgMatches as _};
use haulout_engine::config::containers::Settings;
use haulout_engine::config::storage::Storage;
use haulout_engine::step::Steps;
use haulout_engine::{Engine, Paths};

use crate::commands::{self, GROUPS, VERBS, Verb};
use crate::exit::{ENGINE, Failure};
use crate::globals::{Globals, Setup};
use crate::{completion, defaults, exit, flags, output, usage};

/// The version of podman whose command line this is; said by that name.
pub const PODMAN: &str = "5.4.2";

/// What podman has and Haulout has not, though people will try: more than a word that is like another.
pub const NOT_YET: [&str; 10] =
    ["artifact", "build", "compose", "farm", "kube", "machine", "network", "play", "pod", "buildx"];

/// The same of what podman has in a group, and what to do instead.
const OTHERWISE: [(&str, &str); 1] = [("generate kube", "Haulout does not have it yet")];

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
    setup: Option<Setup>,
    steps: Option<Steps>,
}

impl Invocation {
    /// The engine, with a zygote if the verb has one.
    pub fn engine(&self) -> Engine {
        match &self.setup {
            Some(setup) => Engine::open_told(setup.paths.clone(), self.steps.clone(), setup.told.clone()),
            None => Engine::open(self.paths(), self.steps.clone()),
        }
    }

    /// Where the engine keeps things.
    pub fn paths(&self) -> Paths {
        self.setup.as_ref().map_or_else(Paths::of_user, |setup| setup.paths.clone())
    }

    /// containers.conf, and what outranks it.
    pub fn settings(&self) -> Result<&Settings> {
        self.setup.as_ref().map(|setup| &setup.settings).context("containers.conf was not read")
    }

    /// storage.conf, and what outranks it.
    pub fn storage(&self) -> Option<&Storage> {
        self.setup.as_ref().map(|setup| &setup.storage)
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
    let mut invocation = Invocation {
        program,
        path: program.to_owned(),
        globals: root.globals,
        setup: None,
        steps: None,
        argv: argv.clone(),
    };
    if root.version {
        output::line(&format!("{program} version {}", invocation.version()))?;
        return Ok(0);
    }
    let Some((verb, rest)) = find(&mut invocation, &root.words, &command)? else { return Ok(0) };
    let command = commands::command(verb);
    let help = |invocation: &Invocation| usage::of_verb(&command, &invocation.path, verb);
    let mut matches = match parse(&command, &invocation.path, rest) {
        Ok(matches) => matches,
        // Help is given whatever words come after it, or none; but not whatever flags.
        Err(error)
            if rest.first().is_some_and(|word| word == "--help")
                && [flags::NO_WORDS, flags::NEEDS_WORDS].iter().any(|words| error.to_string().ends_with(words)) =>
        {
            output::print(&help(&invocation))?;
            return Ok(0);
        }
        Err(error) => return Err(error),
    };
    invocation.globals = Globals::from_arg_matches(&matches)?.over(invocation.globals);
    if invocation.globals.help {
        output::print(&help(&invocation))?;
        return Ok(0);
    }
    invocation.globals.apply()?;
    let setup = invocation.globals.setup()?;
    take_environment(&setup.settings, &argv)?;
    for warning in &setup.storage.warnings {
        output::warning(warning);
    }
    let defaults = defaults::words(&setup.settings, &command, &matches)?;
    if !defaults.is_empty() {
        matches = parse(&command, &invocation.path, &[&defaults, rest].concat())?;
    }
    invocation.setup = Some(setup);
    if verb.zygote {
        // Before there is a second thread: the runtime below makes some.
        invocation.steps = Some(Steps::fork().context("forking the process that enters the user namespace")?);
    }
    let done = (verb.run)(&matches, &invocation);
    if let Some(steps) = invocation.steps.as_ref().filter(|_| is_in_service()) {
        steps.end();
    }
    done
}

/// Whether a service manager has started this, or who did (systemd.exec(5)): it looks at what is left.
fn is_in_service() -> bool {
    std::env::var_os("INVOCATION_ID").is_some()
}

/// `engine.env` of containers.conf: variables of this program's, unless they are set. A program that has threads cannot change its
/// own environment, and what it starts has it too: so it starts itself anew, once, for then they are set.
fn take_environment(settings: &Settings, argv: &[String]) -> Result<()> {
    let wanted = settings.engine.env.items().iter().filter_map(|text| text.split_once('='));
    let missing: Vec<_> = wanted.filter(|(name, _)| std::env::var_os(name).is_none()).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let [name, words @ ..] = argv else { return Ok(()) };
    let error = std::process::Command::new("/proc/self/exe").arg0(name).args(words).envs(missing).exec();
    Err(error).context("starting anew with the variables of engine.env in containers.conf")
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
    let group = GROUPS.iter().find(|group| group.name == first);
    if let Some(verb) = VERBS.iter().find(|verb| verb.names.contains(&first.as_str())) {
        // A verb with verbs of its own is itself where none of them comes next.
        let own = group.zip(rest.split_first()).and_then(|(group, (second, rest))| {
            let verb = group.verbs.iter().find(|verb| verb.names.contains(&second.as_str()))?;
            Some((verb, second, rest))
        });
        let Some((verb, second, rest)) = own else { return Ok(Some((verb, rest))) };
        invocation.path = format!("{program} {first} {second}");
        return Ok(Some((verb, rest)));
    }
    let path = invocation.path.clone();
    let Some(group) = group else {
        if NOT_YET.contains(&first.as_str()) {
            return failed(format!(
                "unrecognized command `{path}`: Haulout does not have it yet\nTry '{program} --help' for what it has"
            ));
        }
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
            let asked = format!("{first} {second}");
            let otherwise = OTHERWISE.iter().find(|(known, _)| *known == asked);
            let otherwise = otherwise.map(|(_, words)| format!(": {words}")).unwrap_or_default();
            return failed(format!(
                "unrecognized command `{path} {second}`{otherwise}\nTry '{path} --help' for more information"
            ));
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
