// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a shell offers when the tab key is pressed: verbs, flags, and the names of what there is.
//!
//! The script that `haulout completion SHELL` prints runs the program with [`VARIABLE`] in its environment.

use std::ffi::OsStr;

use clap::{Arg, Command, ValueHint};
use clap_complete::CompleteEnv;
use clap_complete::engine::{ArgValueCompleter, CompletionCandidate};
use clap_complete::env::Shells;
use haulout_engine::container::{self, Status};
use haulout_engine::{Engine, Error, Paths};

use crate::{rows, tree};

/// Set by the shell's script to the shell's name.
pub const VARIABLE: &str = "HAULOUT_COMPLETE";

/// The same, by a script that wants no descriptions.
pub const VARIABLE_PLAIN: &str = "HAULOUT_COMPLETE_PLAIN";

/// The values of flags that take one of a few.
const VALUES: &[(&str, &[&str])] = &[
    ("cgroups", &["enabled", "disabled", "no-conmon", "split"]),
    ("log-driver", &["k8s-file", "journald", "none", "passthrough", "passthrough-tty"]),
    ("log-level", &["trace", "debug", "info", "warn", "error", "fatal", "panic"]),
    ("network", &["pasta", "none", "host", "private"]),
    ("pull", &["always", "missing", "never", "newer"]),
    ("restart", &["no", "always", "on-failure", "unless-stopped"]),
    ("signal", &["HUP", "INT", "KILL", "QUIT", "TERM", "USR1", "USR2"]),
    ("stop-signal", &["HUP", "INT", "KILL", "QUIT", "TERM", "USR1", "USR2"]),
    ("userns", &["host", "keep-id", "nomap", "auto"]),
];

/// Answers a shell that asks; `false` when none does.
pub fn answer(program: &'static str) -> bool {
    let Some(variable) = [VARIABLE, VARIABLE_PLAIN].into_iter().find(|name| std::env::var_os(name).is_some()) else {
        return false;
    };
    let described = variable == VARIABLE;
    CompleteEnv::with_factory(|| command(program, described)).var(variable).complete();
    true
}

/// The script that has `shell` complete `program`; nothing for a shell that is not known.
pub fn script(program: &'static str, shell: &str, described: bool) -> Option<std::io::Result<Vec<u8>>> {
    let shells = Shells::builtins();
    let shell = shells.iter().find(|known| known.name() == shell)?;
    let variable = if described { VARIABLE } else { VARIABLE_PLAIN };
    let mut script = Vec::new();
    Some(shell.write_registration(variable, program, program, program, &mut script).map(|()| script))
}

fn command(program: &'static str, described: bool) -> Command {
    completed(tree::of_program(program), described)
}

/// The command with what its words and flags may be.
fn completed(command: Command, described: bool) -> Command {
    let verb = command.get_name().to_owned();
    let command = command
        .mut_args(|arg| {
            let arg = if described { arg } else { arg.help(None) };
            if arg.is_positional() { word(arg, &verb) } else { value(arg) }
        })
        .mut_subcommands(|command| completed(command, described));
    if described { command } else { command.about(None) }
}

/// A word of a verb, by its name in the usage line.
fn word(arg: Arg, verb: &str) -> Arg {
    let name = arg.get_value_names().and_then(|names| names.first()).map(ToString::to_string).unwrap_or_default();
    if name.contains("CONTAINER") {
        let wanted: fn(&Status) -> bool = match verb {
            "attach" | "exec" | "kill" | "pause" | "stop" | "top" => |status| matches!(status, Status::Running(_)),
            "start" | "init" => |status| !matches!(status, Status::Running(_) | Status::Paused(_)),
            "unpause" => |status| matches!(status, Status::Paused(_)),
            _ => |_| true,
        };
        arg.add(ArgValueCompleter::new(move |typed: &OsStr| containers(typed, wanted)))
    } else if name.contains("IMAGE") {
        arg.add(ArgValueCompleter::new(images))
    } else if name.contains("SECRET") {
        arg.add(ArgValueCompleter::new(secrets))
    } else if name.contains("VOLUME") {
        arg.add(ArgValueCompleter::new(volumes))
    } else if name.contains("PATH") || name.contains("FILE") || matches!(name.as_str(), "COMMAND" | "ARG") {
        arg.value_hint(ValueHint::AnyPath)
    } else {
        arg.value_hint(ValueHint::Other)
    }
}

/// A flag's value.
fn value(arg: Arg) -> Arg {
    let Some(name) = arg.get_long().map(str::to_owned) else { return arg };
    if let Some((_, values)) = VALUES.iter().find(|(flag, _)| *flag == name) {
        let offer = move |typed: &OsStr| {
            let typed = typed.to_string_lossy();
            values.iter().filter(|value| value.starts_with(&*typed)).map(CompletionCandidate::new).collect()
        };
        return arg.add(ArgValueCompleter::new(offer));
    }
    if name == "secret" {
        return arg.add(ArgValueCompleter::new(secrets));
    }
    if name == "volumes-from" {
        return arg.add(ArgValueCompleter::new(|typed: &OsStr| containers(typed, |_| true)));
    }
    arg
}

/// Names of containers that begin with what was typed; ids only when that is the beginning of one.
fn containers(typed: &OsStr, wanted: fn(&Status) -> bool) -> Vec<CompletionCandidate> {
    let typed = typed.to_string_lossy();
    let found = ask(async |engine| engine.containers().list().await);
    let mut candidates = Vec::new();
    for container::Summary { record, status, .. } in found.into_iter().filter(|found| wanted(&found.status)) {
        let help = Some(format!("{} ({})", record.image_name, rows::state(&status)).into());
        let (name, id) = (record.name.to_string(), record.id.to_string());
        if name.starts_with(&*typed) {
            candidates.push(CompletionCandidate::new(name).help(help));
        } else if id.starts_with(&*typed) {
            candidates.push(CompletionCandidate::new(&id[..id.len().min(12).max(typed.len())]).help(help));
        }
    }
    candidates
}

/// Names of images that begin, or whose last part begins, with what was typed.
fn images(typed: &OsStr) -> Vec<CompletionCandidate> {
    let typed = typed.to_string_lossy();
    let found = ask(async |engine| engine.images().list().await);
    let names = found.into_iter().flat_map(|image| image.names);
    // A shell replaces the word by what is offered, so the short form is one of its own.
    let forms = names.flat_map(|name| match name.rsplit_once('/') {
        Some((_, short)) if !typed.is_empty() => vec![short.to_owned(), name],
        _ => vec![name],
    });
    forms.filter(|name| name.starts_with(&*typed)).map(CompletionCandidate::new).collect()
}

/// Names of volumes that begin with what was typed.
fn volumes(typed: &OsStr) -> Vec<CompletionCandidate> {
    let typed = typed.to_string_lossy();
    let found = ask(async |engine| engine.volumes().list().await);
    let names = found.into_iter().map(|volume| volume.record.name);
    names.filter(|name| name.starts_with(&*typed)).map(CompletionCandidate::new).collect()
}

/// Names of secrets that begin with what was typed.
fn secrets(typed: &OsStr) -> Vec<CompletionCandidate> {
    let typed = typed.to_string_lossy();
    let found = ask(async |engine| engine.secrets().list().await);
    let names = found.into_iter().map(|secret| secret.name);
    names.filter(|name| name.starts_with(&*typed)).map(CompletionCandidate::new).collect()
}

/// What the engine answers; nothing when it cannot: the tab key is not the place to complain.
fn ask<T: Default>(question: impl AsyncFnOnce(Engine) -> Result<T, Error>) -> T {
    let engine = Engine::open(Paths::of_user(), None);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.ok().and_then(|runtime| runtime.block_on(question(engine)).ok()).unwrap_or_default()
}
