// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a shell offers when the tab key is pressed: verbs, flags, and the names of what there is.
//!
//! The script that `haulout completion SHELL` prints runs the program with [`VARIABLE`] in its environment.

use std::ffi::OsStr;

use clap::builder::Resettable;
use clap::{Arg, Command, ValueHint};
use clap_complete::CompleteEnv;
use clap_complete::engine::{ArgValueCompleter, CompletionCandidate};
use clap_complete::env::Shells;
use haulout_engine::container::{self, Status};
use haulout_engine::{Engine, Error, Paths};

use crate::units::Units;
use crate::{rows, tree};

/// Set by the shell's script to the shell's name.
pub const VARIABLE: &str = "HAULOUT_COMPLETE";

/// The same, by a script that wants no descriptions.
pub const VARIABLE_PLAIN: &str = "HAULOUT_COMPLETE_PLAIN";

/// The values of flags that take one of a few.
const VALUES: &[(&str, &[&str])] = &[
    ("cgroup-manager", &["systemd", "cgroupfs"]),
    ("cgroupns", &["host", "private", "container:"]),
    ("cgroups", &["enabled", "disabled", "no-conmon", "split"]),
    (
        "condition",
        &["created", "exited", "healthy", "initialized", "paused", "removing", "running", "stopped", "unhealthy"],
    ),
    ("events-backend", &["file", "journald", "none"]),
    ("health-on-failure", &["none", "kill", "restart", "stop"]),
    ("image-volume", &["bind", "tmpfs", "ignore"]),
    ("ipc", &["host", "private", "shareable", "none", "container:"]),
    ("log-driver", &["k8s-file", "journald", "none", "passthrough", "passthrough-tty"]),
    ("log-level", &["trace", "debug", "info", "warn", "error", "fatal", "panic"]),
    ("log-opt", &["max-size=", "tag="]),
    ("network", &["pasta", "slirp4netns", "none", "host", "private", "container:"]),
    ("pid", &["host", "private", "container:"]),
    ("pull", &["always", "missing", "never", "newer"]),
    ("restart", &["no", "always", "on-failure", "unless-stopped"]),
    ("sdnotify", &["container", "conmon", "healthy", "ignore"]),
    ("security-opt", &["apparmor=", "label=", "mask=", "no-new-privileges", "proc-opts=", "seccomp=", "unmask="]),
    ("signal", &["HUP", "INT", "KILL", "QUIT", "TERM", "USR1", "USR2"]),
    ("stop-signal", &["HUP", "INT", "KILL", "QUIT", "TERM", "USR1", "USR2"]),
    ("systemd", &["true", "false", "always"]),
    ("userns", &["host", "keep-id", "nomap", "auto", "container:"]),
    ("uts", &["host", "private", "container:"]),
];

/// What `--sort` of `ps` takes.
const SORTS: &[&str] = &["command", "created", "id", "image", "names", "runningfor", "size", "status"];

const OF_CONTAINERS: &[&str] = &[
    "ancestor=",
    "before=",
    "exited=",
    "health=",
    "id=",
    "label=",
    "name=",
    "network=",
    "restart-policy=",
    "since=",
    "status=created",
    "status=exited",
    "status=paused",
    "status=running",
    "until=",
    "volume=",
];
const OF_IMAGES: &[&str] = &[
    "after=",
    "before=",
    "containers=",
    "dangling=",
    "digest=",
    "id=",
    "intermediate=",
    "label=",
    "manifest=",
    "readonly=",
    "reference=",
    "since=",
    "until=",
];
const OF_VOLUMES: &[&str] =
    &["after=", "dangling=", "driver=", "label=", "name=", "opt=", "scope=", "since=", "until="];
const OF_EVENTS: &[&str] = &[
    "container=",
    "event=",
    "image=",
    "label=",
    "type=container",
    "type=image",
    "type=system",
    "type=volume",
    "volume=",
];

/// What `--filter` of a verb takes; `noun` is the group that it is in.
fn filters(noun: &str, verb: &str) -> &'static [&'static str] {
    match (noun, verb) {
        (_, "events") => OF_EVENTS,
        (_, "search") => &["is-automated=", "is-official=", "stars="],
        ("secret", _) => &["id=", "name="],
        ("volume", _) => OF_VOLUMES,
        (_, "prune") => &["label=", "until="],
        ("image", _) | (_, "images") => OF_IMAGES,
        _ => OF_CONTAINERS,
    }
}

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
    completed(tree::of_program(program), "", described)
}

/// The command with what its words and flags may be.
fn completed(command: Command, noun: &str, described: bool) -> Command {
    let verb = command.get_name().to_owned();
    let command = command
        .mut_args(|arg| {
            let arg = if described { arg } else { arg.help(None) };
            if arg.is_positional() { word(arg, &verb) } else { as_typed(value(arg, noun, &verb)) }
        })
        .mut_subcommands(|command| completed(command, &verb, described));
    if described { command } else { command.about(None) }
}

/// A word of a verb, by its name in the usage line.
fn word(arg: Arg, verb: &str) -> Arg {
    let name = arg.get_value_names().and_then(|names| names.first()).map(ToString::to_string).unwrap_or_default();
    if name.contains("CONTAINER") {
        let wanted: fn(&Status) -> bool = match verb {
            "attach" | "exec" | "kill" | "pause" | "stop" | "top" => |status| matches!(status, Status::Running(_)),
            "start" => |status| !status.is_started(),
            "init" => |status| status.process().is_none(),
            "unpause" => |status| matches!(status, Status::Paused(_)),
            _ => |_| true,
        };
        arg.add(ArgValueCompleter::new(move |typed: &OsStr| containers(typed, wanted)))
    } else if name.contains("IMAGE") {
        arg.add(ArgValueCompleter::new(images))
    } else if name.contains("UNIT") {
        arg.add(ArgValueCompleter::new(units))
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

/// A flag's value, of a verb in the group `noun`.
fn value(arg: Arg, noun: &str, verb: &str) -> Arg {
    let Some(name) = arg.get_long().map(str::to_owned) else { return arg };
    let values = match (name.as_str(), verb) {
        ("filter", _) => Some(filters(noun, verb)),
        ("sort", "ps" | "list" | "ls") => Some(SORTS),
        ("type", "inspect") => Some(&["all", "container", "image", "network", "pod", "volume"][..]),
        ("format", "commit") => Some(&["oci", "docker"][..]),
        ("format", "push") => Some(&["oci", "v2s2", "v2s1"][..]),
        ("format", "save") => Some(&["docker-archive", "docker-dir", "oci-archive", "oci-dir"][..]),
        ("format", _) => Some(&["json"][..]),
        _ => VALUES.iter().find(|(flag, _)| *flag == name).map(|(_, values)| *values),
    };
    if let Some(values) = values {
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

/// A flag by the one of its names that was typed: values are offered after that which is called its long one only.
fn as_typed(arg: Arg) -> Arg {
    let mut words: Vec<String> = std::env::args().collect();
    // A flag that is not typed to its end can still become any.
    words.pop_if(|last| !last.contains('='));
    let is_typed = |name: &str| {
        let mut names = words.iter().filter_map(|word| word.strip_prefix("--")?.split('=').next());
        names.any(|typed| typed == name)
    };
    if arg.get_long().is_none_or(is_typed) {
        return arg;
    }
    match arg.get_aliases().into_iter().flatten().find(|alias| is_typed(alias)) {
        Some(alias) => {
            // Not given back: the process ends when it has answered the shell.
            let alias: &'static str = alias.to_owned().leak();
            arg.alias(Resettable::Reset).long(alias)
        }
        None => arg,
    }
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

/// Names of units' files that begin with what was typed.
fn units(typed: &OsStr) -> Vec<CompletionCandidate> {
    let typed = typed.to_string_lossy();
    let found = Units::load().found;
    let names = found.sources.into_iter().map(|source| source.name.to_string());
    names.filter(|name| name.starts_with(&*typed)).map(CompletionCandidate::new).collect()
}

/// What the engine answers; nothing when it cannot: the tab key is not the place to complain.
fn ask<T: Default>(question: impl AsyncFnOnce(Engine) -> Result<T, Error>) -> T {
    let engine = Engine::open(Paths::found(), None);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.ok().and_then(|runtime| runtime.block_on(question(engine)).ok()).unwrap_or_default()
}
